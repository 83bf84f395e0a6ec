-- A cancellation that costs more than was agreed is a case of its own sort.

alter table supplier_case
    drop constraint supplier_case_kind_is_known,
    add constraint supplier_case_kind_is_known
        check (kind in ('status', 'dates', 'names', 'price', 'room', 'missing', 'orphan', 'fee', 'contract'));
