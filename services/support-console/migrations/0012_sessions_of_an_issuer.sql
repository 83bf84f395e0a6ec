-- Sessions of whom an OpenID Connect issuer names: they are no members of staff here, and their name and role are what the
-- issuer said when they signed in.

alter table session
    alter column staff_id drop not null,
    add column name text,
    add column role text,
    add constraint session_is_somebodys
        check ((staff_id is null) = (name is not null) and (name is null) = (role is null));

create index session_open_by_name on session (name) where name is not null and ended_at is null;
