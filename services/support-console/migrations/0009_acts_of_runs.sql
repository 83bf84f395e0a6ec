-- Of an act on a replay of many: which. The act that begins one is there before it, so nothing is referenced.

alter table act add column replay_run_id uuid;

create index act_by_run on act (replay_run_id) where replay_run_id is not null;

update act set replay_run_id = r.replay_run_id from replay_run as r where r.act_id = act.act_id;
