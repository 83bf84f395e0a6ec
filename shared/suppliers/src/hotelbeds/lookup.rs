//! Finding a booking by our own reference: the list of what was made on the days it can be of, page
//! by page, then its details. Where so much was made on these days that it is not all read, the
//! list of the leg's own days is read instead: what it shows is there, and of what it does not show
//! nothing is known.
//!
//! Page booking-details has a look-up by client reference too. It wants the holder's name and the
//! days of the activity, so it would not show a booking that was made for another day, and it shows
//! one where there are two.

use chrono::{DateTime, Days, NaiveDate, Utc};
use contracts::ids::LegId;
use sha2::{Digest as _, Sha256};

use super::{
    book::{detail_path, head, judged, malformed, one, shown},
    language,
    wire::{self, List},
};
use crate::{
    Access, Answer, Asked, Broken, HttpReply, Operation, SeenReservation, SeenState, Sent, Unclear,
};

const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Bookings asked for on one page; nothing says how many there may be.
const PER_PAGE: u64 = 100;
/// Pages asked for in one look-up; what is on none of them is not known.
const PAGES_MAX: u64 = 20;
/// A leg is booked soon after it was thought of; a look-up covers these days after it, and, where
/// that is not too much, every day until it is made.
const DAYS_AFTER: u64 = 2;

/// Ten digits of the leg's time, ten of a hash of leg and attempt.
pub(super) fn client_reference(leg: LegId, attempt: u32) -> String {
    let bytes = leg.0.as_bytes();
    let millis = bytes.iter().take(6).fold(0_u64, |held, byte| (held << 8) | u64::from(*byte));
    let hash = Sha256::new().chain_update(bytes).chain_update(attempt.to_be_bytes()).finalize();
    let mixed = hash.iter().take(8).fold(0_u64, |held, byte| (held << 8) | u64::from(*byte));
    format!("{}{}", digits(millis), digits(mixed))
}

/// The lowest 50 bits as ten digits.
fn digits(number: u64) -> String {
    let digit = |place: u32| {
        let at = usize::try_from((number >> (5 * place)) & 31).unwrap_or(0);
        DIGITS.get(at).copied().map_or('0', char::from)
    };
    (0..10).rev().map(digit).collect()
}

/// The day of the leg that a client reference of ours is of.
fn day_of(client_reference: &str) -> Option<NaiveDate> {
    let value = |byte: u8| DIGITS.iter().position(|digit| *digit == byte);
    let millis = client_reference.bytes().take(10).try_fold(0_i64, |held, byte| {
        let value = i64::try_from(value(byte)?).ok()?;
        held.checked_mul(32)?.checked_add(value)
    })?;
    DateTime::from_timestamp_millis(millis).map(|at| at.date_naive())
}

/// Page booking-list: what was made on these days, cancelled or not. A later attempt at the leg may
/// have been made on any day until now. The days are the server's, so there is one more on each
/// side.
pub(super) fn list_path(
    access: &Access,
    client_reference: &str,
    now: DateTime<Utc>,
    page: u64,
    span: Span,
) -> String {
    let today = now.date_naive();
    let day = day_of(client_reference).filter(|day| *day <= today).unwrap_or(today);
    let start = day.checked_sub_days(Days::new(1)).unwrap_or(day);
    let after = |day: NaiveDate, days| day.checked_add_days(Days::new(days)).unwrap_or(day);
    let end = match span {
        Span::ToNow => after(day, DAYS_AFTER).max(after(today, 1)),
        Span::OfLeg => after(day, DAYS_AFTER),
    };
    format!(
        "/bookings/{}?start={start}&end={end}&includedCancelled=true&filterType=CREATION\
         &itemsPerPage={PER_PAGE}&page={page}",
        language(access)
    )
}

/// Which days a list is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Span {
    /// From the leg's to today's.
    #[default]
    ToNow,
    /// Those on which its first attempt was made.
    OfLeg,
}

/// What the pages read so far come to.
#[derive(Default)]
struct Found {
    ours: Vec<SeenReservation>,
    span: Span,
    items: u64,
    pages: u64,
    total: u64,
}

impl Found {
    /// Whether nothing more of the list is to be read.
    fn complete(&self) -> bool {
        self.items >= self.total
    }

    /// Whether all that it can be is read.
    fn is_everything(&self) -> bool {
        self.complete() && self.span == Span::ToNow
    }

