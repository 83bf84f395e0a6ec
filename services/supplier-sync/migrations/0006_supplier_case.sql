-- What was found odd about a supplier: what it has is not what we have, or an answer is not as it documents. One row for
-- as long as it is the same oddity; seen again, it counts. Samples are masked: structure, no values.

create table supplier_case (
    case_id uuid constraint supplier_case_pk primary key,
    supplier text not null,
    kind text not null constraint supplier_case_kind_is_known
        check (kind in ('status', 'dates', 'names', 'price', 'room', 'missing', 'orphan', 'contract')),
    -- The supplier's reference of a reservation, or what of which answer is not as documented.
    subject text not null,
    leg_id uuid,
    booking_id uuid,
    ours json not null,
    theirs json not null,
    opened_at timestamptz not null,
    last_at timestamptz not null,
    times integer not null constraint supplier_case_times_counts check (times > 0),
    constraint supplier_case_once unique (supplier, kind, subject)
);

create index supplier_case_by_opened_at on supplier_case (opened_at);

grant select, insert, update on supplier_case to supplier_sync;
