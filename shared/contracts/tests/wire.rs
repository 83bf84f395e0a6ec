//! The JSON of every message as it goes over the wire. A change here is a new version of the
//! message.
#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a panic is a failed test"
)]

use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    asset::{AssetAmount, AssetId, Rate, Units},
    ids::{AccountId, BookingId, CallbackId, LegId, PaymentId},
    instruction::{Instruction, SignedInstruction},
    message::{Kind, Message},
    messages::*,
    money::{Currency, Money},
    offer::{
        ActivitySearch, CancelStep, FlightSearch, FlightSegment, LegOrder, Occupancy, Product,
        Search, StaySearch, StepBasis, Terms,
    },
    shown::search_digest,
    supplier::Supplier,
};
use expect_test::{Expect, expect};
use serde_json::Value;
use uuid::Uuid;

fn check<M: Message + PartialEq + std::fmt::Debug>(message: &M, expected: &Expect) {
    let json = serde_json::to_string(message).unwrap();
    let kind = match M::KIND {
        Kind::Command => "command",
        Kind::Event => "event",
    };
    expected.assert_eq(&format!("{kind} {}\n{json}\n", M::TYPE));
    assert_eq!(&serde_json::from_str::<M>(&json).unwrap(), message);
    let unknown = format!("{},\"extra\":1}}", &json[..json.len() - 1]);
    assert!(serde_json::from_str::<M>(&unknown).is_err(), "unknown fields are refused");
    described(M::TYPE, &json, &unknown);
}

/// The published document takes what is said, and no more than is read.
fn described(name: &str, json: &str, unknown: &str) {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        serde_json::from_str(include_str!("../../../docs/asyncapi.json")).unwrap()
    });
    let whole = serde_json::json!({
        "allOf": [DOCUMENT["components"]["messages"][name]["payload"]],
        "components": DOCUMENT["components"],
    });
    let validator = jsonschema::validator_for(&whole).unwrap();
    let value: Value = serde_json::from_str(json).unwrap();
    let wrong: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    assert!(!validator.is_valid(&serde_json::from_str(unknown).unwrap()), "{name}: {unknown}");
    for field in value.as_object().unwrap().keys() {
        let known = &DOCUMENT["components"]["messages"][name]["payload"]["properties"][field];
        assert!(known.is_object(), "{name} has {field}");
    }
}

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap()
}
fn booking_id() -> BookingId {
    BookingId(Uuid::from_u128(1))
}
fn leg_id() -> LegId {
    LegId(Uuid::from_u128(2))
}
fn payment_id() -> PaymentId {
    PaymentId(Uuid::from_u128(3))
}
fn account_id() -> AccountId {
    AccountId::parse("acct_1").unwrap()
}
fn units() -> Units {
    Units::parse("80000000000000000").unwrap()
}
fn amount() -> AssetAmount {
    AssetAmount { units: units(), decimals: 18, asset: AssetId::parse("eth").unwrap() }
}
fn price() -> Money {
    Money::new(20_000, Currency::Eur)
}
fn day(d: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2027, 3, d).unwrap()
}

fn order() -> LegOrder {
    LegOrder {
        supplier: Supplier::Rapid,
        book_key: "/v3/itineraries?token=t".to_owned(),
        property_id: "1100001".to_owned(),
        check_in: day(14),
        check_out: day(16),
        occupancy: Occupancy { adults: 2, children: vec![9] },
        price: price(),
        terms: Terms {
            refundable: true,
            cancel_steps: vec![CancelStep::new(at(), price())],
            holdable: true,
            due_at_property: Vec::new(),
        },
        product: Product::Stay,
        reprice: None,
    }
}

#[test]
fn a_step_says_where_its_instant_comes_from_only_where_the_supplier_did_not_name_it() {
    let told = CancelStep::new(at(), price());
    let local = CancelStep { basis: StepBasis::LocalEarliest, ..CancelStep::new(at(), price()) };
    for (step, basis) in [(told, None), (local, Some("local_earliest"))] {
        let json = serde_json::to_value(&step).unwrap();
        assert_eq!(json.get("basis").and_then(|basis| basis.as_str()), basis);
        assert_eq!(serde_json::from_value::<CancelStep>(json).unwrap(), step);
    }
}

