-- How proofs of the whole system ended: whoever sees to nightly work sees here that it was done, and what it found.

create table proof (
    proof_id uuid constraint proof_pk primary key,
    at timestamptz not null,
    -- Nothing where it could not be told.
    differences integer constraint proof_differences_count check (differences >= 0)
);

create index proof_by_at on proof (at desc);

grant select, insert on proof to support_console;
