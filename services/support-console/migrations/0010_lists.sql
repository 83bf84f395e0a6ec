-- Lists that are narrowed to what is rare among a million letters: without these every letter was looked at to find none.

create index letter_event_by_event on letter_event (event, dead_letter_id);
create index dead_letter_of_cause on dead_letter (cause, parked_at desc, dead_letter_id desc);
create index dead_letter_of_consumer on dead_letter (consumer, parked_at desc, dead_letter_id desc);
