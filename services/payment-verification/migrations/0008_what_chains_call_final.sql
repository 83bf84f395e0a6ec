-- Up to which height a chain itself calls what was taken in final, where it says so: what moves
-- from one payment to another has to be as final as what comes to an address.

alter table watch add column finalized bigint;
