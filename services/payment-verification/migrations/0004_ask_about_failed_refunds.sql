-- A refund that failed is asked about for good; ones that failed before that was so are again.

update refund set next_ask_at = holdfast_now()
where state = 'failed' and next_ask_at is null and address is not null;
