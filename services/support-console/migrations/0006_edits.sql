-- Edits that wait for a second person: what one would send instead of a body that nobody can read. The original stays.

create table edit (
    edit_id uuid constraint edit_pk primary key,
    dead_letter_id uuid not null constraint edit_of_a_letter references dead_letter,
    act_id uuid not null constraint edit_by_an_act references act,
    made_at timestamptz not null,
    proposer text not null,
    -- As it would be sent, and where it differs.
    body bytea not null,
    changed text[] not null,
    state text not null constraint edit_state_is_known check (state in ('awaiting', 'approved', 'refused')),
    decided_by_act_id uuid constraint edit_decided_by_an_act references act,
    constraint edit_decided_is_whole check ((state = 'awaiting') = (decided_by_act_id is null))
);

create unique index edit_one_at_a_time on edit (dead_letter_id) where state = 'awaiting';

grant select, insert, update (state, decided_by_act_id) on edit to support_console;
