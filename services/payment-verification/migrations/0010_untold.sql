-- What a chain tells of a payment whose row cannot be read waits here in its order, so that the
-- chain goes on for all others and nothing is lost. Empty nearly always.
create table untold (
    untold_id bigint generated always as identity constraint untold_pk primary key,
    chain text not null,
    payment_id uuid not null,
    fact json not null,
    kept_at timestamptz not null
);

create index untold_by_payment on untold (payment_id);

grant select, insert, delete on untold to payment_verification;
-- A payment that cannot be read again opens its case again.
grant update (opened_at) on payment_case to payment_verification;
