-- What staff do about dead letters, and what became of it. Rows are added and never changed: the state of a letter is
-- what its last event says.

-- Who would get it again: a command that no queue took was given up by nobody and still has an addressee.
alter table dead_letter add column addressee text;
create index dead_letter_by_message on dead_letter (message_id);
create index dead_letter_by_trace on dead_letter (trace_id) where trace_id is not null;

-- Everything that a member of staff did or was kept from doing.
create table act (
    act_id uuid constraint act_pk primary key,
    at timestamptz not null,
    actor text not null,
    roles text[] not null,
    -- The address of the caller; behind a proxy, and what that says.
    from_where text not null,
    act text not null constraint act_is_known check (act in ('replay', 'discard', 'restore', 'unmask')),
    -- Denied: the role may not. Refused: it cannot be done as things are.
    outcome text not null constraint act_outcome_is_known check (outcome in ('done', 'denied', 'refused')),
    reason text,
    refusal text,
    dead_letter_id uuid not null,
    booking_id uuid,
    trace_id text,
    constraint act_done_has_a_reason check (outcome <> 'done' or reason is not null),
    constraint act_not_done_has_a_refusal check (outcome = 'done' or refusal is not null)
);

create index act_by_at on act (at desc, act_id desc);
create index act_by_letter on act (dead_letter_id);
create index act_by_booking on act (booking_id) where booking_id is not null;

create table letter_event (
    dead_letter_id uuid not null constraint letter_event_of_a_letter references dead_letter,
    version integer not null constraint letter_event_version_counts check (version > 0),
    at timestamptz not null,
    event text not null constraint letter_event_is_known
        check (event in ('replayed', 'succeeded', 'failed_again', 'discarded', 'restored')),
    act_id uuid constraint letter_event_by_an_act references act,
    -- Of a replay: which delivery of which message to whom, in which trace; what was mended, and where.
    message_id uuid,
    consumer text,
    attempt integer,
    trace_id text,
    mended bytea,
    changed text[],
    -- Of a discard.
    restorable_until timestamptz,
    -- Of a replay that failed: the dead letter that it became.
    next_dead_letter_id uuid,
    detail text,
    constraint letter_event_pk primary key (dead_letter_id, version),
    constraint letter_event_replay_is_whole
        check (event <> 'replayed'
               or (act_id is not null and message_id is not null and consumer is not null and attempt is not null)),
    -- Two letters of one message cannot both be the same delivery.
    constraint letter_event_one_delivery unique (message_id, consumer, attempt)
);

create index letter_event_by_next on letter_event (next_dead_letter_id) where next_dead_letter_id is not null;
create index letter_event_replays on letter_event (dead_letter_id) where event = 'replayed';

-- A letter as it stands now.
create view letter as
select d.dead_letter_id, d.queue, d.consumer, coalesce(d.addressee, d.consumer) as addressee, d.cause, d.detail,
       d.message_id, d.message_type, d.attempt, d.attempts, d.exchange, d.routing_key, d.subject, d.booking_id,
       d.trace_id, d.first_at, d.last_at, d.parked_at,
       coalesce(e.version, 0) as version,
       case coalesce(e.event, 'restored')
           when 'restored' then 'parked'
           when 'replayed' then 'replaying'
           else e.event
       end as state,
       e.at as state_at, e.attempt as replay_attempt, e.restorable_until, e.next_dead_letter_id
  from dead_letter as d
  left join lateral (
       select * from letter_event where dead_letter_id = d.dead_letter_id order by version desc limit 1
  ) as e on true;

grant select, insert on act, letter_event to support_console;
grant select on letter to support_console;
