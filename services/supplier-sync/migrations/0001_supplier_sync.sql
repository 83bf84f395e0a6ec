-- Legs with their journal, the ways to find a leg by a reference, every exchange with a supplier, callbacks that wait.
-- The journal is the record; a leg's row is its fold, written in the same transaction.

create table leg (
    leg_id uuid constraint leg_pk primary key,
    booking_id uuid not null,
    supplier text not null,
    version bigint not null constraint leg_version_counts check (version > 0),
    -- Text as it was written, so that replaying the journal gives it byte for byte.
    state json not null,
    -- When the leg is to be looked after if nothing happens before: a lease that runs out, a look-up, a try.
    wake_at timestamptz,
    -- The trace of the newest wish, for the work that time alone starts.
    trace json,
    changed_at timestamptz not null
)
-- A leg changes four times in its first minutes; room on the page keeps its versions off the indexes.
with (fillfactor = 50);

create index leg_by_booking on leg (booking_id);
create index leg_by_wake_at on leg (wake_at) where wake_at is not null;

create table leg_event (
    leg_id uuid not null,
    version bigint not null,
    at timestamptz not null,
    event json not null,
    -- What brought it: a message, an answer, a timer, a callback that had waited; which message; in which trace.
    source text not null constraint leg_event_source_is_known check (source in ('message', 'answer', 'timer', 'parked')),
    cause_id uuid,
    trace_id text,
    constraint leg_event_pk primary key (leg_id, version)
);

-- Our reference of each attempt, there before anything of it is sent.
create table attempt (
    supplier text not null,
    client_reference text not null,
    leg_id uuid not null,
    number integer not null,
    constraint attempt_pk primary key (supplier, client_reference)
);

-- The supplier's reference of each reservation that was seen.
create table reservation (
    supplier text not null,
    reference text not null,
    leg_id uuid not null,
    constraint reservation_pk primary key (supplier, reference)
);

-- What was asked of a supplier and what came back. Requests and replies carry names: sealed, each opens in its row only.
create table exchange (
    leg_id uuid not null,
    number integer not null,
    supplier text not null,
    operation text not null,
    client_reference text not null,
    status integer,
    outcome text not null,
    -- Why an outcome is not known; never a value of the reply.
    detail text,
    request_sealed bytea,
    reply_sealed bytea,
    began_at timestamptz not null,
    took_ms integer not null,
    constraint exchange_pk primary key (leg_id, number)
);

-- Callbacks about something that is not known, or not known yet.
create table callback_hint (
    callback_id uuid constraint callback_hint_pk primary key,
    supplier text not null,
    client_reference text,
    reference text,
    received_at timestamptz not null,
    -- When a leg was found for it.
    joined_at timestamptz,
    -- When people were told that none was.
    surfaced_at timestamptz
);

create index callback_hint_waiting on callback_hint (received_at) where joined_at is null;

-- Journal, references and exchanges are written once: there is no update, delete or truncate for the service.
grant select, insert, update on leg, callback_hint to supplier_sync;
grant select, insert on leg_event, attempt, reservation, exchange to supplier_sync;
