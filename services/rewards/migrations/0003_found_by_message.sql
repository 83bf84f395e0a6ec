-- A booking is found by the message that brought something of it.
create index account_event_by_cause on account_event (cause_id) where cause_id is not null;
