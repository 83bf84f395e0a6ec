-- Payments by card: what the gateway calls them, and when it is asked next.

create table card (
    payment_id uuid constraint card_pk primary key,
    booking_id uuid not null,
    -- The gateway's name of it; null until it answered.
    intent text constraint card_intent_once unique,
    -- A part of every key that makes a request safe to repeat; moves on once the gateway is known to
    -- have failed for good under the last one.
    attempt integer not null default 0,
    -- How often it was asked in vain since it last answered.
    asks integer not null default 0,
    -- How many of the gateway's messages came, so that one that comes during a look is not lost.
    woken bigint not null default 0,
    -- Null once nothing is to come.
    next_look_at timestamptz,
    created_at timestamptz not null
);

create index card_to_look_at on card (next_look_at) where next_look_at is not null;

-- What the gateway pushed: each of its messages once. It is only a hint; the body may have personal
-- data and is not kept, its digest is.
create table card_event (
    event_id text constraint card_event_pk primary key,
    kind text not null,
    intent text,
    body_digest bytea not null,
    received_at timestamptz not null
);

create index card_event_by_intent on card_event (intent) where intent is not null;

grant select, insert, update on card to payment_verification;
grant select, insert on card_event to payment_verification;
