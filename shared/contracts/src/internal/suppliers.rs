//! How suppliers do, and what was found odd about them, as supplier-sync tells it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    ids::{BookingId, LegId},
    supplier::Supplier,
};

/// Answer to `GET /internal/suppliers` of supplier-sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuppliersReply {
    /// Those that are sold.
    pub suppliers: Vec<SupplierStanding>,
}

/// How one supplier does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplierStanding {
    /// Which.
    pub supplier: Supplier,
    /// Whether this is what all instances know; else what the one that answers knows by itself.
    pub shared: bool,
    /// Whether it is asked to book.
    pub breaker: BreakerStanding,
    /// Whether it is searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search_breaker: Option<BreakerStanding>,
    /// Calls in a minute that we allow ourselves.
    pub calls_per_minute_max: u32,
    /// Of them, those that may go out at once now.
    pub calls_free: u32,
    /// What the supplier says is left, as far as it said so and that still counts.
    pub quotas: Vec<QuotaStanding>,
}

/// A circuit breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerStanding {
    /// Whether it lets new things through.
    pub state: BreakerState,
    /// Since when it is not closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_at: Option<DateTime<Utc>>,
    /// When it lets the next single call through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probes_at: Option<DateTime<Utc>>,
    /// Calls in its window.
    pub calls: u32,
    /// Those of them that failed.
    pub failed: u32,
    /// When somebody closed it by hand last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<BreakerReset>,
}

/// Whether a breaker lets new things through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// It does.
    Closed,
    /// Only what ends or looks up what was begun.
    Open,
    /// That, and one new thing at a time.
    HalfOpen,
}

/// That somebody closed a breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerReset {
    /// Who.
    pub staff: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// `POST /internal/suppliers/{supplier}/reset` of supplier-sync: closes the breaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerResetRequest {
    /// Who asks.
    pub staff: String,
    /// Why.
    pub why: String,
}

/// What a supplier says is left of what may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaStanding {
    /// Of which path; nothing where it counts everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Hundredths left.
    pub left_percent: u32,
    /// When it counts anew.
    pub until: DateTime<Utc>,
}

/// Answer to `GET /internal/cases` of supplier-sync: at most the 1,000 that are open for longest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplierCasesReply {
    /// The open cases, oldest first.
    pub cases: Vec<SupplierCase>,
}

/// A difference between us and a supplier, or between a supplier and its own contract. No personal
/// data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplierCase {
    /// The case.
    pub case_id: Uuid,
    /// At which supplier.
    pub supplier: Supplier,
    /// What sort: `status`, `dates`, `names`, `price`, `room`, `missing`, `orphan`,
    /// `fee` (a cancellation that costs more than was agreed), `contract`.
    pub kind: String,
    /// What it is about: a reservation by the supplier's reference, or what is not as documented.
    pub subject: String,
    /// Of which booking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking_id: Option<BookingId>,
    /// Which leg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg_id: Option<LegId>,
    /// What we have.
    pub ours: Value,
    /// What the supplier has.
    pub theirs: Value,
    /// When it was found.
    pub opened_at: DateTime<Utc>,
    /// When it was last seen.
    pub last_at: DateTime<Utc>,
    /// How often it was seen.
    pub times: u32,
    /// That a person is done with it; nothing while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<CaseClosed>,
}

/// That somebody closed a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseClosed {
    /// Who.
    pub staff: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// `POST /internal/cases/{case}/close` of supplier-sync and payment-verification: closes a case.
/// Answered by the case as it stands then; one that is closed already stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseCloseRequest {
    /// Who asks.
    pub staff: String,
    /// Why.
    pub why: String,
}

/// `POST /internal/suppliers/{supplier}/compare` of supplier-sync: compares everything the supplier
/// has of us with what we have. Answered by [`ComparisonStanding`], as is the `GET`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompareRequest {
    /// Who asks.
    pub staff: String,
}

/// How far a comparison of a supplier's whole list with ours is, and what it found. What differs is
/// looked up, and is a case once that shows the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComparisonStanding {
    /// Which one.
    pub comparison_id: Uuid,
    /// With which supplier.
    pub supplier: Supplier,
    /// Who asked; nothing where it was the night.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
    /// When it began.
    pub begun_at: DateTime<Utc>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: ComparisonOutcome,
    /// Pages read.
    pub pages: u32,
    /// Reservations on them.
    pub listed: u32,
    /// Those that are not as we know them.
    pub differing: u32,
    /// Legs of ours of which something was on no page.
    pub missing: u32,
    /// Reservations that stand there and that no leg of ours knows.
    pub unknown: u32,
    /// Cases about that supplier's reservations that nobody has closed. What they tell of is known
    /// already, and is not counted as differing once more.
    #[serde(default, skip_serializing_if = "is_none_open")]
    pub open_cases: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_none_open(open: &u32) -> bool {
    *open == 0
}

/// How a comparison ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComparisonOutcome {
    /// Not yet.
    UnderWay,
    /// Everything was read.
    Done,
    /// The list could not be read for too long.
    GivenUp,
}
