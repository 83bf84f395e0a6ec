//! What suppliers ask now for what they have not held so far, as the customer is asked about it.

use booking_core::{Booking, NewTerms};
use chrono::{DateTime, Utc};
use contracts::{asset::AssetAmount, ids::LegId, money::Money, offer::Terms};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::openapi::shapes;

/// What suppliers ask now, where that is more than is ours to bear, or on worse terms.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingNewTerms)]
pub(crate) struct ShownNewTerms {
    /// Names exactly these prices and terms; an agreement says it.
    digest: Uuid,
    /// All legs together with these. The booking's `price` is what was agreed to so far.
    #[schema(value_type = shapes::Money)]
    price: Money,
    /// What would be paid for that, after points, at the rate of the quote.
    #[schema(value_type = shapes::AssetAmount)]
    amount: AssetAmount,
    /// The same in whole coins, for people.
    amount_decimal: String,
    /// Until when to answer; then the booking is undone.
    answer_by: DateTime<Utc>,
    /// The legs that are asked about.
    legs: Vec<ShownLegTerms>,
}

/// What a supplier asks for a leg now. The leg has what was agreed to so far.
#[derive(Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BookingLegTerms)]
struct ShownLegTerms {
    #[schema(value_type = Uuid)]
    leg_id: LegId,
    #[schema(value_type = shapes::Money)]
    price: Money,
    #[schema(value_type = shapes::Terms)]
    terms: Terms,
}

/// What the customer of a booking is asked, if anything.
pub(super) fn new_terms(booking: &Booking) -> Option<ShownNewTerms> {
    booking_core::new_terms(booking).map(|terms| shown(&terms))
}

/// Shows what is asked.
pub(crate) fn shown(terms: &NewTerms) -> ShownNewTerms {
    let leg = |leg: &booking_core::LegTerms| ShownLegTerms {
        leg_id: leg.leg_id,
        price: leg.asks.price,
        terms: leg.asks.terms.clone(),
    };
    ShownNewTerms {
        digest: terms.digest,
        price: terms.price,
        amount: terms.amount.clone(),
        amount_decimal: terms.amount.decimal(),
        answer_by: terms.answer_by,
        legs: terms.legs.iter().map(leg).collect(),
    }
}
