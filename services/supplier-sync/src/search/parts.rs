//! Each supplier's part of an answer, kept apart: one that is slow costs no other a call, and old
//! offers of one that is silent stand beside fresh ones of the others.

use std::time::Duration;

use chassis::metrics::{self, Counter};
use chrono::{DateTime, Utc};
use contracts::{
    offer::{Offer, Search},
    policy::Life,
    shown::{Freshness, ShownOffers, SupplierPart},
    supplier::Supplier,
};
use futures::future::join_all;
use messaging::StoreError;
use rand::Rng as _;
use tokio::time::Instant;

use super::{is_fresh, sellers, span, stale};
use crate::{
    App,
    shop::{ask, hold, now},
};

/// So many times sooner a part is asked for anew that is missing, or in which there is nothing.
const SOONER: u32 = 10;
/// How long nobody is asked again where no supplier answered.
const SILENT_FOR: Duration = Duration::from_secs(2);

/// The parts of an answer.
pub(super) struct Gathered {
    /// Every supplier's that sells what is looked for.
    pub(super) parts: Vec<ShownOffers>,
    /// Those that are new, and how long each is kept.
    pub(super) learned: Vec<(Supplier, ShownOffers, Duration)>,
    /// When the newest were learned.
    pub(super) at: DateTime<Utc>,
}

/// Reads the parts that are fresh, and asks for the others.
pub(super) async fn gather(
    app: &App,
    search: &Search,
    digest: &str,
    by: Instant,
) -> Result<Gathered, StoreError> {
    let sellers: Vec<_> = sellers(app, search).collect();
    let names: Vec<Supplier> = sellers.iter().map(|(supplier, _)| *supplier).collect();
    let mut kept = app.cache.parts(digest, &names).await;
    let before = now(app).await?;
    let asked = sellers.into_iter().map(|(supplier, local)| {
        let part = kept.remove(&supplier);
        count(supplier, part.as_ref(), before);
        async move {
            match part {
                Some(part) if is_fresh(&part, before) => (supplier, Asked::Kept(part)),
                old => (supplier, Asked::Now(ask(app, supplier, &local, by).await, old)),
            }
        }
    });
    let answers = join_all(asked).await;
    let life = app.policy.search.of(search.kind());
    let at = now(app).await?;
    let anybody = answers.iter().any(|(_, asked)| asked.has_offers_or_said_none());
    let mut parts = Vec::new();
    let mut learned = Vec::new();
    for (supplier, asked) in answers {
        let part = match asked {
            Asked::Kept(part) => {
                parts.push(part);
                continue;
            }
            Asked::Now(Some(offers), _) => said(app, search, supplier, offers, at),
            Asked::Now(None, old) => silent(life, supplier, old, anybody, at),
        };
        learned.push((supplier, part.clone(), keep_for(life, &part, at)));
        parts.push(part);
    }
    Ok(Gathered { parts, learned, at })
}

/// How long an answer or a part is kept: to the end of its hard life.
///
/// Where nobody said anything only so long that the same is not asked again at once.
pub(super) fn keep_for(life: &Life, answer: &ShownOffers, now: DateTime<Utc>) -> Duration {
    if answer.suppliers.iter().all(|part| part.state == Freshness::Unavailable) {
        return (answer.soft_until - now).to_std().unwrap_or(SILENT_FOR).max(SILENT_FOR);
    }
    let old = (now - answer.as_of).to_std().unwrap_or_default();
    jittered(life.hard_for).saturating_sub(old).max(SILENT_FOR)
}

/// What became of one supplier's part.
enum Asked {
    /// It is fresh.
    Kept(ShownOffers),
    /// It was asked now; beside the answer, what was known before.
    Now(Option<Vec<Offer>>, Option<ShownOffers>),
}

impl Asked {
    const fn has_offers_or_said_none(&self) -> bool {
        match self {
            Self::Kept(_) => true,
            Self::Now(answer, _) => answer.is_some(),
        }
    }
}

/// The part of a supplier that answered.
fn said(
    app: &App,
    search: &Search,
    supplier: Supplier,
    mut offers: Vec<Offer>,
    as_of: DateTime<Utc>,
) -> ShownOffers {
    for offer in &mut offers {
        if let Search::Stay(stay) = search {
            offer.property_id.clone_from(&stay.property_id);
        }
        hold(app, offer.supplier, &mut offer.terms, as_of);
    }
    // That there is nothing may change with one cancellation.
    let life = app.policy.search.of(search.kind());
    let sooner = if offers.is_empty() { SOONER } else { 1 };
    let soft_until = as_of + span(jittered(life.soft_for) / sooner);
    let suppliers = vec![SupplierPart { supplier, state: Freshness::Fresh }];
    ShownOffers { as_of, soft_until, suppliers, offers }
}

/// The part of a supplier that did not answer: what it offered before, while that may still be
/// shown.
fn silent(
    life: &Life,
    supplier: Supplier,
    old: Option<ShownOffers>,
    anybody: bool,
    now: DateTime<Utc>,
) -> ShownOffers {
    let wait = if anybody { jittered(life.soft_for) / SOONER } else { SILENT_FOR };
    let soft_until = now + span(wait);
    let hard_for = span(life.hard_for);
    match old.filter(|old| now - old.as_of < hard_for) {
        Some(old) => ShownOffers { soft_until, ..stale(old) },
        None => {
            let suppliers = vec![SupplierPart { supplier, state: Freshness::Unavailable }];
            ShownOffers { as_of: now, soft_until, suppliers, offers: Vec::new() }
        }
    }
}

fn count(supplier: Supplier, part: Option<&ShownOffers>, now: DateTime<Utc>) {
    let result = match part {
        Some(part) if is_fresh(part, now) => "hit",
        Some(_) => "stale",
        None => "miss",
    };
    metrics::add(Counter::CacheReads, &[("supplier", supplier.word()), ("result", result)], 1);
}

/// Between nine tenths and eleven tenths, so that keys that were filled together do not end
/// together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.9..=1.1))
}