    fn add(&mut self, reply: &HttpReply, client_reference: &str) -> Result<(), Broken> {
        let list: List = wire::read("bookings", &reply.body)?;
        let items = u64::try_from(list.bookings.len()).unwrap_or(u64::MAX);
        // A page without anything on it would be asked for again and again.
        let total = if items == 0 { self.items } else { list.pagination.total_items };
        if items == 0 && list.pagination.total_items > self.items {
            return Err(Broken::contract("fewer bookings than `totalItems`"));
        }
        for booking in &list.bookings {
            let named: wire::BookingHead = wire::read("booking", booking.get().as_bytes())?;
            if named.client_reference.as_deref() == Some(client_reference) {
                let reference = head(booking.get(), Some(client_reference))?;
                // Also on a page of the list that was begun before.
                if self.span == Span::ToNow || self.ours.iter().all(|o| o.reference != reference) {
                    self.ours.push(shown(&reference, booking.get(), None));
                }
            }
        }
        let begins = self.span == Span::ToNow && self.pages == 0;
        if begins && total > PER_PAGE * PAGES_MAX {
            let ours = std::mem::take(&mut self.ours);
            *self = Self { ours, span: Span::OfLeg, total, ..Self::default() };
            return Ok(());
        }
        self.items = self.items.saturating_add(items);
        self.pages = self.pages.saturating_add(1);
        self.total = total;
        Ok(())
    }
}

/// Everything the lists among these replies show.
fn found(replies: &[HttpReply], client_reference: &str) -> Result<Found, Answer> {
    let mut found = Found::default();
    for reply in replies {
        if let Some(answer) = judged(Operation::Lookup, reply) {
            return Err(answer);
        }
        found.add(reply, client_reference).map_err(malformed)?;
    }
    Ok(found)
}

/// What to ask for next: another page, or the details of the one that was found.
pub(super) fn next(
    access: &Access,
    now: DateTime<Utc>,
    client_reference: &str,
    replies: &[HttpReply],
) -> Option<String> {
    if client_reference.is_empty() {
        return None;
    }
    // Details among the replies are no list: then there is nothing more to ask.
    let found = found(replies, client_reference).ok()?;
    if !found.complete() {
        let more = found.pages < PAGES_MAX;
        return more.then(|| list_path(access, client_reference, now, found.pages + 1, found.span));
    }
    match found.ours.as_slice() {
        [only] => Some(detail_path(access, &only.reference)),
        _ => None,
    }
}

/// What a look-up came to.
pub(super) fn read(asked: &Asked<'_>, sent: &Sent) -> Answer {
    let wanted = asked.client_reference;
    if wanted.is_empty() {
        return match sent {
            Sent::NotSent => Answer::NotSent,
            Sent::NoAnswer => Answer::Unknown { why: Unclear::NoAnswer },
            Sent::Reply(reply) => judged(Operation::Lookup, reply).unwrap_or_else(|| {
                one(reply, None).map_or_else(malformed, |seen| Answer::Seen(vec![seen]))
            }),
        };
    }
    let mut found = match found(asked.earlier, wanted) {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let listed = !asked.earlier.is_empty() && found.complete();
    if listed && let [only] = found.ours.as_slice() {
        return Answer::Seen(vec![detail_of(only, wanted, sent)]);
    }
    match sent {
        Sent::NotSent if asked.earlier.is_empty() => return Answer::NotSent,
        Sent::NotSent | Sent::NoAnswer => return Answer::Unknown { why: Unclear::NoAnswer },
        Sent::Reply(reply) => {
            if let Some(answer) = judged(Operation::Lookup, reply) {
                return answer;
            }
            if let Err(broken) = found.add(reply, wanted) {
                return malformed(broken);
            }
        }
    }
    if !found.ours.is_empty() {
        Answer::Seen(found.ours)
    } else if found.is_everything() {
        Answer::NotFound
    } else {
        Answer::Unknown { why: Unclear::Incomplete }
    }
}

/// The details of what the list showed, or, where they did not come, that it is there.
fn detail_of(listed: &SeenReservation, wanted: &str, sent: &Sent) -> SeenReservation {
    let Sent::Reply(reply) = sent else { return listed.clone() };
    let unclear = |odd| SeenReservation { state: SeenState::Unclear, odd, ..listed.clone() };
    if judged(Operation::Lookup, reply).is_some() {
        return unclear(None);
    }
    match one(reply, Some(wanted)) {
        Ok(seen) if seen.reference == listed.reference => without_until(seen),
        Ok(_) => unclear(Some(Broken::contract("details of another booking").into())),
        Err(broken) => unclear(Some(broken.into())),
    }
}

/// A look-up does not say since when it is held: what the first answer said stands.
fn without_until(seen: SeenReservation) -> SeenReservation {
    match seen.state {
        SeenState::Held { .. } => {
            SeenReservation { state: SeenState::Held { until: None }, ..seen }
        }
        SeenState::Confirmed | SeenState::NoShow | SeenState::Gone | SeenState::Unclear => seen,
    }
}
