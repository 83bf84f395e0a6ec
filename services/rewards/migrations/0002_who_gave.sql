-- Who gave points, and why: staff have to say it. Nothing of what came by a message or by time.

alter table account_event
    add column actor text,
    add column reason text constraint account_event_reason_fits check (char_length(reason) between 1 and 500);
