-- Dead letters, as they were: what nobody could handle waits here for a person, not in a queue of the broker.

create table dead_letter (
    dead_letter_id uuid constraint dead_letter_pk primary key,
    queue text not null,
    message_id uuid not null,
    attempt integer not null constraint dead_letter_attempt_counts check (attempt >= 0),
    -- How often a handler tried; none for a command that no queue took.
    attempts integer not null,
    message_type text,
    -- The consumer that gave it up; none for a command that no queue took.
    consumer text,
    -- Why, as one of a few words, and one line of more.
    cause text not null,
    detail text,
    -- Where it was sent to at first: a replay goes there again.
    exchange text not null,
    routing_key text not null,
    -- Text as it came, not jsonb: that refuses some strings that a broker takes, and what is refused here stays there.
    headers json not null,
    body bytea not null,
    subject uuid,
    booking_id uuid,
    trace_id text,
    first_at timestamptz not null,
    last_at timestamptz not null,
    parked_at timestamptz not null,
    constraint dead_letter_once unique (queue, message_id, attempt)
);

create index dead_letter_by_parked_at on dead_letter (parked_at desc, dead_letter_id desc);
create index dead_letter_by_booking on dead_letter (booking_id) where booking_id is not null;

grant select, insert on dead_letter to support_console;
