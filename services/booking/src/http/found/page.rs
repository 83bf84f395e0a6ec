//! Pages of offers: so many at once, and a cursor that goes on behind the last one shown.
//!
//! A cursor names the offer it stands behind, not a number: an answer that was refreshed between
//! two pages repeats nothing and leaves out nothing that stood in both.

use chassis::ApiError;
use contracts::{offer::Offer, supplier::Supplier};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::super::form::{self, Faults};
use crate::App;

const LIMIT: usize = 100;
const LIMIT_MAX: usize = 200;
const NO_CURSOR: &str = "is no cursor of this search";

/// What cursors are sealed for, so that no other sealed text passes for one.
const CURSOR_AAD: &[u8] = b"cursor";

/// The parameters of a page as they were given.
#[derive(Debug, Default)]
pub(crate) struct PageAsked {
    limit: Option<usize>,
    cursor: Option<String>,
}

impl PageAsked {
    /// Takes a parameter if it is one of these.
    pub(crate) fn took(&mut self, name: &str, value: &str, faults: &Faults) -> bool {
        match name {
            "limit" => match value.parse() {
                Ok(limit) if (1..=LIMIT_MAX).contains(&limit) => self.limit = Some(limit),
                _ => faults.add("?limit", "invalid", "must be 1 to 200"),
            },
            "cursor" => self.cursor = Some(value.to_owned()),
            _ => return false,
        }
        true
    }

    /// Notes a cursor that we did not make.
    pub(crate) fn check(&self, app: &App, faults: &Faults) {
        if self.cursor.as_deref().is_some_and(|sealed| unsealed(app, sealed).is_none()) {
            faults.add("?cursor", "invalid", NO_CURSOR);
        }
    }

    /// The page that is asked for of this search.
    pub(super) fn open(self, app: &App, digest: &str) -> Result<Page, ApiError> {
        let limit = self.limit.unwrap_or(LIMIT);
        let Some(sealed) = self.cursor else { return Ok(Page { limit, behind: None }) };
        match unsealed(app, &sealed).filter(|cursor| cursor.search == digest) {
            Some(cursor) => Ok(Page { limit, behind: Some(cursor.behind) }),
            None => Err(ApiError::invalid(vec![form::error("?cursor", "invalid", NO_CURSOR)])),
        }
    }
}

fn unsealed(app: &App, sealed: &str) -> Option<Cursor> {
    let text = app.sealer.open_text(sealed, CURSOR_AAD).ok()?;
    serde_json::from_str(&text).ok()
}

/// One page.
#[derive(Debug, Clone)]
pub(super) struct Page {
    limit: usize,
    behind: Option<Place>,
}

/// The offers of a page, and the cursor of the next one.
pub(super) struct PageOf {
    pub(super) offers: Vec<Offer>,
    pub(super) next: Option<String>,
}

/// What a cursor holds, sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    search: String,
    behind: Place,
}

/// Where an offer stands in the order of offers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    price: i64,
    supplier: Supplier,
    room: String,
    /// Of the rate's key, which may be long.
    rate: String,
}

impl Place {
    fn of(offer: &Offer) -> Self {
        let rate = Sha256::digest(&offer.rate_key);
        Self {
            price: offer.price.minor,
            supplier: offer.supplier,
            room: offer.room_name.clone(),
            rate: hex::encode(rate.get(..8).unwrap_or_default()),
        }
    }
}

impl Page {
    /// Tells this page from others of the same search.
    pub(super) fn key(&self) -> String {
        let behind = self.behind.as_ref().map(|place| {
            let Place { price, supplier, room, rate } = place;
            format!("{price} {supplier} {rate} {room}")
        });
        format!("{} {}", self.limit, behind.unwrap_or_default())
    }

