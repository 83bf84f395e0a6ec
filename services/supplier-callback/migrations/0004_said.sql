-- As which messages each callback was said: when it came, and whenever staff took it again. Whoever finds such a message
-- in a log or among dead letters finds the callback. Those that came before this have none.
create table callback_said (
    message_id uuid constraint callback_said_pk primary key,
    callback_id uuid not null,
    at timestamptz not null,
    -- Who took it again; nobody when it came.
    staff text
);

create index callback_said_by_callback on callback_said (callback_id);

grant select, insert on callback_said to supplier_callback;
