-- A service of the tests: what it did is one row an effect, so that a second effect of a message shows.
create table effect (
    effect_id bigint generated always as identity constraint effect_pk primary key,
    booking_id uuid not null
);

grant select, insert on effect to rewards;
