-- Coin that contracts send is told by balances where nodes have no traces.

-- The chain whose own coin the address is for; null for a token's.
alter table address add column native_chain text;

update address a set native_chain = p.state #>> '{request,chain}'
from payment p
where p.payment_id = a.payment_id and p.state #>> '{request,contract}' is null;

create index address_native on address (native_chain, payment_id) where native_chain is not null;

-- The time of the block at whose end balances were looked at last; null where that was never done.
alter table watch add column balances_looked_at timestamptz;
