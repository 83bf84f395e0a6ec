-- Since when each replay is under way. One of which nobody heard for long can be sent again: a further event of its
-- letter, of which the later replay is what is pending.

alter table pending_replay add column at timestamptz;

update pending_replay as p set at = e.at from letter_event as e
 where e.dead_letter_id = p.dead_letter_id and e.version = p.version;

alter table pending_replay alter column at set not null;

create index pending_replay_by_at on pending_replay (at);

create or replace function replays_moved() returns trigger
language plpgsql security definer set search_path from current
as $$
begin
    delete from pending_replay
     where dead_letter_id = any (array(select dead_letter_id from events where event <> 'replayed'));
    insert into pending_replay as p (dead_letter_id, version, message_id, consumer, attempt, at)
    select dead_letter_id, version, message_id, consumer, attempt, at from events as n
     where n.event = 'replayed'
    on conflict (dead_letter_id) do update
       set version = excluded.version, consumer = excluded.consumer, attempt = excluded.attempt, at = excluded.at;
    return null;
end
$$;

-- A replay of many lists so many letters at a time; when what became of all of them is known, it lists the next of
-- those that waited when it began. Of which letters it is, how many at the most, and what became of those before.
alter table replay_run
    add column of_cause_id uuid,
    add column of_consumer text,
    add column of_cause text,
    add column at_most bigint,
    add column listed_from integer not null default 1,
    add column succeeded_before bigint not null default 0,
    add column failed_before bigint not null default 0,
    add column refused_before bigint not null default 0,
    add column late_before bigint not null default 0;

-- Those that are here list no more than they have.
update replay_run set at_most = letters;

grant update (listed_from, succeeded_before, failed_before, refused_before, late_before) on replay_run to support_console;
