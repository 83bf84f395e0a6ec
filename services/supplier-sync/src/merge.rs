//! Offers of several suppliers as one list: the cheapest first, the same room on the same terms
//! once. Pure.

use std::{collections::BTreeSet, iter};

use chrono::{DateTime, Utc};
use contracts::{
    money::Money,
    offer::{Offer, Terms},
};

/// Merges what the suppliers offer.
///
/// An offer is left out when another supplier has the room for no more, on terms that are no
/// worse.
/// What one supplier offers beside its own is its affair and stays.
pub(crate) fn merge(mut offers: Vec<Offer>) -> Vec<Offer> {
    let rank = |offer: &Offer| {
        (offer.price.minor, offer.supplier, offer.room_name.clone(), offer.rate_key.clone())
    };
    offers.sort_by_key(rank);
    let mut kept: Vec<Offer> = Vec::new();
    for offer in offers {
        let beaten = kept.iter().any(|other| {
            other.supplier != offer.supplier
                && other.price.currency == offer.price.currency
                && other.property_id == offer.property_id
                && other.product == offer.product
                && room(&other.room_name) == room(&offer.room_name)
                && is_no_worse(other, &offer)
        });
        if !beaten {
            kept.push(offer);
        }
    }
    kept
}

/// The words of a room's name, in any order: suppliers write them each in their own.
fn room(name: &str) -> BTreeSet<String> {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

/// Whether one can be held where the other can, costs no more with what the property collects, and
/// giving it back never costs more.
fn is_no_worse(one: &Offer, other: &Offer) -> bool {
    let steps = one.terms.cancel_steps.iter().chain(&other.terms.cancel_steps);
    let mut instants = iter::once(DateTime::<Utc>::MIN_UTC).chain(steps.map(|step| step.from));
    one.terms.holdable >= other.terms.holdable
        && one.terms.refundable >= other.terms.refundable
        && is_no_dearer(one, other)
        && instants.all(|at| fee_at(one, at) <= fee_at(other, at))
}

/// Whether one costs no more than the other with what the property collects. Where that is in
/// another currency than the price, only the very same is no more.
fn is_no_dearer(one: &Offer, other: &Offer) -> bool {
    if one.terms.due_at_property == other.terms.due_at_property {
        return one.price.minor <= other.price.minor;
    }
    matches!((in_all(one), in_all(other)), (Some(one), Some(other)) if one <= other)
}

/// What it costs with what the property collects, in minor units of the price's currency.
fn in_all(offer: &Offer) -> Option<i64> {
    let due = offer.terms.due_at_property.iter().map(|due| {
        let currency = due.currency.parse().ok().filter(|it| *it == offer.price.currency)?;
        Money::parse_decimal(&due.amount, currency).ok()
    });
    due.into_iter().try_fold(offer.price, |sum, due| sum.plus(due?).ok()).map(|all| all.minor)
}

/// What giving it back costs then, in minor units of the price's currency.
fn fee_at(offer: &Offer, at: DateTime<Utc>) -> i64 {
    if !offer.terms.refundable {
        return offer.price.minor;
    }
    let begun = offer.terms.cancel_steps.iter().filter(|step| step.from <= at);
    begun.max_by_key(|step| step.from).map_or(0, |step| step.fee.minor)
}

/// Until when cancelling is free; the beginning of time where it never is.
pub(crate) fn free_until(terms: &Terms) -> DateTime<Utc> {
    if !terms.refundable {
        return DateTime::<Utc>::MIN_UTC;
    }
    let first = terms.cancel_steps.iter().find(|step| step.fee.minor > 0);
    first.map_or(DateTime::<Utc>::MAX_UTC, |step| step.from)
}

#[cfg(test)]
mod tests {
    use contracts::{
        money::Currency,
        offer::{CancelStep, DueAtProperty, Occupancy, Product},
        supplier::Supplier,
    };

    use super::*;

    fn offer(supplier: Supplier, room: &str, minor: i64, free_days: Option<i64>) -> Offer {
        let price = Money::new(minor, Currency::Eur);
        let at = |days| DateTime::from_timestamp(1_800_000_000 + days * 86_400, 0).unwrap();
        let steps = free_days.map(|days| CancelStep::new(at(days), price));
        Offer {
            supplier,
            rate_key: format!("{supplier}-{room}-{minor}"),
            property_id: "1".to_owned(),
            property_name: "1".to_owned(),
            room_name: room.to_owned(),
            check_in: "2027-03-01".parse().unwrap(),
            check_out: "2027-03-03".parse().unwrap(),
            occupancy: Occupancy { adults: 2, children: Vec::new() },
            price,
            terms: Terms {
                refundable: free_days.is_some(),
                cancel_steps: steps.into_iter().collect(),
                holdable: free_days.is_some(),
                due_at_property: Vec::new(),
            },
            product: Product::Stay,
        }
    }

    fn merged(offers: &[Offer]) -> Vec<String> {
        let both = [offers.to_vec(), offers.iter().rev().cloned().collect()].map(merge);
        assert_eq!(both[0], both[1], "the order of the answers is nothing to the customer");
        both[0].iter().map(|offer| format!("{} {}", offer.supplier, offer.price)).collect()
    }

    #[test]
    fn the_same_room_on_the_same_terms_is_offered_once_at_the_lower_price() {
        let rapid = offer(Supplier::Rapid, "Queen Room, 1 Queen Bed", 20_000, Some(2));
        let etg = offer(Supplier::Etg, "Queen room (1 queen bed)", 19_000, Some(2));
        assert_eq!(merged(&[rapid.clone(), etg]), ["etg 190.00 EUR"]);
        let same_price = offer(Supplier::Etg, "queen room, 1 queen bed", 20_000, Some(2));
        assert_eq!(merged(&[rapid, same_price]), ["rapid 200.00 EUR"]);
    }

    #[test]
    fn a_dearer_offer_stays_where_it_gives_more() {
        let cheap = offer(Supplier::Etg, "Queen Room", 19_000, Some(2));
        for (room, free_days) in [("Queen Room", Some(3)), ("King Room", Some(2))] {
            let dear = offer(Supplier::Rapid, room, 20_000, free_days);
            assert_eq!(merged(&[cheap.clone(), dear]).len(), 2);
        }
        let lost = offer(Supplier::Etg, "Queen Room", 19_000, None);
        let dear = offer(Supplier::Rapid, "Queen Room", 20_000, Some(2));
        assert_eq!(merged(&[lost, dear]).len(), 2);
    }

    #[test]
    fn what_the_property_collects_counts_with_the_price() {
        let due = |amount, currency| DueAtProperty::of("city_tax", amount, currency).unwrap();
        let with = |mut offer: Offer, due: Vec<DueAtProperty>| {
            offer.terms.due_at_property = due;
            offer
        };
        let cheap = offer(Supplier::Etg, "Queen Room", 19_000, Some(2));
        let dear = offer(Supplier::Rapid, "Queen Room", 20_000, Some(2));
        let both = ["etg 190.00 EUR", "rapid 200.00 EUR"];
        for (at_cheap, at_dear, left) in [
            (vec![due("9.99", "EUR")], vec![], &both[..1]),
            (vec![due("10.00", "EUR")], vec![], &both[..1]),
            (vec![due("10.01", "EUR")], vec![], &both[..]),
            (vec![due("6", "EUR"), due("4.01", "EUR")], vec![], &both[..]),
            (vec![due("10.01", "EUR")], vec![due("0.01", "EUR")], &both[..1]),
            // Nobody says at which rate.
            (vec![due("1", "HUF")], vec![], &both[..]),
            (vec![], vec![due("1", "HUF")], &both[..]),
            (vec![due("1", "HUF")], vec![due("1", "HUF")], &both[..1]),
        ] {
            let (cheap, dear) = (with(cheap.clone(), at_cheap), with(dear.clone(), at_dear));
            assert_eq!(merged(&[cheap, dear]), left);
        }
    }

    #[test]
    fn a_dearer_offer_stays_where_giving_it_back_late_costs_less() {
        let cheap = offer(Supplier::Etg, "Queen Room", 19_900, Some(2));
        let mut dear = offer(Supplier::Rapid, "Queen Room", 20_000, Some(2));
        // One night of two instead of all of it.
        dear.terms.cancel_steps[0].fee.minor = 5_000;
        assert_eq!(merged(&[cheap.clone(), dear.clone()]).len(), 2);
        let mut later = cheap.terms.cancel_steps[0].clone();
        later.from += chrono::TimeDelta::days(1);
        let mut cheap = cheap;
        cheap.terms.cancel_steps[0].fee.minor = 5_000;
        assert_eq!(merged(&[cheap.clone(), dear.clone()]), ["etg 199.00 EUR"]);
        cheap.terms.cancel_steps.push(later);
        assert_eq!(merged(&[cheap, dear]).len(), 2, "what comes a day later counts, too");
    }

    #[test]
    fn what_one_supplier_offers_twice_stays_and_the_cheapest_comes_first() {
        let own = [30_000, 10_000, 20_000].map(|p| offer(Supplier::Etg, "Queen Room", p, Some(2)));
        assert_eq!(merged(&own), ["etg 100.00 EUR", "etg 200.00 EUR", "etg 300.00 EUR"]);
    }
}
