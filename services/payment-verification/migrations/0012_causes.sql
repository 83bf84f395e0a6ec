-- Which message caused an event: whoever finds that in a log or among dead letters finds the booking. Null for what no
-- message caused, and for what happened before this was kept.
alter table payment_event add column cause_id uuid;

create index payment_event_by_cause on payment_event (cause_id) where cause_id is not null;
