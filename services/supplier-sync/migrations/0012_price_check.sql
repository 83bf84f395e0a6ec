-- What suppliers said when an offer was checked: what the price of a leg rests on.
create table price_check (
    check_id uuid constraint price_check_pk primary key,
    supplier text not null,
    -- Of the key to book with, which a leg is ordered by; nothing where none was given.
    book_key_digest bytea,
    status integer,
    outcome text not null,
    -- Why an answer was of no use; never a value of the reply.
    detail text,
    request_sealed bytea,
    reply_sealed bytea,
    began_at timestamptz not null,
    took_ms integer not null
);

create index price_check_by_book_key on price_check (book_key_digest) where book_key_digest is not null;
create index price_check_by_age on price_check (began_at);

-- Written once, and forgotten when nobody asks about its price any more.
grant select, insert, delete on price_check to supplier_sync;
