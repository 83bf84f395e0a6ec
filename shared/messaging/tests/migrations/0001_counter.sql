-- A service of the tests: what it did is one row an effect, so that a second effect of a message
-- shows.
create table effect (
    effect_id bigint generated always as identity constraint effect_pk primary key,
    booking_id uuid not null,
    what text not null
);

grant select, insert on effect to counter;

-- A commit that takes its time, for what must not happen before it.
create function take_time() returns trigger language plpgsql as $$
begin
    perform pg_sleep(1);
    return null;
end
$$;

create constraint trigger effect_slow after insert on effect deferrable initially deferred
for each row when (new.what = 'slow') execute function take_time();
