-- Of an act about something at a supplier: which, as `supplier:<word>` or `case:<id>`.

alter table act add column about text;

create index act_by_about on act (about) where about is not null;
