//! Over real HTTP, in the place of the services that the console asks and tells: it answers what a
//! test says and keeps what it was told.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Json, Router,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::console::Console;

/// A transaction that brought the refund, as far as its owner knows.
pub(crate) const BROUGHT_IT: &str =
    "0x00000000000000000000000000000000000000000000000000000000000000aa";

#[derive(Clone, Default)]
pub(crate) struct Owner {
    told: Arc<Mutex<Vec<Value>>>,
    crowded: Arc<AtomicBool>,
    sent: Arc<AtomicBool>,
    pub(crate) refund: Uuid,
    pub(crate) leg: Uuid,
    pub(crate) url: String,
}

impl Owner {
    pub(crate) async fn start(console: &Console) -> Self {
        let owner = Self { refund: Uuid::from_u128(7), leg: Uuid::from_u128(8), ..Self::default() };
        let routes = Router::new()
            .route("/internal/bookings/{id}/review", get(review).post(take))
            .route("/internal/bookings/{id}/travellers", get(travellers))
            .route("/internal/bookings/{id}/seen", get(seen))
            .route("/internal/find-contact", post(find_contact))
            .route("/internal/bookings/{id}/legs", get(legs))
            .route("/internal/legs/{id}/acts", post(acted))
            .route("/internal/attention", get(attention))
            .route("/internal/refunds/{id}/proof", post(prove))
            .route("/internal/refunds/{id}/settlement", post(settle))
            .route("/internal/refunds/{id}/approval", get(waits).post(let_go))
            .route("/internal/refunds/waiting", get(waiting))
            .route("/internal/suppliers", get(suppliers))
            .route("/internal/suppliers/{supplier}/reset", post(reset))
            .route("/internal/suppliers/{supplier}/compare", get(compared))
            .route("/internal/cases", get(cases))
            .route("/internal/cases/{id}", get(case))
            .route("/internal/cases/{id}/close", post(close))
            .route("/internal/cases/{id}/write-off", post(close))
            .route("/internal/find", get(find))
            .route("/internal/callbacks/{id}/again", post(again))
            .with_state(owner.clone());
        let here = "127.0.0.1:0".parse().unwrap();
        let ready = chassis::http::Ready::new();
        let addr = chassis::http::serve(&console.service.process, here, routes, ready).await;
        Self { url: format!("http://{}", addr.unwrap()), ..owner }
    }

    /// Has many things wait.
    pub(crate) fn crowd(&self) {
        self.crowded.store(true, Ordering::SeqCst);
    }

    /// Has nobody wait to let its refund go: it was sent.
    pub(crate) fn sent(&self) {
        self.sent.store(true, Ordering::SeqCst);
    }

    /// What it was told, in order.
    pub(crate) fn told(&self) -> Vec<Value> {
        self.told.lock().unwrap().clone()
    }

    fn standing(&self) -> Value {
        let taken = self.told().iter().any(|told| told["act"] == "take");
        let act = if taken { "release" } else { "take" };
        json!({
            "review": {
                "booking_id": Uuid::from_u128(1), "why": "stuck", "since": "2026-01-01T00:00:00Z",
                "by": "2026-01-02T00:00:00Z", "owner": taken.then_some("ada"), "owned_since": null,
                "stuck": { "step": "send_refund", "reason": "late", "attempts": 1, "leg_id": null,
                           "refund_id": self.refund },
            },
            "safe": [
                { "is": act }, { "is": "prove_refund", "refund_id": self.refund },
                { "is": "settle_refund", "refund_id": self.refund },
            ],
        })
    }
}

async fn suppliers(State(owner): State<Owner>) -> Json<Value> {
    let reset = owner.told().iter().any(|told| told["reset"] == true);
    let open = json!({
        "state": "open", "opened_at": "2026-01-01T00:00:00Z", "probes_at": "2026-01-01T00:01:00Z",
        "calls": 20, "failed": 11,
    });
    let closed = json!({ "state": "closed", "calls": 20, "failed": 0 });
    let one = |supplier: &str, breaker: &Value| {
        json!({
            "supplier": supplier, "shared": true, "breaker": breaker, "calls_per_minute_max": 600,
            "calls_free": 90,
            "quotas": [{ "path": "/v3/x", "left_percent": 7, "until": "2100-01-01T00:00:00Z" }],
        })
    };
    let rapid = one("rapid", if reset { &closed } else { &open });
    Json(json!({ "suppliers": [rapid, one("etg", &closed)] }))
}