    /// Cuts the page out of all offers.
    pub(super) fn of(
        &self,
        app: &App,
        offers: Vec<Offer>,
        digest: &str,
    ) -> Result<PageOf, ApiError> {
        let (offers, next) = cut(offers, self.limit, self.behind.as_ref());
        let next = next.map(|behind| {
            let cursor = Cursor { search: digest.to_owned(), behind };
            let text =
                serde_json::to_string(&cursor).map_err(|error| ApiError::internal(&error))?;
            app.sealer.seal_text(&text, CURSOR_AAD).map_err(|error| ApiError::internal(&error))
        });
        Ok(PageOf { offers, next: next.transpose()? })
    }
}

/// So many offers behind a place, and the place of the last of them if there are more.
fn cut(offers: Vec<Offer>, limit: usize, behind: Option<&Place>) -> (Vec<Offer>, Option<Place>) {
    let mut offers = offers;
    if let Some(behind) = behind {
        // The order is one that cursors can be compared by, whatever the one of the answer.
        let mut placed: Vec<(Place, Offer)> =
            offers.into_iter().map(|offer| (Place::of(&offer), offer)).collect();
        placed.sort_by(|(one, _), (other, _)| one.cmp(other));
        let rest = placed.into_iter().filter(|(place, _)| place > behind);
        offers = rest.map(|(_, offer)| offer).collect();
    } else if offers.len() > limit {
        offers.sort_by_cached_key(Place::of);
    }
    let more = offers.len() > limit;
    offers.truncate(limit);
    let next = offers.last().filter(|_| more).map(Place::of);
    (offers, next)
}

#[cfg(test)]
mod tests {
    use contracts::{
        money::{Currency, Money},
        offer::{Occupancy, Product, Terms},
    };

    use super::*;

    fn offer(price: i64, rate: usize) -> Offer {
        Offer {
            supplier: Supplier::Rapid,
            rate_key: format!("rate {rate}"),
            property_id: "1".to_owned(),
            property_name: "1".to_owned(),
            room_name: "Queen Room".to_owned(),
            check_in: "2027-03-01".parse().unwrap(),
            check_out: "2027-03-03".parse().unwrap(),
            occupancy: Occupancy { adults: 2, children: Vec::new() },
            price: Money::new(price, Currency::Eur),
            terms: Terms {
                refundable: true,
                cancel_steps: Vec::new(),
                holdable: true,
                due_at_property: Vec::new(),
            },
            product: Product::Stay,
        }
    }

    /// The rates of all pages, with something done to the offers after each.
    fn pages(
        mut offers: Vec<Offer>,
        limit: usize,
        between: impl Fn(&mut Vec<Offer>),
    ) -> Vec<String> {
        let (mut seen, mut behind) = (Vec::new(), None);
        loop {
            let (page, next) = cut(offers.clone(), limit, behind.as_ref());
            assert!(page.len() <= limit);
            seen.extend(page.into_iter().map(|offer| offer.rate_key));
            let Some(next) = next else { return seen };
            behind = Some(next);
            between(&mut offers);
        }
    }

    #[test]
    fn pages_of_any_size_show_every_offer_once_and_the_cheapest_first() {
        // Several of one price and one room, which only the rate tells apart.
        let offers: Vec<Offer> =
            (0..23).map(|n| offer(100 + n / 5, usize::try_from(n).unwrap())).collect();
        for limit in [1, 2, 7, 22, 23, 24] {
            let mut seen = pages(offers.clone(), limit, |_| {});
            assert_eq!(seen.len(), offers.len(), "{limit}");
            seen.sort();
            seen.dedup();
            assert_eq!(seen.len(), offers.len(), "{limit}");
        }
        let (first, _) = cut(offers, 7, None);
        assert!(first.is_sorted_by_key(|offer| offer.price.minor));
    }

    #[test]
    fn an_answer_that_is_refreshed_between_pages_repeats_nothing_and_loses_nothing() {
        let offers: Vec<Offer> =
            (0..20).map(|n| offer(100 + n, usize::try_from(n).unwrap())).collect();
        let seen = pages(offers, 6, |offers| {
            // What was cheapest is gone, and something cheaper has come.
            offers.remove(0);
            offers.insert(0, offer(1, 99));
        });
        let expected: Vec<String> = (0..20).map(|n| format!("rate {n}")).collect();
        assert_eq!(seen, expected);
    }
}
