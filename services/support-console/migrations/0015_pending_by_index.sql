-- Each letter that is no longer pending is found by the key. Joined, the plan is made while few are pending and goes
-- through all of them for each event: a thousand at once took two seconds.

create or replace function replays_moved() returns trigger
language plpgsql security definer set search_path from current
as $$
begin
    delete from pending_replay
     where dead_letter_id = any (array(select dead_letter_id from events where event <> 'replayed'));
    insert into pending_replay (dead_letter_id, version, message_id, consumer, attempt)
    select dead_letter_id, version, message_id, consumer, attempt from events as n
     where n.event = 'replayed';
    return null;
end
$$;