/// Only one of them has a list.
async fn compared(Path(supplier): Path<String>) -> (StatusCode, Json<Value>) {
    if supplier != "rapid" {
        return (StatusCode::NOT_FOUND, Json(json!({ "code": "not_found" })));
    }
    let standing = json!({
        "comparison_id": Uuid::from_u128(3), "supplier": "rapid",
        "begun_at": "2026-01-01T03:00:00Z", "ended_at": "2026-01-01T03:20:00Z",
        "outcome": "done", "pages": 4, "listed": 731, "differing": 2, "missing": 1, "unknown": 5,
    });
    (StatusCode::OK, Json(standing))
}

async fn reset(State(owner): State<Owner>, Json(mut told): Json<Value>) -> Json<Value> {
    told["reset"] = json!(true);
    owner.told.lock().unwrap().push(told);
    let Json(all) = suppliers(State(owner)).await;
    Json(all["suppliers"][0].clone())
}

/// The one case at a supplier.
pub(crate) const CASE: Uuid = Uuid::from_u128(9);
/// The one odd payment.
pub(crate) const ODD: Uuid = Uuid::from_u128(10);
/// One whose money left its chain.
pub(crate) const AWAY: Uuid = Uuid::from_u128(11);

async fn case(State(owner): State<Owner>, Path(id): Path<Uuid>) -> Result<Json<Value>, StatusCode> {
    if id == ODD {
        return Ok(Json(odd(&owner)));
    }
    if id == AWAY {
        return Ok(Json(odd_one(&owner, AWAY, "payment_reversed")));
    }
    if id != CASE {
        return Err(StatusCode::NOT_FOUND);
    }
    let told = owner.told();
    let closed = told.iter().find(|told| told["closed"] == json!(CASE)).map(
        |told| json!({ "staff": told["staff"], "why": told["why"], "at": "2026-01-03T00:00:00Z" }),
    );
    Ok(Json(json!({
        "case_id": CASE, "supplier": "rapid", "kind": "price", "subject": "R-<i>1</i>",
        "booking_id": Uuid::from_u128(1), "leg_id": owner.leg,
        "ours": { "price": "125.00 EUR" }, "theirs": { "price": "152.00 EUR" },
        "opened_at": "2026-01-01T00:00:00Z", "last_at": "2026-01-02T00:00:00Z", "times": 3,
        "closed": closed,
    })))
}

fn odd(owner: &Owner) -> Value {
    odd_one(owner, ODD, "other_asset")
}

fn odd_one(owner: &Owner, id: Uuid, reason: &str) -> Value {
    let told = owner.told();
    let closed = told.iter().find(|told| told["closed"] == json!(id));
    let mut case = json!({
        "case_id": id, "reason": reason, "subject": "eip155:1 0xab#<i>0</i>",
        "payment_id": Uuid::from_u128(2), "booking_id": Uuid::from_u128(1), "chain": "eip155:1",
        "transaction": BROUGHT_IT, "contract": "0xdac17f958d2ee523a2206206994597c13d831ec7",
        "units": "5000000000", "asset": "usdt-ethereum", "amount_decimal": "5000.000000",
        "opened_at": "2026-01-01T00:00:00Z",
    });
    if let Some(told) = closed {
        case["closed_at"] = json!("2026-01-03T00:00:00Z");
        case["closed_by"] = told["staff"].clone();
        case["closed_because"] = told["why"].clone();
    }
    case
}

/// Of payments when only the open ones are asked for; of suppliers otherwise.
async fn cases(State(owner): State<Owner>, RawQuery(query): RawQuery) -> Json<Value> {
    if query.as_deref() == Some("open=true") {
        let one = Some(odd(&owner)).filter(|case| case["closed_at"].is_null());
        let open = usize::from(one.is_some());
        return Json(json!({ "cases": Vec::from_iter(one), "open": open }));
    }
    let Json(one) = case(State(owner), Path(CASE)).await.unwrap();
    let open: Vec<_> = Some(one).into_iter().filter(|case| case["closed"].is_null()).collect();
    Json(json!({ "cases": open }))
}

