-- Reviews that were open before bookings in review had a column of their own.
update booking set review_since = (state->'review'->>'since')::timestamptz
 where state->'review'->>'since' is not null and review_since is null;
