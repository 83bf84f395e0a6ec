-- Whether anything was ever asked of a supplier, and its legs in their order, without a look at those of all others.
create index leg_by_supplier on leg (supplier, leg_id);