async fn close(
    State(owner): State<Owner>,
    Path(id): Path<Uuid>,
    Json(mut told): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    told["closed"] = json!(id);
    owner.told.lock().unwrap().push(told);
    case(State(owner), Path(id)).await
}

/// The one callback that came.
pub(crate) const CAME: Uuid = Uuid::from_u128(12);

async fn find(RawQuery(query): RawQuery) -> Json<Value> {
    let came = query.as_deref() == Some(&format!("key={CAME}"));
    let found = json!({ "booking_id": Uuid::from_u128(1), "by": "callback" });
    Json(json!({ "found": Vec::from_iter(came.then_some(found)) }))
}

async fn again(
    State(owner): State<Owner>,
    Path(id): Path<Uuid>,
    Json(mut told): Json<Value>,
) -> StatusCode {
    if id != CAME {
        return StatusCode::NOT_FOUND;
    }
    told["again"] = json!(id);
    owner.told.lock().unwrap().push(told);
    StatusCode::ACCEPTED
}

async fn review(
    State(owner): State<Owner>,
    Path(id): Path<Uuid>,
) -> Result<Json<Value>, StatusCode> {
    if id.is_nil() { Err(StatusCode::NOT_FOUND) } else { Ok(Json(owner.standing())) }
}

async fn take(State(owner): State<Owner>, Json(told): Json<Value>) -> Json<Value> {
    owner.told.lock().unwrap().push(told);
    let mut standing = owner.standing();
    standing["versions"] = json!({ "before": 4, "after": 5 });
    Json(standing)
}

async fn travellers(State(owner): State<Owner>) -> Json<Value> {
    owner.told.lock().unwrap().push(json!("travellers"));
    Json(json!({
        "travellers": [{ "given_name": "Ada", "family_name": "Lovelace" }],
        "email": "ada@example.org", "phone": "+442079460000", "special_requests": null,
    }))
}

/// Ada has two bookings, and bo one.
async fn find_contact(State(owner): State<Owner>, Json(told): Json<Value>) -> Json<Value> {
    let of = match told["email"].as_str().unwrap() {
        "ada@example.org" => vec![2, 1],
        "bo@example.org" => vec![3],
        _ => Vec::new(),
    };
    owner.told.lock().unwrap().push(told);
    let found = of.into_iter().map(|n| json!({ "booking_id": Uuid::from_u128(n), "by": "email" }));
    Json(json!({ "found": found.collect::<Vec<_>>() }))
}

async fn seen(State(owner): State<Owner>, RawQuery(query): RawQuery) -> Json<Value> {
    let version = if query.is_some_and(|query| query == "at=1") { 1 } else { 3 };
    let shown = json!({ "status": "cancelling", "payment": { "asset": "eth", "refunds": [
        { "refund_id": owner.refund, "units": "107460000000000000", "state": "granted",
          "by": "2026-01-01T12:00:00Z", "transaction": null },
    ] } });
    Json(json!({ "version": version, "newest": 3, "at": "2026-01-01T00:00:00Z", "shown": shown }))
}

async fn acted(State(owner): State<Owner>) -> (StatusCode, Json<Value>) {
    let Json(mut standing) = legs(State(owner)).await;
    standing["legs"][0]["versions"] = json!({ "before": 7, "after": 8 });
    (StatusCode::ACCEPTED, Json(standing["legs"][0].clone()))
}

async fn legs(State(owner): State<Owner>) -> Json<Value> {
    let money = json!({ "minor": "12500", "currency": "EUR", "scale": 2 });
    Json(json!({ "legs": [{
        "leg_id": owner.leg, "supplier": "rapid", "wanted": "held", "told": null,
        "undo_failing": null, "in_doubt_since": "2026-01-01T00:00:00Z",
        "attempts": [{
            "attempt": 1, "client_reference": "ours-1", "known": "named", "sent_until": null,
            "looked_at": "2026-01-01T00:01:00Z",
            "reservations": [{
                "reference": "R1", "stage": "held", "chosen": false, "differs": true,
                "adopted": false, "check_in": "2027-03-01", "check_out": "2027-03-04",
                "price": money, "read_at": "2026-01-01T00:01:00Z", "missing_since": null,
                "undo_tries": 2,
            }],
        }],
        "safe": [{ "is": "look_up" }, { "is": "adopt", "reference": "R1" }],
    }]}))
}

