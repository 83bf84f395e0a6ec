-- A message is looked for by its id among those of one consumer. With the consumer first, a plan that is made while the
-- inbox is small reads all that the consumer ever heard, and goes on doing so; with the id first there is no such plan.
-- Ids are in the order of time, so rows are also added where the last ones were.
alter table inbox
    drop constraint inbox_pk,
    add constraint inbox_pk primary key (message_id, consumer);
