//! Live bookings: whoever watches is told what changed, by one look for all streams of the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use booking_core::Booking;
use chassis::Process;
use contracts::{
    ids::AccountId,
    shown::{ShownHead, ShownPayment, head_key, payment_key},
};
use messaging::{StoreError, database};
use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::{cache::Cache, store};

/// A booking at a moment, with how deep its money lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) booking: Arc<Booking>,
    /// "n" of "n of m".
    pub(crate) confirmations: Option<u64>,
}

/// The bookings that are watched in this process. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Live(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    bookings: BTreeMap<Uuid, Watch>,
    /// How many streams an account has open.
    accounts: BTreeMap<AccountId, u32>,
}

struct Watch {
    streams: u32,
    news: watch::Sender<Picture>,
}

/// An open stream's place; it is given back when this is dropped.
pub(crate) struct Place {
    live: Live,
    booking_id: Uuid,
    account_id: AccountId,
    pub(crate) news: watch::Receiver<Picture>,
}

/// The account has as many streams open as it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Live {
    /// Looks for changes until the process stops, while anybody watches.
    pub(crate) fn start(
        &self,
        pool: PgPool,
        cache: Cache,
        every: std::time::Duration,
        process: &Process,
    ) {
        let (live, shutdown) = (self.clone(), process.shutdown.clone());
        process.tasks.spawn("look for changes of watched bookings", async move {
            let mut every = tokio::time::interval(every);
            every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    _ = every.tick() => {
                        if let Err(error) = live.look(&pool, &cache).await {
                            tracing::warn!(
                                error = %chassis::chain(&error), "watched bookings cannot be read"
                            );
                        }
                    }
                }
            }
        });
    }

    /// Takes a place for a stream that begins with this picture.
    pub(crate) fn watch(&self, picture: Picture, most: u32) -> Result<Place, TooMany> {
        let (booking_id, account_id) =
            (picture.booking.booking_id.0, picture.booking.account_id.clone());
        let mut watched = self.lock();
        let watched = &mut *watched;
        let open = watched.accounts.entry(account_id.clone()).or_default();
        if *open >= most {
            return Err(TooMany);
        }
        *open += 1;
        let watch = watched
            .bookings
            .entry(booking_id)
            .or_insert_with(|| Watch { streams: 0, news: watch::Sender::new(picture.clone()) });
        watch.streams += 1;
        watch.tell(picture);
        let news = watch.news.subscribe();
        Ok(Place { live: self.clone(), booking_id, account_id, news })
    }

    /// Reads what changed: one query, and one command to Redis while money is being confirmed.
    pub(crate) async fn look(&self, pool: &PgPool, cache: &Cache) -> Result<(), StoreError> {
        let known = self.pictures();
        if known.is_empty() {
            return Ok(());
        }
        let mut conn = pool.acquire().await.map_err(database("connecting"))?;
        let versions = known.iter().map(|p| (p.booking.booking_id.0, p.booking.version));
        let newer = store::newer(&mut conn, versions).await?;
        drop(conn);
        let mut now: BTreeMap<Uuid, Picture> =
            known.into_iter().map(|p| (p.booking.booking_id.0, p)).collect();
        for booking in newer {
            if let Some(picture) = now.get_mut(&booking.booking_id.0) {
                picture.booking = Arc::new(booking);
            }
        }
        let bookings: Vec<_> = now.values().map(|p| p.booking.as_ref()).collect();
        let depths = depths(cache, &bookings).await;
        let watched = self.lock();
        for (mut picture, confirmations) in now.into_values().zip(depths) {
            picture.confirmations = confirmations;
            if let Some(watch) = watched.bookings.get(&picture.booking.booking_id.0) {
                watch.tell(picture);
            }
        }
        Ok(())
    }

    fn pictures(&self) -> Vec<Picture> {
        self.lock().bookings.values().map(|watch| watch.news.borrow().clone()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Wakes the streams when there is something new; what was read earlier is never shown later.
    fn tell(&self, picture: Picture) {
        self.news.send_if_modified(|known| {
            let older = picture.booking.version < known.booking.version;
            if older || picture == *known {
                return false;
            }
            *known = picture;
            true
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut watched = self.live.lock();
        if let Some(watch) = watched.bookings.get_mut(&self.booking_id) {
            watch.streams = watch.streams.saturating_sub(1);
            if watch.streams == 0 {
                watched.bookings.remove(&self.booking_id);
            }
        }
        if let Some(open) = watched.accounts.get_mut(&self.account_id) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                watched.accounts.remove(&self.account_id);
            }
        }
    }
}

/// "n" of "n of m" for each booking: how deep the newest money lies, as far as it counts.
///
/// Nothing where no money came, and where payment-verification shows no head now.
pub(crate) async fn depths(cache: &Cache, bookings: &[&Booking]) -> Vec<Option<u64>> {
    let mut keys = Vec::new();
    for booking in bookings {
        if let Some(chain) = moving(booking) {
            keys.push(head_key(chain));
            keys.push(payment_key(&booking.payment.payment_id.to_string()));
        }
    }
    let shown = cache.shown_all(&keys).await;
    let (pairs, _rest) = shown.as_chunks::<2>();
    let mut pairs = pairs.iter();
    let depth = |booking: &&Booking| {
        if moving(booking).is_none() {
            return at_rest(booking);
        }
        let [head, payment] = pairs.next()?;
        let head: ShownHead = serde_json::from_str(head.as_deref()?).ok()?;
        let payment: ShownPayment = serde_json::from_str(payment.as_deref()?).ok()?;
        Some(depth(needed(booking)?, &head, &payment))
    };
    bookings.iter().map(depth).collect()
}

/// The chain on which money of this booking still gets deeper.
fn moving(booking: &Booking) -> Option<&str> {
    let payment = &booking.payment;
    let told = &payment.instruction.as_ref()?.instruction;
    (!payment.received.is_zero() && !payment.is_settled()).then_some(told.chain.as_str())
}

/// What is final is as deep as it must be.
fn at_rest(booking: &Booking) -> Option<u64> {
    let payment = &booking.payment;
    if payment.received.is_zero() || !payment.is_settled() { None } else { needed(booking) }
}

fn needed(booking: &Booking) -> Option<u64> {
    let signed = booking.payment.instruction.as_ref()?;
    Some(u64::from(signed.instruction.confirmations))
}

/// Money in the newest block has one confirmation, money in no block has none.
fn depth(needed: u64, head: &ShownHead, payment: &ShownPayment) -> u64 {
    let Some(height) = payment.height else { return 0 };
    let below = head.height.checked_sub(height);
    below.map_or(0, |below| below.saturating_add(1)).min(needed)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn money_in_the_newest_block_has_one_confirmation_and_never_more_than_needed() {
        let as_of = DateTime::UNIX_EPOCH;
        let deep = |head, height| {
            depth(3, &ShownHead { as_of, height: head }, &ShownPayment { as_of, height })
        };
        assert_eq!(deep(7, Some(7)), 1);
        assert_eq!(deep(8, Some(7)), 2);
        assert_eq!(deep(90, Some(7)), 3);
        assert_eq!(deep(7, None), 0);
        // The head is shown after the payment, so it may be behind for a moment.
        assert_eq!(deep(6, Some(7)), 0);
    }
}
