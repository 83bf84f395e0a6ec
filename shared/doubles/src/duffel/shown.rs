//! Offers, orders and cancellations as the API shows them, in its published fields.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::catalogue::Flight;
use super::world::{Cancellation, Offered, Order, decimal, instant};

const AIRLINE: &str = "Duffel Airways";
const CODE: &str = "ZZ";

fn airline() -> Value {
    json!({ "id": "arl_00009VME7D6ivUu8dn35WK", "name": AIRLINE, "iata_code": CODE })
}

fn place(code: &str, city: &str) -> Value {
    json!({ "type": "airport", "iata_code": code, "iata_city_code": city, "name": code })
}

fn slice(number: usize, flight: &Flight, fare: &str) -> Value {
    let local = |at: chrono::NaiveDateTime| at.format("%Y-%m-%dT%H:%M:%S").to_string();
    let (origin, destination) = (
        place(flight.origin, flight.origin_city),
        place(flight.destination, flight.destination_city),
    );
    json!({
        "id": format!("sli_{number}"),
        "origin": origin,
        "origin_type": "airport",
        "destination": destination,
        "destination_type": "airport",
        "fare_brand_name": fare,
        "segments": [{
            "id": format!("seg_{number}"),
            "origin": origin,
            "destination": destination,
            "departing_at": local(flight.departs_at),
            "arriving_at": local(flight.arrives_at),
            "marketing_carrier": airline(),
            "marketing_carrier_flight_number": flight.number,
            "operating_carrier": airline(),
        }],
    })
}

fn slices(offer: &Offered) -> Vec<Value> {
    let name = offer.fare().name;
    offer.slices.iter().enumerate().map(|(n, flight)| slice(n, flight, name)).collect()
}

fn conditions(offer: &Offered) -> Value {
    let refund = match offer.fare().penalty {
        Some(penalty) => json!({
            "allowed": true,
            "penalty_amount": decimal(penalty),
            "penalty_currency": offer.currency,
        }),
        None => json!({ "allowed": false, "penalty_amount": null, "penalty_currency": null }),
    };
    json!({ "refund_before_departure": refund, "change_before_departure": null })
}

/// `Offer`.
pub(crate) fn offer(offer: &Offered) -> Value {
    let fare = offer.fare();
    let seat = |seat: &super::world::Seat| {
        let kind = match seat.age {
            None => json!("adult"),
            Some(age) if age < 2 => json!("infant_without_seat"),
            Some(_) => json!("child"),
        };
        json!({ "id": seat.id, "type": kind, "age": seat.age })
    };
    let held = fare.holdable.then(|| instant(offer.held_until));
    json!({
        "id": offer.id,
        "live_mode": false,
        "created_at": instant(offer.created_at),
        "updated_at": instant(offer.created_at),
        "expires_at": instant(offer.expires_at),
        "total_amount": decimal(offer.total),
        "total_currency": offer.currency,
        "tax_amount": null,
        "tax_currency": null,
        "owner": airline(),
        "slices": slices(offer),
        "passengers": offer.seats.iter().map(seat).collect::<Vec<_>>(),
        "passenger_identity_documents_required": false,
        "conditions": conditions(offer),
        "payment_requirements": {
            "requires_instant_payment": !fare.holdable,
            "payment_required_by": held,
            "price_guarantee_expires_at": held.filter(|_| fare.price_held),
        },
    })
}

/// `Order`.
pub(crate) fn order(order: &Order) -> Value {
    let offer = &order.offer;
    let awaits = order.awaits_payment();
    let held = awaits.then(|| instant(offer.held_until));
    let ticket = |n: usize| json!({ "type": "electronic_ticket", "unique_identifier": format!("125210631281{n}") });
    let tickets = if order.paid_at.is_some() { order.passengers.len() } else { 0 };
    json!({
        "id": order.id,
        "live_mode": false,
        "type": order.kind,
        "booking_reference": order.booking_reference,
        "created_at": instant(order.created_at),
        "synced_at": instant(order.created_at),
        "cancelled_at": order.cancelled_at.map(instant),
        "total_amount": decimal(offer.total),
        "total_currency": offer.currency,
        "owner": airline(),
        "slices": slices(offer),
        "passengers": order.passengers,
        "conditions": conditions(offer),
        "documents": (0..tickets).map(ticket).collect::<Vec<_>>(),
        "metadata": order.metadata,
        "airline_initiated_changes": [],
        "available_actions": if order.cancelled_at.is_some() { json!([]) } else { json!(["cancel", "update"]) },
        "payment_status": {
            "awaiting_payment": awaits,
            "payment_required_by": held,
            "price_guarantee_expires_at": held.filter(|_| offer.fare().price_held),
            "paid_at": order.paid_at.map(instant),
        },
    })
}

/// `OrderCancellation`.
pub(crate) fn cancellation(cancellation: &Cancellation, currency: &str, paid: bool) -> Value {
    let refund_to = match (paid, cancellation.in_credits) {
        (false, _) => "awaiting_payment",
        (true, true) => "airline_credits",
        (true, false) => "balance",
    };
    json!({
        "id": cancellation.id,
        "order_id": cancellation.order,
        "live_mode": false,
        "refund_amount": decimal(cancellation.refund),
        "refund_currency": currency,
        "refund_to": refund_to,
        "created_at": instant(cancellation.created_at),
        "expires_at": instant(cancellation.expires_at),
        "confirmed_at": cancellation.confirmed_at.map(instant),
        "airline_credits": [],
    })
}

/// `Payment`.
pub(crate) fn payment(id: &str, order: &Order, now: DateTime<Utc>) -> Value {
    json!({
        "id": id,
        "order_id": order.id,
        "amount": decimal(order.offer.total),
        "currency": order.offer.currency,
        "type": "balance",
        "live_mode": false,
        "created_at": instant(now),
    })
}
