-- What waited for a leg for months belongs to nobody: it is forgotten.
grant delete on callback_hint to supplier_sync;

-- People look for what waits by what it names.
create index callback_hint_by_client_reference on callback_hint (client_reference) where joined_at is null;
create index callback_hint_by_reference on callback_hint (reference) where joined_at is null;
