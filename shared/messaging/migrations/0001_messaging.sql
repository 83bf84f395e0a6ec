-- What every service's database has for messages, and its clock. The same in all of them; each service's own
-- schema is another set with a book of its own.

-- The one clock of a service is its database's. The offset is zero but in tests, and only the owner writes it.
create table holdfast_clock (
    only_row boolean constraint holdfast_clock_pk primary key default true,
    ahead_by interval not null default interval '0',
    constraint holdfast_clock_has_one_row check (only_row)
);

insert into holdfast_clock default values;

-- Clock time, not the transaction's: a transaction that waited for a lock decides with the time after the wait.
-- In plpgsql, which keeps the plan: as a function in SQL it would be parsed and planned anew by every statement that
-- asks for the time, which costs more than most of those statements do.
create function holdfast_now() returns timestamptz
language plpgsql stable
as $$
begin
    return clock_timestamp() + (select ahead_by from holdfast_clock);
end
$$;

-- Messages that were decided on and not yet confirmed by the broker. Whoever writes state writes them in the same
-- transaction. A row may be taken from available_at on; whoever takes it moves that forward. A confirmed row is deleted.
create table outbox (
    outbox_id uuid constraint outbox_pk primary key,
    message_id uuid not null,
    attempt integer not null constraint outbox_attempt_counts check (attempt >= 0),
    exchange text not null,
    routing_key text not null,
    headers jsonb not null,
    body bytea not null,
    created_at timestamptz not null default holdfast_now(),
    available_at timestamptz not null default holdfast_now() + interval '2 seconds'
)
-- Every row is deleted soon after it was written: cleaning up goes by count, not by the share of a table that is empty.
with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create index outbox_by_available_at on outbox (available_at);

-- What a consumer remembers of a message: the last attempt that ended (-1 when a first one was only marked), how it
-- ended, and how many redelivered tries since then did not end.
create table inbox (
    consumer text not null,
    message_id uuid not null,
    attempt integer not null constraint inbox_attempt_counts check (attempt >= -1),
    state text not null constraint inbox_state_is_known check (state in ('done', 'waiting', 'dead')),
    marks integer not null default 0 constraint inbox_marks_count check (marks >= 0),
    handled_at timestamptz not null,
    constraint inbox_pk primary key (consumer, message_id)
);

-- For forgetting old rows. Rows come in the order of time, so a few pages per range are enough to find them.
create index inbox_by_handled_at on inbox using brin (handled_at);
