-- Cases that a person is done with. A difference stays closed for as long as it is the same one, and opens again when
-- either side shows something else; an answer that is not as documented opens again when one comes after that.

alter table supplier_case add column closed_at timestamptz;

create index supplier_case_open on supplier_case (opened_at, case_id) where closed_at is null;

-- Who closed what, and why: what was open again since is here as well.
create table supplier_case_closing (
    case_id uuid not null constraint supplier_case_closing_of_a_case references supplier_case,
    at timestamptz not null,
    staff text not null,
    why text not null,
    constraint supplier_case_closing_pk primary key (case_id, at)
);

grant select, insert on supplier_case_closing to supplier_sync;
