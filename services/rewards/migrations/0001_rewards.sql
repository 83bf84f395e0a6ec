-- Accounts of points: the row that is the fold, the events that are the record, the ledger that must balance.

create table account (
    account_id text constraint account_pk primary key,
    version bigint not null constraint account_version_counts check (version > 0),
    -- Text as it was written, so that replaying the events gives it byte for byte.
    state json not null,
    -- When time alone changes something next; nothing when nothing is waiting.
    wake_at timestamptz
);

create index account_by_wake_at on account (wake_at) where wake_at is not null;

create table account_event (
    account_id text not null constraint account_event_account_fk references account,
    version bigint not null,
    kind text not null,
    booking_id uuid,
    -- How many points moved, positive where the account's owner gained.
    points bigint not null,
    event json not null,
    -- What brought it: message, request or timer; which message or grant; in which trace.
    source text not null constraint account_event_source_is_known check (source in ('message', 'request', 'timer')),
    cause_id uuid,
    trace_id text,
    at timestamptz not null,
    constraint account_event_pk primary key (account_id, version)
);

create index account_event_by_booking on account_event (booking_id) where booking_id is not null;

create table posting (
    account_id text not null,
    version bigint not null,
    line smallint not null,
    book text not null constraint posting_book_is_known check (
        book in ('issued', 'pending', 'available', 'held', 'debt', 'spent', 'expired')
    ),
    lot text not null,
    points bigint not null constraint posting_moves_something check (points <> 0),
    constraint posting_pk primary key (account_id, version, line),
    constraint posting_event_fk foreign key (account_id, version) references account_event
);

-- The lines that a statement adds must sum to zero for each event. So do all lines of every event and of every
-- transaction, and the check reads no more than what was just written.
create function posting_must_balance() returns trigger
language plpgsql
as $$
begin
    if exists (
        select from written group by account_id, version having sum(points) <> 0
    ) then
        raise exception 'the lines of an event do not sum to zero'
            using errcode = 'check_violation', constraint = 'posting_balances', table = 'posting';
    end if;
    return null;
end
$$;

create trigger posting_balances after insert on posting
referencing new table as written
for each statement execute function posting_must_balance();

-- Events and ledger are written once: there is no update, delete or truncate for the service.
grant select, insert, update on account to rewards;
grant select, insert on account_event, posting to rewards;
