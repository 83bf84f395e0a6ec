-- Who staff are, and their sessions. Only the owner of the schema makes and ends members of staff: by the command.

create table staff (
    staff_id uuid constraint staff_pk primary key,
    name text not null constraint staff_name_once unique,
    -- Argon2id, as a PHC string.
    password_hash text not null,
    role text not null,
    made_at timestamptz not null,
    ended_at timestamptz
);

-- Of a session's cookie only the digest is here: who reads this table can be nobody.
create table session (
    session_digest bytea constraint session_pk primary key,
    staff_id uuid not null constraint session_of_staff references staff,
    from_where text not null,
    made_at timestamptz not null,
    seen_at timestamptz not null,
    ended_at timestamptz
);

-- Tries to sign in. Names are kept as digests: people type passwords into the wrong field.
create table sign_in (
    at timestamptz not null,
    name_digest bytea not null,
    from_where text not null,
    well boolean not null
);

create index sign_in_by_name on sign_in (name_digest, at) where not well;
create index sign_in_by_place on sign_in (from_where, at) where not well;

grant select on staff to support_console;
grant select, insert, update on session to support_console;
grant select, insert on sign_in to support_console;

-- Acts of staff that are about no dead letter.
alter table act
    alter column dead_letter_id drop not null,
    drop constraint act_is_known;
