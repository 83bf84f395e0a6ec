-- Which process asks suppliers about a search now. Decided here and not in Redis, whose silence says nothing about who asks:
-- two processes that ask at once would each cost the supplier a call. Nothing of it has to outlive a crash of the server;
-- what a process leaves behind that died while it asked is taken over once its time is out.

create unlogged table search_lead (
    digest text constraint search_lead_pk primary key,
    holder uuid not null,
    until timestamptz not null
);

grant select, insert, update, delete on search_lead to supplier_sync;
