-- A callback is found by its id, which is written beside the event: read out of each event, it would be looked for in all.

alter table leg_event add column callback_id uuid;
drop index leg_event_by_callback;
update leg_event set callback_id = (event ->> 'callback_id')::uuid where event ->> 'callback_id' is not null;
create index leg_event_by_callback on leg_event (callback_id) where callback_id is not null;
