-- Replays whose outcome is not known, kept by the events themselves: whoever asks what became of them does not look
-- through all replays there ever were.

create table pending_replay (
    dead_letter_id uuid constraint pending_replay_pk primary key,
    version integer not null,
    message_id uuid not null,
    consumer text not null,
    attempt integer not null
);

create function replays_moved() returns trigger
language plpgsql security definer set search_path from current
as $$
begin
    delete from pending_replay as p using events as n
     where n.dead_letter_id = p.dead_letter_id and n.event <> 'replayed';
    insert into pending_replay (dead_letter_id, version, message_id, consumer, attempt)
    select dead_letter_id, version, message_id, consumer, attempt from events as n
     where n.event = 'replayed';
    return null;
end
$$;

create trigger letter_event_is_pending after insert on letter_event
    referencing new table as events for each statement execute function replays_moved();

insert into pending_replay (dead_letter_id, version, message_id, consumer, attempt)
select e.dead_letter_id, e.version, e.message_id, e.consumer, e.attempt
  from letter_event as e
 where e.event = 'replayed'
   and not exists (select from letter_event as later
                    where later.dead_letter_id = e.dead_letter_id and later.version > e.version);

grant select on pending_replay to support_console;