#[test]
fn legs() {
    let (booking_id, leg_id) = (booking_id(), leg_id());
    let wanted = WantedLeg::Held;
    check(
        &LegWanted { booking_id, leg_id, version: 1, wanted, order: order(), accepts: None },
        &expect![[r#"
            command holdfast.leg.wanted.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","leg_id":"00000000-0000-0000-0000-000000000002","version":1,"wanted":"held","order":{"supplier":"rapid","book_key":"/v3/itineraries?token=t","property_id":"1100001","check_in":"2027-03-14","check_out":"2027-03-16","occupancy":{"adults":2,"children":[9]},"price":{"minor":"20000","scale":2,"currency":"EUR"},"terms":{"refundable":true,"cancel_steps":[{"from":"2027-01-15T08:00:00.123456Z","fee":{"minor":"20000","scale":2,"currency":"EUR"}}],"holdable":true}}}
        "#]],
    );
    check(
        &LegGuestsWanted { booking_id, leg_id, version: 1, party: Uuid::from_u128(9) },
        &expect![[r#"
            command holdfast.leg.guests_wanted.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","leg_id":"00000000-0000-0000-0000-000000000002","version":1,"party":"00000000-0000-0000-0000-000000000009"}
        "#]],
    );
    for (end, expected) in [
        (
            GuestsEnd::Changed,
            expect![[r#"
                event holdfast.leg.guests_settled.v1
                {"booking_id":"00000000-0000-0000-0000-000000000001","leg_id":"00000000-0000-0000-0000-000000000002","version":1,"end":{"is":"changed"}}
            "#]],
        ),
        (
            GuestsEnd::Kept { why: RefusedWhy::Rejected },
            expect![[r#"
                event holdfast.leg.guests_settled.v1
                {"booking_id":"00000000-0000-0000-0000-000000000001","leg_id":"00000000-0000-0000-0000-000000000002","version":1,"end":{"is":"kept","why":"rejected"}}
            "#]],
        ),
    ] {
        let (version, evidence) = (1, None);
        check(&LegGuestsSettled { booking_id, leg_id, version, end, evidence }, &expected);
    }
    let reference = "R1".to_owned();
    for (state, expected) in [
        (
            LegState::Held { reference: reference.clone(), until: Some(at()) },
            expect![[r#"
            event holdfast.leg.changed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","leg_id":"00000000-0000-0000-0000-000000000002","seq":4,"wanted_version":1,"state":{"is":"held","reference":"R1","until":"2027-01-15T08:00:00.123456Z"}}
        "#]],
        ),
        (
            LegState::Confirmed { reference },
            expect![[r#"
            event holdfast.leg.changed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","leg_id":"00000000-0000-0000-0000-000000000002","seq":4,"wanted_version":1,"state":{"is":"confirmed","reference":"R1"}}
        "#]],
        ),
        (
            LegState::Gone { why: GoneWhy::Lapsed },
            expect![[r#"
            event holdfast.leg.changed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","leg_id":"00000000-0000-0000-0000-000000000002","seq":4,"wanted_version":1,"state":{"is":"gone","why":"lapsed"}}
        "#]],
        ),
        (
            LegState::Refused { why: RefusedWhy::SoldOut },
            expect![[r#"
            event holdfast.leg.changed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","leg_id":"00000000-0000-0000-0000-000000000002","seq":4,"wanted_version":1,"state":{"is":"refused","why":"sold_out"}}
        "#]],
        ),
        (
            LegState::InDoubt { since: at() },
            expect![[r#"
            event holdfast.leg.changed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","leg_id":"00000000-0000-0000-0000-000000000002","seq":4,"wanted_version":1,"state":{"is":"in_doubt","since":"2027-01-15T08:00:00.123456Z"}}
        "#]],
        ),
    ] {
        let wanted_version = 1;
        let (evidence, undo_failing, theirs) = (None, None, None);
        check(
            &LegChanged {
                booking_id,
                leg_id,
                seq: 4,
                wanted_version,
                state,
                evidence,
                undo_failing,
                theirs,
                asks: None,
                no_show: false,
            },
            &expected,
        );
    }
    check(
        &LegChanged {
            booking_id,
            leg_id,
            seq: 5,
            wanted_version: 2,
            state: LegState::InDoubt { since: at() },
            evidence: Some(LegEvidence {
                source: EvidenceSource::Callback,
                attempt: 1,
                client_reference: "c".to_owned(),
                reference: Some("R1".to_owned()),
                exchange: Some(3),
            }),
            undo_failing: Some(UndoFailing { attempts: 2, why: UndoFailedWhy::Refused }),
            theirs: None,
            asks: None,
            no_show: false,
        },
        &expect![[r#"
            event holdfast.leg.changed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","leg_id":"00000000-0000-0000-0000-000000000002","seq":5,"wanted_version":2,"state":{"is":"in_doubt","since":"2027-01-15T08:00:00.123456Z"},"evidence":{"source":"callback","attempt":1,"client_reference":"c","reference":"R1","exchange":3},"undo_failing":{"attempts":2,"why":"refused"}}
        "#]],
    );
    check(
        &LegChanged {
            booking_id,
            leg_id,
            seq: 6,
            wanted_version: 2,
            state: LegState::Confirmed { reference: "R1".to_owned() },
            evidence: None,
            undo_failing: None,
            theirs: None,
            asks: None,
            no_show: true,
        },
        &expect![[r#"
            event holdfast.leg.changed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","leg_id":"00000000-0000-0000-0000-000000000002","seq":6,"wanted_version":2,"state":{"is":"confirmed","reference":"R1"},"no_show":true}
        "#]],
    );
    check(
        &CallbackReceived {
            callback_id: CallbackId(Uuid::from_u128(4)),
            supplier: Supplier::Rapid,
            client_reference: Some("c".to_owned()),
            reference: None,
            claim: None,
            received_at: at(),
        },
        &expect![[r#"
            event holdfast.callback.received.v1
            {"callback_id":"00000000-0000-0000-0000-000000000004","supplier":"rapid","client_reference":"c","reference":null,"received_at":"2027-01-15T08:00:00.123456Z"}
        "#]],
    );
    check(
        &CallbackReceived {
            callback_id: CallbackId(Uuid::from_u128(4)),
            supplier: Supplier::Rapid,
            client_reference: None,
            reference: Some("R1".to_owned()),
            claim: Some(CallbackClaim::Gone),
            received_at: at(),
        },
        &expect![[r#"
            event holdfast.callback.received.v1
            {"callback_id":"00000000-0000-0000-0000-000000000004","supplier":"rapid","client_reference":null,"reference":"R1","claim":"gone","received_at":"2027-01-15T08:00:00.123456Z"}
        "#]],
    );
}

#[test]
fn payments() {
    let (booking_id, payment_id) = (booking_id(), payment_id());
    let (amount, price, pay_by) = (amount(), price(), at());
    let received = units();
    check(
        &PaymentPrepare { booking_id, payment_id, amount: amount.clone(), price, pay_by },
        &expect![[r#"
            command holdfast.payment.prepare.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","amount":{"units":"80000000000000000","decimals":18,"asset":"eth"},"price":{"minor":"20000","scale":2,"currency":"EUR"},"pay_by":"2027-01-15T08:00:00.123456Z"}
        "#]],
    );
    let instruction = Instruction {
        booking_id,
        payment_id,
        chain: "eip155:31337".to_owned(),
        contract: None,
        address: "0xaa".to_owned(),
        amount,
        pay_by,
        confirmations: 3,
        scheme: None,
    };
    let instruction = SignedInstruction { instruction, signature: "c2lnbmVk".to_owned() };
    check(
        &PaymentPrepared { booking_id, payment_id, seq: 1, instruction },
        &expect![[r#"
        event holdfast.payment.prepared.v1
        {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","seq":1,"instruction":{"instruction":{"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","chain":"eip155:31337","contract":null,"address":"0xaa","amount":{"units":"80000000000000000","decimals":18,"asset":"eth"},"pay_by":"2027-01-15T08:00:00.123456Z","confirmations":3},"signature":"c2lnbmVk"}}
    "#]],
    );
    let (complete, seen_at) = (true, at());
    check(
        &PaymentSeen { booking_id, payment_id, seq: 2, received, complete, seen_at },
        &expect![[r#"
            event holdfast.payment.seen.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","seq":2,"received":"80000000000000000","complete":true,"seen_at":"2027-01-15T08:00:00.123456Z"}
        "#]],
    );
    check(
        &PaymentSettled { booking_id, payment_id, seq: 3, received, complete: true },
        &expect![[r#"
        event holdfast.payment.settled.v1
        {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","seq":3,"received":"80000000000000000","complete":true}
    "#]],
    );
    let because = CloseBecause::NotPaid;
    check(
        &PaymentReversed {
            booking_id,
            payment_id,
            seq: 5,
            gone: units(),
            settled: Units::ZERO,
            lost: Units::ZERO,
        },
        &expect![[r#"
            event holdfast.payment.reversed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","seq":5,"gone":"80000000000000000","settled":"0"}
        "#]],
    );
    let (gone, settled, lost) = (Units::ZERO, Units::ZERO, units());
    check(
        &PaymentReversed { booking_id, payment_id, seq: 6, gone, settled, lost },
        &expect![[r#"
            event holdfast.payment.reversed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","seq":6,"gone":"0","settled":"0","lost":"80000000000000000"}
        "#]],
    );
    check(
        &PaymentClose { booking_id, payment_id, because },
        &expect![[r#"
        command holdfast.payment.close.v1
        {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","because":"not_paid"}
    "#]],
    );
    for (closing, expected) in [
        (
            Closing::Closed { received, settled: Units::ZERO },
            expect![[r#"
            event holdfast.payment.closed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","seq":4,"closing":{"is":"closed","received":"80000000000000000","settled":"0"}}
        "#]],
        ),
        (
            Closing::AlreadySettled { settled: received },
            expect![[r#"
            event holdfast.payment.closed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","seq":4,"closing":{"is":"already_settled","settled":"80000000000000000"}}
        "#]],
        ),
    ] {
        check(&PaymentClosed { booking_id, payment_id, seq: 4, closing }, &expected);
    }
    let refund_id = Uuid::from_u128(5);
    let (to, basis) = (Some("0xbb".to_owned()), RefundBasis::Then);
    check(
        &PaymentRefund {
            booking_id,
            payment_id,
            refund_id,
            units: received,
            to,
            basis,
            handled_by: None,
        },
        &expect![[r#"
            command holdfast.payment.refund.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","refund_id":"00000000-0000-0000-0000-000000000005","units":"80000000000000000","to":"0xbb","basis":"then"}
        "#]],
    );
    let (state, transaction) = (RefundState::Sent, Some("0xcc".to_owned()));
    let units = received;
    check(
        &PaymentRefundChanged {
            booking_id,
            payment_id,
            seq: 5,
            refund_id,
            units,
            state,
            transaction: transaction.clone(),
            value: None,
            otherwise: None,
        },
        &expect![[r#"
            event holdfast.payment.refund_changed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","seq":5,"refund_id":"00000000-0000-0000-0000-000000000005","units":"80000000000000000","state":"sent","transaction":"0xcc"}
        "#]],
    );
    let rate = Rate {
        asset: AssetId::parse("eth").unwrap(),
        decimals: 18,
        currency: Currency::Eur,
        micro_minor_per_coin: 250_000_000_000,
    };
    let priced = RefundPriced { units: received, rate, as_of: at() };
    let value = Some(RefundValue { worth: price, priced: Some(priced) });
    check(
        &PaymentRefundChanged {
            booking_id,
            payment_id,
            seq: 5,
            refund_id,
            units,
            state,
            transaction,
            value,
            otherwise: Some(units),
        },
        &expect![[r#"
            event holdfast.payment.refund_changed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","payment_id":"00000000-0000-0000-0000-000000000003","seq":5,"refund_id":"00000000-0000-0000-0000-000000000005","units":"80000000000000000","state":"sent","transaction":"0xcc","value":{"worth":{"minor":"20000","scale":2,"currency":"EUR"},"priced":{"units":"80000000000000000","rate":{"asset":"eth","decimals":18,"currency":"EUR","micro_minor_per_coin":250000000000},"as_of":"2027-01-15T08:00:00.123456Z"}},"otherwise":"80000000000000000"}
        "#]],
    );
}

#[test]
fn points() {
    let (booking_id, account_id) = (booking_id(), account_id());
    let wanted = WantedPoints::Held;
    check(
        &PointsWanted { booking_id, account_id, version: 1, wanted, points: 500 },
        &expect![[r#"
            command holdfast.points.wanted.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","account_id":"acct_1","version":1,"wanted":"held","points":500}
        "#]],
    );
    let state = PointsState::Refused;
    check(
        &PointsChanged { booking_id, version: 1, state, points: 500 },
        &expect![[r#"
        event holdfast.points.changed.v1
        {"booking_id":"00000000-0000-0000-0000-000000000001","version":1,"state":"refused","points":500}
    "#]],
    );
}

#[test]
fn bookings() {
    let (booking_id, account_id, version, at) = (booking_id(), account_id(), 13, at());
    check(
        &BookingConfirmed {
            booking_id,
            account_id: account_id.clone(),
            version,
            at,
            legs: vec![ConfirmedLeg {
                leg_id: leg_id(),
                supplier: Supplier::Rapid,
                reference: "R1".to_owned(),
                check_in: day(14),
                check_out: day(16),
                price: price(),
            }],
            paid: price(),
            over_at: at,
        },
        &expect![[r#"
            event holdfast.booking.confirmed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","account_id":"acct_1","version":13,"at":"2027-01-15T08:00:00.123456Z","legs":[{"leg_id":"00000000-0000-0000-0000-000000000002","supplier":"rapid","reference":"R1","check_in":"2027-03-14","check_out":"2027-03-16","price":{"minor":"20000","scale":2,"currency":"EUR"}}],"paid":{"minor":"20000","scale":2,"currency":"EUR"},"over_at":"2027-01-15T08:00:00.123456Z"}
        "#]],
    );
    let account = || account_id.clone();
    check(
        &BookingFailed { booking_id, account_id: account(), version, at },
        &expect![[r#"
            event holdfast.booking.failed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","account_id":"acct_1","version":13,"at":"2027-01-15T08:00:00.123456Z"}
        "#]],
    );
    check(
        &BookingCancelled { booking_id, account_id: account(), version, at },
        &expect![[r#"
            event holdfast.booking.cancelled.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","account_id":"acct_1","version":13,"at":"2027-01-15T08:00:00.123456Z"}
        "#]],
    );
    check(
        &BookingLegCancelled {
            booking_id,
            account_id: account(),
            version,
            at,
            leg_id: LegId(Uuid::from_u128(4)),
            paid: Money::new(12_000, Currency::Eur),
        },
        &expect![[r#"
            event holdfast.booking.leg_cancelled.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","account_id":"acct_1","version":13,"at":"2027-01-15T08:00:00.123456Z","leg_id":"00000000-0000-0000-0000-000000000004","paid":{"minor":"12000","scale":2,"currency":"EUR"}}
        "#]],
    );
    check(
        &BookingLegReplaced {
            booking_id,
            account_id: account(),
            version,
            at,
            leg_id: LegId(Uuid::from_u128(4)),
            by: ConfirmedLeg {
                leg_id: LegId(Uuid::from_u128(5)),
                supplier: Supplier::Rapid,
                reference: "R2".to_owned(),
                check_in: day(15),
                check_out: day(17),
                price: Money::new(9_000, Currency::Eur),
            },
            paid: Money::new(12_000, Currency::Eur),
            over_at: at,
        },
        &expect![[r#"
            event holdfast.booking.leg_replaced.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","account_id":"acct_1","version":13,"at":"2027-01-15T08:00:00.123456Z","leg_id":"00000000-0000-0000-0000-000000000004","by":{"leg_id":"00000000-0000-0000-0000-000000000005","supplier":"rapid","reference":"R2","check_in":"2027-03-15","check_out":"2027-03-17","price":{"minor":"9000","scale":2,"currency":"EUR"}},"paid":{"minor":"12000","scale":2,"currency":"EUR"},"over_at":"2027-01-15T08:00:00.123456Z"}
        "#]],
    );
    check(
        &BookingMoneyReversed { booking_id, account_id: account(), version, at, away: true },
        &expect![[r#"
            event holdfast.booking.money_reversed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","account_id":"acct_1","version":13,"at":"2027-01-15T08:00:00.123456Z","away":true}
        "#]],
    );
    check(
        &BookingMoved {
            booking_id,
            account_id: account(),
            version,
            at,
            leg_id: LegId(Uuid::from_u128(4)),
            check_in: day(15),
            check_out: day(17),
            over_at: at,
        },
        &expect![[r#"
            event holdfast.booking.moved.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","account_id":"acct_1","version":13,"at":"2027-01-15T08:00:00.123456Z","leg_id":"00000000-0000-0000-0000-000000000004","check_in":"2027-03-15","check_out":"2027-03-17","over_at":"2027-01-15T08:00:00.123456Z"}
        "#]],
    );
    check(
        &BookingCompleted { booking_id, account_id: account(), version, at, taken: None },
        &expect![[r#"
            event holdfast.booking.completed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","account_id":"acct_1","version":13,"at":"2027-01-15T08:00:00.123456Z"}
        "#]],
    );
    let taken = Some(Money::new(2_000, Currency::Eur));
    check(
        &BookingCompleted { booking_id, account_id: account(), version, at, taken },
        &expect![[r#"
            event holdfast.booking.completed.v1
            {"booking_id":"00000000-0000-0000-0000-000000000001","account_id":"acct_1","version":13,"at":"2027-01-15T08:00:00.123456Z","taken":{"minor":"2000","scale":2,"currency":"EUR"}}
        "#]],
    );
}

#[test]
fn a_stay_is_written_as_it_was_before_there_were_other_products() {
    let stay = serde_json::to_value(order()).unwrap();
    assert_eq!(stay.get("product"), None);
    assert_eq!(serde_json::from_value::<LegOrder>(stay).unwrap(), order());

    let at = |hour| day(14).and_hms_opt(hour, 30, 0).unwrap();
    let segment = FlightSegment {
        origin: "LHR".to_owned(),
        destination: "JFK".to_owned(),
        departs_at: at(9),
        arrives_at: at(12),
        flight: "ZZ117".to_owned(),
    };
    let flight = LegOrder { product: Product::Flight { segments: vec![segment] }, ..order() };
    let written = serde_json::to_value(&flight).unwrap();
    assert_eq!(written["product"]["kind"], "flight");
    assert_eq!(serde_json::from_value::<LegOrder>(written.clone()).unwrap(), flight);
    let mut odd = written;
    odd["product"]["wings"] = serde_json::json!(2);
    assert!(serde_json::from_value::<LegOrder>(odd).is_err());
}

#[test]
fn what_is_looked_for_is_told_by_its_fields() {
    let occupancy = Occupancy { adults: 2, children: vec![4] };
    let currency = Currency::Eur;
    let stay = Search::Stay(StaySearch {
        property_id: "1".to_owned(),
        check_in: day(14),
        check_out: day(16),
        occupancy: occupancy.clone(),
        currency,
    });
    let flight = Search::Flight(FlightSearch {
        origin: "LHR".to_owned(),
        destination: "JFK".to_owned(),
        departs_on: day(14),
        returns_on: None,
        passengers: occupancy.clone(),
        currency,
    });
    let activity = Search::Activity(ActivitySearch {
        destination: "BCN".to_owned(),
        from: day(14),
        to: day(16),
        participants: occupancy,
        currency,
    });
    let mut digests = std::collections::BTreeSet::new();
    for search in [stay, flight, activity] {
        let text = serde_json::to_string(&search).unwrap();
        assert_eq!(serde_json::from_str::<Search>(&text).unwrap(), search);
        assert!(digests.insert(search_digest(&search)));
    }
}
