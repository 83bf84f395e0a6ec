-- Few legs are in doubt at a time, and support asks which. A column of its own: an index over the state, or over a time
-- that each change moves, would make every change of a leg one of its indexes too.
alter table leg add column doubt_since timestamptz;
create index leg_in_doubt on leg (doubt_since) where doubt_since is not null;
