-- Payments with their journal, the addresses given out, what was seen on chains, and the ledger of
-- money. The journal is the record; a payment's row and its transfers' rows are its fold, written
-- in the same transaction.

create table payment (
    payment_id uuid constraint payment_pk primary key,
    booking_id uuid not null,
    -- How many events made the row; messages carry it.
    seq bigint not null constraint payment_seq_counts check (seq > 0),
    -- json, not jsonb: the fold is compared byte for byte.
    state json not null,
    -- Where the booking's trace stood when the payment was asked for; what is seen later goes on
    -- from there.
    traceparent text,
    tracestate text,
    created_at timestamptz not null,
    changed_at timestamptz not null
)
-- A row is rewritten some three times in its life; room on its page keeps the indexes out of it.
with (fillfactor = 60);

create index payment_by_booking on payment (booking_id);

create table payment_event (
    payment_id uuid not null,
    seq bigint not null,
    at timestamptz not null,
    kind text not null,
    body json not null,
    constraint payment_event_pk primary key (payment_id, seq)
);

-- Places under the public key. Never reset: a place belongs to one payment for good. Child keys
-- that need no private key end at 2^31 - 1.
create sequence deposit_index minvalue 0 maxvalue 2147483647 no cycle;

-- Every address ever given out; transfers to it are looked for as long as there is a chain.
create table address (
    -- The address as its chain compares it: 20 bytes on an EVM chain.
    address_key bytea constraint address_pk primary key,
    address text not null,
    derivation_index bigint not null constraint address_index_once unique,
    payment_id uuid not null constraint address_of_one_payment unique,
    given_at timestamptz not null
);

-- Every transfer that pays, under the key that stays the same whatever block holds it: so it counts
-- once, for one payment, at any time.
create table transfer (
    chain text not null,
    transaction_hash bytea not null,
    position text not null,
    payment_id uuid not null,
    units numeric(78, 0) not null,
    height bigint not null,
    block_hash bytea not null,
    -- Whether that block is canonical.
    stands boolean not null,
    final boolean not null,
    -- The head at which it is deep enough.
    final_at bigint not null,
    constraint transfer_pk primary key (chain, transaction_hash, position)
);

create index transfer_by_payment on transfer (payment_id);
create index transfer_by_block on transfer (chain, block_hash) where stands;
create index transfer_to_be_final on transfer (chain, final_at) where stands and not final;

-- What came to an address of ours and does not pay: another token, another chain, nothing at all.
create table stray_transfer (
    chain text not null,
    transaction_hash bytea not null,
    position text not null,
    payment_id uuid not null,
    contract text,
    units numeric(78, 0) not null,
    reason text not null,
    block_hash bytea not null,
    seen_at timestamptz not null,
    constraint stray_transfer_pk primary key (chain, transaction_hash, position)
);

-- How far each chain is watched. look counts what the watcher took in, blocks that came and blocks
-- that left.
create table watch (
    chain text constraint watch_pk primary key,
    height bigint not null,
    block_hash bytea not null,
    look bigint not null,
    changed_at timestamptz not null
);

-- The newest canonical blocks, for finding out which of them left.
create table block (
    chain text not null,
    height bigint not null,
    block_hash bytea not null,
    parent_hash bytea not null,
    stamped_at timestamptz not null,
    constraint block_pk primary key (chain, height)
);

-- Double entry in units of the payment's asset: what goes into an account is positive, what goes
-- out negative. One transaction is all lines of (payment, seq).
create table ledger_entry (
    payment_id uuid not null,
    seq bigint not null,
    line integer not null,
    at timestamptz not null,
    reason text not null,
    account text not null,
    asset text not null,
    units numeric(78, 0) not null constraint ledger_entry_moves_something check (units <> 0),
    constraint ledger_entry_pk primary key (payment_id, seq, line)
);

create function ledger_entry_sums_to_zero() returns trigger
language plpgsql
as $$
begin
    if exists (select from added group by payment_id, seq having sum(units) <> 0) then
        raise exception 'a transaction of the ledger does not sum to zero'
            using errcode = 'check_violation', constraint = 'ledger_entry_sums_to_zero';
    end if;
    return null;
end
$$;

create trigger ledger_entry_sums_to_zero after insert on ledger_entry
    referencing new table as added for each statement execute function ledger_entry_sums_to_zero();

create table refund (
    refund_id uuid constraint refund_pk primary key,
    payment_id uuid not null,
    booking_id uuid not null,
    units numeric(78, 0) not null constraint refund_is_of_something check (units > 0),
    -- Where the customer wants it, if that was said.
    address text,
    state text not null
        constraint refund_state_is_known check (state in ('granted', 'sent', 'confirmed')),
    granted_at timestamptz not null
);

create index refund_by_payment on refund (payment_id);

grant select, insert, update on payment, transfer, watch, refund to payment_verification;
grant select, insert on payment_event, address, stray_transfer, ledger_entry
    to payment_verification;
grant select, insert, delete on block to payment_verification;
grant usage on sequence deposit_index to payment_verification;
