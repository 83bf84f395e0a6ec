-- Which version the letter, leg, booking or payment was that an act was done to, and which it was then; nothing where it
-- is about what has none.

alter table act
    add column version_before bigint,
    add column version_after bigint,
    add constraint act_versions_go_on
        check ((version_before is null) = (version_after is null) and version_before <= version_after);
