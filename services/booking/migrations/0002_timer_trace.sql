-- A timer is fired in a trace of its own, linked to the one in which it was set.

alter table timer add column traceparent text;