async fn attention(State(owner): State<Owner>) -> Json<Value> {
    if owner.crowded.load(Ordering::SeqCst) {
        let odd = |n: i32| {
            json!({
                "kind": "case", "booking_id": Uuid::from_u128(1),
                "what": format!("case: number {n}"),
                "since": format!("2026-01-{n:02}T00:00:00Z"),
            })
        };
        let waits = json!({
            "kind": "approval", "booking_id": Uuid::from_u128(1),
            "what": "a refund waits for a second person", "since": "2026-01-01T00:00:00Z",
        });
        let items: Vec<_> = (11..=30).map(odd).chain([waits]).collect();
        let counts = json!({ "case": 50 });
        return Json(json!({ "owner": "o", "more": true, "counts": counts, "items": items }));
    }
    Json(json!({ "owner": "booking", "more": false, "items": [{
        "kind": "overdue", "booking_id": Uuid::from_u128(1),
        "what": "its deadline `hold` passed, and nothing came of it",
        "since": "2026-01-01T00:00:00Z", "by": "2026-01-01T00:00:00Z",
    }] }))
}

/// It waits until somebody let it go; `otto` looked into its booking.
fn refund(owner: &Owner) -> Option<Value> {
    let told = owner.told();
    let let_go = told.iter().any(|told| told["why"] == "agreed" && told["staff"] != "otto");
    let went = let_go || owner.sent.load(Ordering::SeqCst);
    (!went).then(|| {
        json!({
            "refund_id": owner.refund, "booking_id": Uuid::from_u128(1),
            "payment_id": Uuid::from_u128(2), "amount_decimal": "1.5",
            "amount": { "units": "1500000000000000000", "decimals": 18, "asset": "eth" },
            "basis": "then", "has_address": true, "handled_by": "otto",
            "worth": { "minor": "375000", "currency": "EUR", "scale": 2 },
            "granted_at": "2026-01-01T00:00:00Z",
        })
    })
}

async fn waiting(State(owner): State<Owner>) -> Json<Value> {
    Json(json!({ "refunds": Vec::from_iter(refund(&owner)) }))
}

async fn waits(State(owner): State<Owner>, Path(id): Path<Uuid>) -> (StatusCode, Json<Value>) {
    match refund(&owner).filter(|_| id == owner.refund) {
        Some(refund) => (StatusCode::OK, Json(refund)),
        None => (StatusCode::NOT_FOUND, Json(json!({ "code": "not_found" }))),
    }
}

async fn let_go(
    State(owner): State<Owner>,
    Path(id): Path<Uuid>,
    Json(told): Json<Value>,
) -> (StatusCode, Json<Value>) {
    assert_eq!(id, owner.refund);
    let by_oneself = told["staff"] == "otto";
    owner.told.lock().unwrap().push(told);
    if by_oneself {
        let problem = json!({ "code": "same_person", "detail": "they looked into the booking" });
        return (StatusCode::CONFLICT, Json(problem));
    }
    (StatusCode::ACCEPTED, Json(Value::Null))
}

async fn prove(
    State(owner): State<Owner>,
    Path(refund): Path<Uuid>,
    Json(told): Json<Value>,
) -> (StatusCode, Json<Value>) {
    assert_eq!(refund, owner.refund);
    let brought = told["transaction"] == BROUGHT_IT;
    owner.told.lock().unwrap().push(told);
    if brought {
        return (StatusCode::ACCEPTED, Json(json!({ "state": "granted", "missing": "40" })));
    }
    let problem = json!({ "code": "proves_nothing", "detail": "no transfer of it stands there" });
    (StatusCode::CONFLICT, Json(problem))
}

/// Once: it ended by that.
async fn settle(
    State(owner): State<Owner>,
    Path(refund): Path<Uuid>,
    Json(told): Json<Value>,
) -> (StatusCode, Json<Value>) {
    assert_eq!(refund, owner.refund);
    let again = owner.told().contains(&told);
    owner.told.lock().unwrap().push(told);
    if again {
        let problem = json!({ "code": "refund_ended", "detail": "the refund ended already" });
        return (StatusCode::CONFLICT, Json(problem));
    }
    let versions = json!({ "before": 9, "after": 10 });
    let standing = json!({ "state": "confirmed", "missing": "0", "versions": versions });
    (StatusCode::OK, Json(standing))
}
