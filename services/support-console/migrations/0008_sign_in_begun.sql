-- A try to sign in is counted when it begins, as one that fails, and is made good when the password was right: however
-- many come at once, no more of them than the limit get as far as a password.

alter table sign_in add column sign_in_id uuid not null default gen_random_uuid() constraint sign_in_pk primary key;

grant update (well) on sign_in to support_console;
