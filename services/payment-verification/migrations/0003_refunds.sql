-- Refunds that are handed to the treasury and proven on their chain.

alter table refund drop constraint refund_state_is_known;
alter table refund add constraint refund_state_is_known
    check (state in ('granted', 'sent', 'confirmed', 'failed'));

-- What the treasury must know, and the address as its chain compares it.
alter table refund
    add column chain text,
    add column contract text,
    add column asset text,
    add column confirmations bigint,
    add column address_key bytea,
    add column addressed_at timestamptz,
    -- When the treasury first said that it has it: from then on it is asked, and told no more.
    add column handed_at timestamptz,
    add column asks integer not null default 0,
    -- When the treasury is asked next; null before there is an address, and once nothing is open.
    add column next_ask_at timestamptz;

update refund r set chain = p.state #>> '{request,chain}',
    contract = p.state #>> '{request,contract}',
    asset = p.state #>> '{request,terms,amount,asset}',
    confirmations = (p.state #>> '{request,confirmations}')::bigint
from payment p where p.payment_id = r.payment_id;

alter table refund
    alter column chain set not null,
    alter column asset set not null,
    alter column confirmations set not null;

create index refund_to_ask on refund (next_ask_at) where next_ask_at is not null;
create index refund_by_address on refund (address_key) where address_key is not null;

-- The transactions that the treasury named for a refund: its word, and no proof.
create table refund_transaction (
    refund_id uuid not null,
    transaction_hash bytea not null,
    told_at timestamptz not null,
    constraint refund_transaction_pk primary key (refund_id, transaction_hash)
);

create index refund_transaction_by_hash on refund_transaction (transaction_hash);

-- Transfers to addresses of refunds that are open, wherever they come from. One that the treasury
-- named is claimed for its refund, and for no other.
create table payout (
    chain text not null,
    transaction_hash bytea not null,
    position text not null,
    address_key bytea not null,
    contract text,
    units numeric(78, 0) not null,
    height bigint not null,
    block_hash bytea not null,
    stamped_at timestamptz not null,
    -- Which look of the watcher saw it there.
    look bigint not null,
    -- Whether that block is canonical.
    stands boolean not null,
    refund_id uuid,
    final boolean not null default false,
    constraint payout_pk primary key (chain, transaction_hash, position)
);

create index payout_by_refund on payout (refund_id) where refund_id is not null;
create index payout_by_block on payout (chain, block_hash) where stands;
create index payout_to_be_final on payout (chain, height)
    where stands and not final and refund_id is not null;

create index payment_case_by_transaction on payment_case (transaction_hash)
    where transaction_hash is not null;

grant select, insert, update on payout to payment_verification;
grant select, insert on refund_transaction to payment_verification;
