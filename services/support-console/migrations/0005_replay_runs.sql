-- Replays of many letters: which, how fast, how far, and why one stopped. What became of each letter is in letter_event.

create table replay_run (
    replay_run_id uuid constraint replay_run_pk primary key,
    act_id uuid not null constraint replay_run_by_an_act references act,
    made_at timestamptz not null,
    -- What its letters have in common, in words.
    about text not null,
    -- Letters of each step; after the last come all others.
    ladder integer[] not null,
    per_second integer not null constraint replay_run_goes_on check (per_second > 0),
    failed_percent_max integer not null,
    letters bigint not null,
    state text not null constraint replay_run_state_is_known check (state in ('running', 'paused', 'stopped', 'done')),
    why text,
    changed_at timestamptz not null,
    -- When letters were sent last: the next may not come too soon.
    sent_at timestamptz not null
);

create index replay_run_running on replay_run (made_at) where state = 'running';
create index replay_run_by_time on replay_run (made_at desc);

create table replay_run_letter (
    replay_run_id uuid not null constraint replay_run_letter_of_a_run references replay_run,
    place integer not null,
    dead_letter_id uuid not null constraint replay_run_letter_is_a_letter references dead_letter,
    -- The event that its replay is; none before it is sent, and for one that could not be sent.
    version integer,
    -- Why it could not be sent.
    refusal text,
    constraint replay_run_letter_pk primary key (replay_run_id, place),
    constraint replay_run_letter_once unique (replay_run_id, dead_letter_id)
);

create index replay_run_letter_waiting on replay_run_letter (replay_run_id, place)
    where version is null and refusal is null;

grant select, insert, update (letters, state, why, changed_at, sent_at) on replay_run to support_console;
grant select, insert, update (version, refusal) on replay_run_letter to support_console;
