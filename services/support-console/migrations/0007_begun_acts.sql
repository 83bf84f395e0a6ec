-- An act that somebody else does is recorded before they are told, and how it ended afterwards; where no answer came, that
-- nobody knows.

alter table act
    drop constraint act_outcome_is_known,
    add constraint act_outcome_is_known check (outcome in ('begun', 'done', 'denied', 'refused', 'not_known')),
    drop constraint act_done_has_a_reason,
    add constraint act_done_has_a_reason check (outcome not in ('begun', 'done') or reason is not null),
    drop constraint act_not_done_has_a_refusal,
    add constraint act_not_done_has_a_refusal check (outcome in ('begun', 'done') or refusal is not null);
