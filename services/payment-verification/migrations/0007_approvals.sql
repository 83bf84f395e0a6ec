-- Refunds that a second person has to let go, and what all of them are worth.

alter table refund
    add column approval text not null default 'not_needed'
        constraint refund_approval_is_known check (approval in ('not_needed', 'waits', 'given')),
    add column approved_by text,
    add column approved_at timestamptz,
    -- The member of staff who looked into the booking; it is not for them.
    add column handled_by text,
    -- At which value it was computed, and what it was worth when its price was made.
    add column basis text not null default 'then',
    add column decimals integer,
    add column worth_minor bigint,
    add column worth_currency text;

create index refund_to_approve on refund (granted_at) where approval = 'waits';
