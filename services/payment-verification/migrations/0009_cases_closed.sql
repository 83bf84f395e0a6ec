-- Cases that a person is done with, with who says so and why; they stay closed.

create index payment_case_open on payment_case (opened_at, case_id) where closed_at is null;

create table payment_case_closing (
    case_id uuid not null constraint payment_case_closing_of_a_case references payment_case,
    at timestamptz not null,
    staff text not null,
    why text not null,
    constraint payment_case_closing_pk primary key (case_id, at)
);

grant select, insert on payment_case_closing to payment_verification;
