-- What a letter was before is found by its key, one by one. Joined, a plan that is made while there are few events goes
-- through all of them for each: a replay of ten thousand took minutes.

create or replace function letters_moved() returns trigger
language plpgsql security definer set search_path from current
as $$
declare
    moved record;
begin
    for moved in
        select letter_cause_id,
               sum((event = 'restored')::int - (before = 'restored')::int) as parked,
               sum((event = 'replayed')::int - (before = 'replayed')::int) as replaying
          from (select n.event,
                       (select d.letter_cause_id from dead_letter as d
                         where d.dead_letter_id = n.dead_letter_id) as letter_cause_id,
                       coalesce((select o.event from letter_event as o
                                  where o.dead_letter_id = n.dead_letter_id and o.version = n.version - 1),
                                'restored') as before
                  from events as n) as each
         group by letter_cause_id order by letter_cause_id
    loop
        update letter_cause as c set parked = c.parked + moved.parked, replaying = c.replaying + moved.replaying
         where c.letter_cause_id = moved.letter_cause_id;
    end loop;
    return null;
end
$$;
