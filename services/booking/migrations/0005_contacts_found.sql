-- Support finds a booking by what a customer or a log names.

-- A digest with a key that is not here: the same for the same e-mail address, and of no use to whoever reads the table.
-- None for bookings from before there was one; `booking index` makes them.
alter table traveller add column email_index bytea;
create index traveller_by_email on traveller (email_index) where email_index is not null;

-- What a message brings goes on in the trace that caused it: a trace is found by what began in it, and those are few.
create index booking_event_by_trace on booking_event (trace_id) where cause_id is null;
