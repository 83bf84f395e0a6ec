-- Readings of everything that a supplier has of us, beside what we have: each night, and whenever somebody asks. One at a
-- time for a supplier; what stands here is enough to go on where the process that read ended.

create table comparison (
    comparison_id uuid constraint comparison_pk primary key,
    supplier text not null,
    -- Who asked; nothing where it was the night.
    asked_by text,
    -- Of what was made then.
    made_from timestamptz not null,
    begun_at timestamptz not null,
    -- The supplier's pages first, then our legs.
    stage text not null constraint comparison_stage_is_known
        check (stage in ('listing', 'missing', 'done', 'given_up')),
    -- Where the supplier's next page begins, and after which leg our next ones do.
    next_page text,
    after_leg uuid,
    -- When the next step may be made; while a process makes one, when another may.
    due_at timestamptz not null,
    -- Steps in a row that failed.
    failures integer not null default 0,
    pages integer not null default 0,
    listed integer not null default 0,
    differing integer not null default 0,
    missing integer not null default 0,
    unknown integer not null default 0,
    ended_at timestamptz,
    constraint comparison_ends_once check ((stage in ('done', 'given_up')) = (ended_at is not null))
);

create unique index comparison_under_way on comparison (supplier) where ended_at is null;
create index comparison_by_supplier on comparison (supplier, begun_at);

-- What was on the pages read so far; forgotten when the comparison ends.
create table comparison_listed (
    comparison_id uuid not null constraint comparison_listed_of_one references comparison,
    reference text not null,
    constraint comparison_listed_pk primary key (comparison_id, reference)
);

grant select, insert, update on comparison to supplier_sync;
grant select, insert, delete on comparison_listed to supplier_sync;
