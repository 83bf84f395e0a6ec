-- What suppliers pushed and what their signature proved to be theirs: a journal, sealed, each push once.

create table callback (
    callback_id uuid constraint callback_pk primary key,
    supplier text not null,
    -- The supplier's id of the push, the same over its repeats.
    external_id text not null,
    -- What it names, for finding it; nothing where it names nothing.
    event text,
    client_reference text,
    reference text,
    -- May carry personal data; each value opens in its own row and column only.
    headers_sealed bytea not null,
    body_sealed bytea not null,
    received_at timestamptz not null,
    constraint callback_is_stored_once unique (supplier, external_id)
);

create index callback_by_client_reference on callback (client_reference) where client_reference is not null;
create index callback_by_reference on callback (reference) where reference is not null;

-- A journal: what came is not changed.
grant select, insert on callback to supplier_callback;
