-- What was not believed: so many of a supplier in an hour, a digest each and nothing of what it said.
create table forged_callback (
    forged_id uuid constraint forged_callback_pk primary key,
    supplier text not null,
    why text not null,
    -- SHA-256 of the body, so that the same one is seen to come again.
    body_digest bytea not null,
    at timestamptz not null
);

create index forged_callback_by_time on forged_callback (supplier, at);

grant select, insert on forged_callback to supplier_callback;
