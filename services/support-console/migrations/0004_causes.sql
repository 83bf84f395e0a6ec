-- Dead letters by what is wrong: supplier, step, error. The figures are kept as letters come and go, so that a page
-- costs the same with a million of them.

create table letter_cause (
    letter_cause_id uuid constraint letter_cause_pk primary key,
    supplier text not null,
    consumer text not null,
    message_type text not null,
    cause text not null,
    error text not null,
    -- How many stand so now.
    parked bigint not null,
    replaying bigint not null,
    -- How many there ever were.
    total bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    newest_id uuid not null
);

create index letter_cause_open on letter_cause (last_at desc) where parked > 0 or replaying > 0;

create table letter_cause_hour (
    letter_cause_id uuid not null,
    hour timestamptz not null,
    letters bigint not null,
    constraint letter_cause_hour_pk primary key (letter_cause_id, hour)
);

-- What is wrong, in words that are the same for the same fault; empty where nothing is known.
alter table dead_letter
    add column supplier text not null default '',
    add column step text not null default '',
    add column error text not null default '';

alter table dead_letter add column letter_cause_id uuid not null generated always as (
    md5(supplier || E'\x1f' || coalesce(consumer, '') || E'\x1f' || step || E'\x1f' || cause || E'\x1f' || error)::uuid
) stored;

create index dead_letter_by_cause on dead_letter (letter_cause_id, parked_at desc, dead_letter_id desc);

create function letters_parked() returns trigger
language plpgsql security definer set search_path from current
as $$
begin
    insert into letter_cause as c (letter_cause_id, supplier, consumer, message_type, cause, error, parked, replaying,
                                   total, first_at, last_at, newest_id)
    select letter_cause_id, min(supplier), coalesce(min(consumer), ''), min(step), min(cause), min(error), count(*), 0,
           count(*), min(first_at), max(last_at), (array_agg(dead_letter_id order by parked_at desc))[1]
      from parked group by letter_cause_id order by letter_cause_id
    on conflict (letter_cause_id) do update
       set parked = c.parked + excluded.parked, total = c.total + excluded.total,
           first_at = least(c.first_at, excluded.first_at), last_at = greatest(c.last_at, excluded.last_at),
           newest_id = excluded.newest_id;
    insert into letter_cause_hour as h (letter_cause_id, hour, letters)
    select letter_cause_id, date_trunc('hour', parked_at), count(*) from parked group by 1, 2 order by 1, 2
    on conflict (letter_cause_id, hour) do update set letters = h.letters + excluded.letters;
    return null;
end
$$;

create trigger dead_letter_is_counted after insert on dead_letter
    referencing new table as parked for each statement execute function letters_parked();

-- A letter's state is what its last event says; each event moves it from where the one before left it.
create function letters_moved() returns trigger
language plpgsql security definer set search_path from current
as $$
declare
    moved record;
begin
    for moved in
        select d.letter_cause_id,
               sum((n.event = 'restored')::int - (coalesce(o.event, 'restored') = 'restored')::int) as parked,
               sum((n.event = 'replayed')::int - (coalesce(o.event, 'restored') = 'replayed')::int) as replaying
          from events as n
          join dead_letter as d using (dead_letter_id)
          left join letter_event as o on o.dead_letter_id = n.dead_letter_id and o.version = n.version - 1
         group by d.letter_cause_id order by d.letter_cause_id
    loop
        update letter_cause as c set parked = c.parked + moved.parked, replaying = c.replaying + moved.replaying
         where c.letter_cause_id = moved.letter_cause_id;
    end loop;
    return null;
end
$$;

create trigger letter_event_is_counted after insert on letter_event
    referencing new table as events for each statement execute function letters_moved();

-- What is here already.
insert into letter_cause (letter_cause_id, supplier, consumer, message_type, cause, error, parked, replaying, total,
                          first_at, last_at, newest_id)
select d.letter_cause_id, min(d.supplier), coalesce(min(d.consumer), ''), min(d.step), min(d.cause), min(d.error),
       count(*) filter (where l.state = 'parked'), count(*) filter (where l.state = 'replaying'), count(*),
       min(d.first_at), max(d.last_at), (array_agg(d.dead_letter_id order by d.parked_at desc))[1]
  from dead_letter as d join letter as l using (dead_letter_id)
 group by d.letter_cause_id;

insert into letter_cause_hour (letter_cause_id, hour, letters)
select letter_cause_id, date_trunc('hour', parked_at), count(*) from dead_letter group by 1, 2;

-- A letter as it stands now, with what is wrong.
create or replace view letter as
select d.dead_letter_id, d.queue, d.consumer, coalesce(d.addressee, d.consumer) as addressee, d.cause, d.detail,
       d.message_id, d.message_type, d.attempt, d.attempts, d.exchange, d.routing_key, d.subject, d.booking_id,
       d.trace_id, d.first_at, d.last_at, d.parked_at,
       coalesce(e.version, 0) as version,
       case coalesce(e.event, 'restored')
           when 'restored' then 'parked'
           when 'replayed' then 'replaying'
           else e.event
       end as state,
       e.at as state_at, e.attempt as replay_attempt, e.restorable_until, e.next_dead_letter_id, d.letter_cause_id
  from dead_letter as d
  left join lateral (
       select * from letter_event where dead_letter_id = d.dead_letter_id order by version desc limit 1
  ) as e on true;

grant select on letter_cause, letter_cause_hour to support_console;
