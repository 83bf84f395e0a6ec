-- Closings that wait for a block, and what a person may have to look into.

-- The chain and the block time past which a closing that was asked for is answered; null when none
-- waits.
alter table payment
    add column close_chain text,
    add column close_after timestamptz;

create index payment_to_close on payment (close_chain, close_after) where close_after is not null;

-- What came to an address of ours and does not pay, what left and should not have: each with its
-- reason, once. A stray transfer is one of them.
create table payment_case (
    case_id uuid constraint payment_case_pk primary key,
    reason text not null,
    -- What it is about; with the reason it makes a case the same when it is found again.
    subject text not null,
    payment_id uuid not null,
    booking_id uuid not null,
    chain text,
    transaction_hash bytea,
    position text,
    contract text,
    units numeric(78, 0),
    block_hash bytea,
    opened_at timestamptz not null,
    closed_at timestamptz,
    closed_because text,
    constraint payment_case_once unique (reason, subject)
);

create index payment_case_by_payment on payment_case (payment_id);

insert into payment_case (case_id, reason, subject, payment_id, booking_id, chain, transaction_hash,
    position, contract, units, block_hash, opened_at)
select gen_random_uuid(), s.reason,
    s.chain || ' 0x' || encode(s.transaction_hash, 'hex') || '#' || s.position,
    s.payment_id, p.booking_id, s.chain, s.transaction_hash,
    s.position, s.contract, s.units, s.block_hash, s.seen_at
from stray_transfer s join payment p using (payment_id);

drop table stray_transfer;

grant select, insert, update (closed_at, closed_because) on payment_case to payment_verification;
