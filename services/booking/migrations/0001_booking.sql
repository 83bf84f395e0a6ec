-- Quotes, bookings with their journal, sealed travellers, idempotency keys, timers.
-- The journal is the record; a booking's row is its fold, written in the same transaction.

create table quote (
    quote_id   uuid primary key,
    account_id text not null,
    -- Digest of everything that was promised; a claim names it.
    terms      text not null,
    body       json not null,
    created_at timestamptz not null default holdfast_now(),
    expires_at timestamptz not null,
    -- The booking that took it; set once.
    claimed_by uuid
);
create index quote_open on quote (account_id, expires_at) where claimed_by is null;
create index quote_expires on quote (expires_at);

create table booking (
    booking_id uuid primary key,
    account_id text not null,
    quote_id   uuid not null,
    version    bigint not null,
    phase      text not null,
    -- json, not jsonb: the fold is compared byte for byte.
    state      json not null,
    created_at timestamptz not null,
    changed_at timestamptz not null,
    constraint booking_quote_once unique (quote_id)
);

create table booking_event (
    booking_id uuid not null,
    version    bigint not null,
    at         timestamptz not null,
    kind       text not null,
    body       json not null,
    -- What brought it: a message, a request, a timer.
    source     text not null,
    actor      text not null,
    cause_id   uuid,
    trace_id   text,
    primary key (booking_id, version)
);

-- Personal data lives here and nowhere else, sealed.
create table traveller (
    booking_id uuid primary key,
    sealed     bytea not null
);

create table idempotency_key (
    account_id  text not null,
    key         text not null,
    fingerprint bytea not null,
    booking_id  uuid not null,
    -- The first answer, byte for byte.
    body        text not null,
    created_at  timestamptz not null default holdfast_now(),
    constraint idempotency_key_once primary key (account_id, key)
);
create index idempotency_key_age on idempotency_key (created_at);

create table timer (
    booking_id uuid not null,
    deadline   text not null,
    due_at     timestamptz not null,
    primary key (booking_id, deadline)
);
create index timer_due on timer (due_at);

grant select, insert, update, delete on quote, idempotency_key, timer to booking;
grant select, insert, update on booking, traveller to booking;
grant select, insert on booking_event to booking;
