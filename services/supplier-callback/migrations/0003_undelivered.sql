-- When each supplier is asked next for callbacks that it could not deliver, and since when that fails.
create table undelivered (
    supplier text constraint undelivered_pk primary key,
    -- While a process asks, when another may.
    due_at timestamptz not null,
    failing_since timestamptz
);

grant select, insert, update on undelivered to supplier_callback;
