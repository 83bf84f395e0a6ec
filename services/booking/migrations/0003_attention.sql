-- Few bookings are in review at a time, and support asks which. A column of its own: an index over the state, or over a
-- time that each change moves, would make every change of a booking one of its indexes too.
alter table booking add column review_since timestamptz;
create index booking_in_review on booking (review_since) where review_since is not null;
-- A booking changes some five times in its first minutes; room on the page keeps its versions off the indexes.
alter table booking set (fillfactor = 50);
