//! Bodies of internal HTTP: what a service asks of another while it works.

mod acts;
mod attention;
mod cases;
mod export;
mod legs;
mod proofs;
mod repairs;
mod suppliers;
mod support;

pub use acts::{RefundLetGo, Versioned, Versions};
pub use attention::{AttentionItem, AttentionKind, AttentionReply, SeenReply};
pub use cases::{CasesReply, PaymentCase};
pub use export::{ExportReply, ExportedEvent};
pub use legs::{LookUpReply, LookUpRequest, ReferencesReply, SupplierReferences};
pub use proofs::ProofRequest;
pub use repairs::{
    AttemptKnown, AttemptStanding, LegAct, LegActRequest, LegStanding, LegsReply, OpenReview,
    RefundApprovalRequest, RefundProofRequest, RefundSettlementRequest, RefundStanding,
    ReservationStage, ReservationStanding, ReviewAct, ReviewActRequest, ReviewReply, SafeAct,
    StuckStanding, WaitingRefund, WaitingRefundsReply,
};
use serde::{Deserialize, Serialize};
pub use suppliers::{
    BreakerReset, BreakerResetRequest, BreakerStanding, BreakerState, CaseCloseRequest, CaseClosed,
    CompareRequest, ComparisonOutcome, ComparisonStanding, QuotaStanding, SupplierCase,
    SupplierCasesReply, SupplierStanding, SuppliersReply,
};
pub use support::{
    FindContactRequest, FindReply, Found, FoundCallback, InboxReply, InboxRequest, InboxState,
    InboxesReply, OutboxReply, PreviewEffect, PreviewReply, PreviewRequest, TimelineEntry,
    TimelineKind, TimelineReply,
};

use crate::{
    money::Currency,
    offer::{Occupancy, PriceCheck, Search},
    shown::{ShownOffers, ShownPoints},
    supplier::Supplier,
};

/// `POST /internal/search` of supplier-sync.
pub type SearchRequest = Search;
/// Its answer.
pub type SearchReply = ShownOffers;

/// `POST /internal/price-check` of supplier-sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceCheckRequest {
    /// Who sells it.
    pub supplier: Supplier,
    /// The key of the offer.
    pub rate_key: String,
    /// For whom.
    pub occupancy: Occupancy,
    /// In which currency the offer was.
    pub currency: Currency,
}
/// Its answer; 503 when the supplier did not answer in time.
pub type PriceCheckReply = PriceCheck;

/// One traveller, as booking keeps them sealed. Personal data: never in messages, logs or spans.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traveller {
    /// Given name, 1 to 50 characters.
    pub given_name: String,
    /// Family name, 1 to 50 characters.
    pub family_name: String,
    /// Date of birth; whoever flies has to give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born_on: Option<chrono::NaiveDate>,
    /// As in the passport; whoever flies has to give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gender: Option<Gender>,
}

/// A gender, as airlines know them.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gender {
    /// `f` in a passport.
    Female,
    /// `m` in a passport.
    Male,
}

/// `GET /internal/bookings/{id}/travellers` of booking. Personal data.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TravellersReply {
    /// Who travels, the lead traveller first.
    pub travellers: Vec<Traveller>,
    /// E-mail of the contact.
    pub email: String,
    /// Phone of the contact, E.164.
    pub phone: String,
    /// Special requests, if any.
    pub special_requests: Option<String>,
}

impl std::fmt::Debug for Traveller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Traveller(***)")
    }
}

impl std::fmt::Debug for TravellersReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TravellersReply({} travellers)", self.travellers.len())
    }
}

/// `GET /internal/accounts/{id}` of rewards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountReply {
    /// The points.
    pub points: ShownPoints,
    /// The newest entries of the ledger, newest first, at most 50.
    pub entries: Vec<PointsEntry>,
}

/// One entry of an account's points, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointsEntry {
    /// When.
    pub at: chrono::DateTime<chrono::Utc>,
    /// What for: `earned`, `matured`, `held`, `captured`, `released`, `voided`, `granted`.
    pub kind: String,
    /// For which booking.
    pub booking_id: Option<crate::ids::BookingId>,
    /// How many, signed as the customer sees it.
    pub points: i64,
}
