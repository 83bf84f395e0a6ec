-- A replay runs in a trace of its own: whoever finds that in a log finds the letter.
create index letter_event_by_trace on letter_event (trace_id) where trace_id is not null;
