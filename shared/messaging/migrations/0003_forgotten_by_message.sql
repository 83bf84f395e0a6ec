-- What is old is found by its id. A range of pages whose first rows were forgotten is filled with new ones, and stands
-- in this index as old for ever.
drop index inbox_by_handled_at;
