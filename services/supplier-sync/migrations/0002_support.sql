-- What a callback says, callbacks and legs that cannot be handled, and what support asks by.

alter table callback_hint
    -- What it says of the reservation, where it says made, confirmed or gone.
    add column claim text,
    -- A callback whose leg cannot be handled is not tried again before.
    add column put_off_until timestamptz;

alter table leg_event
    drop constraint leg_event_source_is_known,
    add constraint leg_event_source_is_known check (source in ('message', 'answer', 'timer', 'parked', 'staff'));

-- A callback is found by its id.
create index leg_event_by_callback on leg_event ((event ->> 'callback_id')) where event ->> 'callback_id' is not null;
create index attempt_by_client_reference on attempt (client_reference);
create index reservation_by_reference on reservation (reference);
