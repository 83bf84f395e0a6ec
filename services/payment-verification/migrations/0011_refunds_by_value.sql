-- Refunds that go back by value: how many units are to be sent, once that is known.

alter table refund
    -- Null while it is not known; as many as were granted where as many go back as were paid.
    add column sends numeric(78, 0),
    -- Since when it waits for a rate; null when it waits for none.
    add column rate_wanted_at timestamptz;

update refund set sends = units;

create index refund_to_price on refund (rate_wanted_at) where rate_wanted_at is not null;
