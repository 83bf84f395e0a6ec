//! Payments by card: held, taken, given up and given back at a gateway that misbehaves.

use chassis::{HttpClient, HttpClientConfig, HttpRequest};
use chrono::TimeDelta;
use contracts::{
    asset::{AssetAmount, AssetId},
    ids::PaymentId,
    messages::{CloseBecause, Closing, PaymentPrepare, PaymentRefund, RefundState},
    shown::ShownAssets,
};
use http::Method;
use messaging::Step;
use payment_verification::cards::Cards;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::rig::{Asked, Heard, Rig, close_because, prepare_message, refund_message, units};

const PRICE: u128 = 25_000;
const GOOD: &str = "4242424242424242";
const SECURE: &str = "4000002500003155";
const DECLINED: &str = "4000000000000002";

/// A rig whose customers pay by card, and the gateway.
struct Till {
    rig: Rig,
    cards: Cards,
    http: HttpClient,
}

impl Till {
    async fn new() -> Self {
        let rig = Rig::with_cards().await;
        let cards = rig.app.cards(&rig.config).unwrap().unwrap();
        let http = HttpClient::new(HttpClientConfig::default()).unwrap();
        Self { rig, cards, http }
    }

    async fn end(self) {
        self.rig.end().await;
    }

    /// Asks the gateway about everything, now, until nothing is wished.
    async fn look(&self) {
        let due = "update card set next_look_at = holdfast_now() where next_look_at is not null";
        sqlx::query(due).execute(&self.rig.pool).await.unwrap();
        while let Step::Did(_) = self.cards.step().await.unwrap() {}
    }

    /// Only what is due by itself.
    async fn step(&self) {
        while let Step::Did(_) = self.cards.step().await.unwrap() {}
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}/cards{path}", self.rig.doubles.base_url());
        let mut request = HttpRequest::new(method, url);
        if body != Value::Null {
            request = request.json(body.to_string());
        }
        let reply = self.http.send(request).await.unwrap();
        assert!(reply.status.is_success(), "{path}: {}", reply.status);
        serde_json::from_slice(&reply.body).unwrap_or_default()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.call(Method::POST, path, body).await
    }

    /// Pushes something with this signature; the status that it is answered with.
    async fn push(&self, signature: &str) -> u16 {
        let router =
            payment_verification::http::router(&self.rig.config, self.rig.app.clone()).unwrap();
        let request = http::Request::post("/webhooks/cards").header("stripe-signature", signature);
        let request = request.body(axum::body::Body::from("{}")).unwrap();
        router.oneshot(request).await.unwrap().status().as_u16()
    }

    async fn arm(&self, operation: &str, fault: &str) {
        let body = json!({ "operation": operation, "fault": fault, "after_ms": 10 });
        self.post("/faults", body).await;
    }

    /// The truth about the newest payment.
    async fn truth(&self) -> Value {
        let truth = self.call(Method::GET, "/truth", Value::Null).await;
        truth["payment_intents"].as_array().unwrap().last().cloned().unwrap_or_default()
    }

    async fn charged(&self) -> u64 {
        self.truth().await["charged"].as_u64().unwrap()
    }

    /// How often the gateway was asked for something.
    async fn asked_for(&self, operation: &str) -> usize {
        let truth = self.call(Method::GET, "/truth", Value::Null).await;
        let requests = truth["requests"].as_array().unwrap().iter();
        requests.filter(|request| request["operation"] == operation).count()
    }

    /// Asks for a payment by card and waits until it is ready.
    async fn prepare(&self) -> Asked {
        let message = Self::message();
        self.rig.say(&message).await;
        self.rig.until_journal(message.payment_id, "card_asked").await;
        self.look_until(message.payment_id, "prepared").await;
        // The push about its making is not to come in between.
        testkit::until("the first push", async || {
            let pushed = "select count(*) from card_event e join card c using (intent)";
            let pushed = format!("{pushed} where c.payment_id = '{}'", message.payment_id);
            (self.rig.ask_database(&pushed).await != "0").then_some(())
        })
        .await;
        self.rig.prepared(&message).await
    }

    /// Looks until this is in the payment's journal.
    async fn look_until(&self, payment: PaymentId, last: &str) {
        testkit::until(last, async || {
            self.look().await;
            let journal = self.rig.journal(payment).await;
            journal.iter().any(|kind| kind == last).then_some(())
        })
        .await;
    }

    /// The same for cases: what the gateway pushes may be looked into by somebody else meanwhile.
    async fn look_until_cases(&self, all: &str) {
        testkit::until(all, async || {
            self.look().await;
            (self.cases().await == all).then_some(())
        })
        .await;
    }

    fn message() -> PaymentPrepare {
        let asset = AssetId::parse("card-eur").unwrap();
        let amount = AssetAmount { units: units(PRICE), decimals: 2, asset };
        PaymentPrepare { amount, ..prepare_message("eth", 2, PRICE) }
    }

    /// The customer types a card number.
    async fn types(&self, asked: &Asked, card: &str) -> Value {
        self.post(&format!("/pay/{}", asked.address), json!({ "card": card })).await
    }

    /// A payment that is taken.
    async fn paid(&self) -> Asked {
        let asked = self.prepare().await;
        self.types(&asked, GOOD).await;
        self.look_until(asked.payment_id, "settled").await;
        let settled = self.rig.settled(asked.payment_id).await;
        assert_eq!((settled.received, settled.complete), (units(PRICE), true));
        asked
    }

    async fn close(&self, asked: &Asked, because: CloseBecause, journal: &str) {
        self.rig.say(&close_because(asked, because)).await;
        self.rig.until_journal(asked.payment_id, journal).await;
    }

    async fn closed(&self, asked: &Asked) -> Closing {
        self.rig
            .hear(asked.payment_id, |heard| match heard {
                Heard::Closed(closed) => Some(closed.closing),
                _ => None,
            })
            .await
    }

    async fn refund(&self, asked: &Asked, amount: u128) -> Uuid {
        let refund_id = Uuid::now_v7();
        let to = Some("card".to_owned());
        self.rig.say(&PaymentRefund { to, ..refund_message(asked, refund_id, amount) }).await;
        testkit::until("the refund to be granted", async || {
            (!self.state(refund_id).await.is_empty()).then_some(())
        })
        .await;
        refund_id
    }

    async fn state(&self, refund_id: Uuid) -> String {
        let query = format!("select state from refund where refund_id = '{refund_id}'");
        self.rig.ask_database(&query).await
    }

    async fn cases(&self) -> String {
        let all = "select string_agg(distinct reason, ' ' order by reason) from payment_case";
        self.rig.ask_database(all).await
    }
}

/// Row: L4
#[tokio::test(flavor = "multi_thread")]
async fn a_card_is_held_after_3d_secure_and_taken_once() {
    let till = Till::new().await;
    let asked = till.prepare().await;
    let declined = till.types(&asked, DECLINED).await;
    assert_eq!(declined["last_payment_error"]["code"], "card_declined");
    assert_eq!(till.types(&asked, SECURE).await["status"], "requires_action");
    till.look().await;
    assert_eq!(till.truth().await["status"], "requires_action", "the bank asks the customer");
    let path = format!("/pay/{}/authenticate", asked.address);
    till.post(&path, json!({ "passes": true })).await;
    till.look().await;
    let settled = till.rig.settled(asked.payment_id).await;
    assert_eq!((settled.received, settled.complete), (units(PRICE), true));
    let journal = till.rig.journal(asked.payment_id).await;
    let expected = [
        "card_asked",
        "prepared",
        "transfer_seen",
        "seen_changed",
        "transfer_seen",
        "finalised",
        "settled",
    ];
    assert_eq!(journal, expected);
    assert_eq!(till.truth().await["metadata"]["payment_id"], asked.payment_id.to_string());
    assert_eq!((till.charged().await, till.asked_for("capture").await), (25_000, 1));
    let shown = till.rig.redis_get(&format!("shown:payment:{}", asked.payment_id)).await;
    let head = till.rig.redis_get("shown:head:card:gateway").await;
    assert_eq!((&shown["height"], &head["height"]), (&json!(1), &json!(2)), "two of two");
    till.end().await;
}

/// An answer that is lost, late or a failure never makes a second charge or a second refund.
///
/// Row: L4
/// Row: S7
#[tokio::test(flavor = "multi_thread")]
async fn whatever_answer_is_lost_the_card_is_charged_and_refunded_once() {
    let till = Till::new().await;
    for fault in [
        "timeout_before_commit",
        "timeout_after_commit",
        "reset_after_commit",
        "http_500_before",
        "http_500_after",
        "http_429",
        "html_200",
        "key_in_use",
    ] {
        till.arm("create", fault).await;
        let message = Till::message();
        till.rig.say(&message).await;
        till.rig.until_journal(message.payment_id, "card_asked").await;
        for _ in 0..3 {
            till.look().await;
        }
        let asked = till.rig.prepared(&message).await;
        till.types(&asked, GOOD).await;
        till.arm("capture", fault).await;
        for _ in 0..3 {
            till.look().await;
        }
        till.rig.settled(asked.payment_id).await;
        assert_eq!(till.truth().await["charged"], 25_000, "{fault}");
        till.close(&asked, CloseBecause::Undone, "closed").await;
        let refund_id = till.refund(&asked, 20_000).await;
        till.arm("refund", fault).await;
        for _ in 0..3 {
            till.look().await;
        }
        assert_eq!(till.state(refund_id).await, "confirmed", "{fault}");
        assert_eq!(till.truth().await["charged"], 5_000, "{fault}");
    }
    assert_eq!(till.cases().await, "");
    till.end().await;
}

/// Row: L4
#[tokio::test(flavor = "multi_thread")]
async fn a_booking_that_is_undone_gives_up_what_is_held_and_gives_back_what_was_taken() {
    let till = Till::new().await;
    // Held, and nobody looked yet: it is given up, whatever answer is lost.
    let held = till.prepare().await;
    till.types(&held, GOOD).await;
    till.close(&held, CloseBecause::Undone, "close_asked").await;
    till.arm("cancel", "timeout_after_commit").await;
    till.look_until(held.payment_id, "closed").await;
    let nothing = Closing::Closed { received: units(0), settled: units(0) };
    assert_eq!(till.closed(&held).await, nothing);
    let truth = till.truth().await;
    assert_eq!((&truth["status"], &truth["charged"]), (&json!("canceled"), &json!(0)));
    assert_eq!(till.asked_for("capture").await, 0);

    let taken = till.paid().await;
    till.close(&taken, CloseBecause::Undone, "closed").await;
    assert_eq!(till.closed(&taken).await, Closing::AlreadySettled { settled: units(PRICE) });
    for part in [5_000, 20_000] {
        let refund_id = till.refund(&taken, part).await;
        till.look().await;
        assert_eq!(till.state(refund_id).await, "confirmed");
    }
    assert_eq!(till.charged().await, 0);
    let balance = "select sum(units) from ledger_entry where account = 'paid_out'";
    assert_eq!(till.rig.ask_database(balance).await, "25000");

    // Closed before the gateway answered: nobody is shown it, and it is given up.
    let message = Till::message();
    till.rig.say(&message).await;
    till.rig.until_journal(message.payment_id, "card_asked").await;
    let early = Asked {
        booking_id: message.booking_id,
        payment_id: message.payment_id,
        address: String::new(),
    };
    till.close(&early, CloseBecause::NeverShown, "closed").await;
    till.look().await;
    assert_eq!(till.rig.journal(early.payment_id).await, ["card_asked", "closed"]);
    till.end().await;
}

/// Row: L4
#[tokio::test(flavor = "multi_thread")]
async fn a_push_brings_a_look_forward_and_is_never_believed() {
    let till = Till::new().await;
    let asked = till.prepare().await;
    let intent = till.truth().await["id"].clone();
    let woken = async |count: &str| {
        testkit::until("the push", async || {
            let woken = till.rig.ask_database("select woken from card").await;
            (woken == count).then_some(())
        })
        .await;
    };
    // It says that it was paid, and is signed: the gateway says otherwise.
    let mut pushes = till.rig.ask_database("select woken from card").await.parse::<u64>().unwrap();
    till.post("/notify", json!({ "payment_intent": intent })).await;
    pushes += 1;
    woken(&pushes.to_string()).await;
    till.step().await;
    assert_eq!(till.rig.journal(asked.payment_id).await, ["card_asked", "prepared"]);

    // Forged and stale ones are refused, and one that comes twice counts once.
    let kept = "select count(*) from card_event";
    let before = till.rig.ask_database(kept).await.parse::<u64>().unwrap();
    for signature in ["", "t=1,v1=00"] {
        assert_eq!(till.push(signature).await, 401);
    }
    till.post("/notify", json!({ "payment_intent": intent, "forged": true })).await;
    till.post("/notify", json!({ "payment_intent": intent, "stale": true })).await;
    till.arm("webhook", "webhook_twice").await;
    till.types(&asked, GOOD).await;
    pushes += 1;
    woken(&pushes.to_string()).await;
    till.step().await;
    till.rig.settled(asked.payment_id).await;
    // The one that was held, and the one that was taken.
    testkit::until("both pushes", async || {
        let now = till.rig.ask_database(kept).await.parse::<u64>().unwrap();
        (now == before + 2).then_some(())
    })
    .await;
    till.end().await;
}

/// Row: L4
#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_tells_of_another_amount_or_currency_is_a_case_and_no_money() {
    let till = Till::new().await;
    till.rig.service.logs.expect("tells of another charge");
    let asked = till.prepare().await;
    till.arm("webhook", "webhook_lost").await;
    till.types(&asked, GOOD).await;
    for fault in ["wrong_amount", "wrong_currency"] {
        till.arm("show", fault).await;
        till.look().await;
        assert_eq!(till.rig.journal(asked.payment_id).await, ["card_asked", "prepared"]);
    }
    assert_eq!(till.cases().await, "card_differs");
    till.look().await;
    till.rig.settled(asked.payment_id).await;

    let id = till.truth().await["id"].clone();
    till.post("/act", json!({ "of": id, "act": "dispute" })).await;
    till.look_until_cases("card_differs card_disputed").await;
    till.rig.service.logs.expect("settled money left its chain");
    till.post("/act", json!({ "of": id, "act": "dispute_lost" })).await;
    till.look_until_cases("card_differs card_disputed payment_reversed").await;
    let open = "select string_agg(reason, ' ' order by reason) from payment_case
        where closed_at is null";
    assert_eq!(till.rig.ask_database(open).await, "payment_reversed", "the others are decided");
    till.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_gives_no_money_ends_the_hold_and_a_refund_that_fails_is_a_case() {
    let till = Till::new().await;
    till.rig.service.logs.expect("refund_failed");
    let asked = till.prepare().await;
    till.types(&asked, GOOD).await;
    till.arm("capture", "refused").await;
    till.look().await;
    till.look().await;
    assert_eq!(till.truth().await["status"], "canceled");
    let journal = till.rig.journal(asked.payment_id).await;
    assert!(journal.contains(&"block_left".to_owned()), "{journal:?}");

    // What runs out in the meantime is gone, too, and the deadline ends it.
    let asked = till.prepare().await;
    till.types(&asked, GOOD).await;
    let id = till.truth().await["id"].clone();
    till.post("/act", json!({ "of": id, "act": "expire" })).await;
    till.look().await;
    till.rig.service.database.offset_clock(TimeDelta::hours(1)).await;
    till.close(&asked, CloseBecause::NotPaid, "close_asked").await;
    till.look().await;
    let nothing = Closing::Closed { received: units(0), settled: units(0) };
    assert_eq!(till.closed(&asked).await, nothing);

    let asked = till.paid().await;
    till.close(&asked, CloseBecause::Undone, "closed").await;
    till.arm("refund", "refund_fails").await;
    let failed = till.refund(&asked, PRICE).await;
    till.look().await;
    let state = till.rig.hear(asked.payment_id, |heard| match heard {
        Heard::Refund(news) if news.state == RefundState::Failed => Some(news.refund_id),
        _ => None,
    });
    assert_eq!(state.await, failed);
    assert_eq!(till.cases().await, "refund_failed");
    till.refund(&asked, PRICE).await;
    till.look().await;
    assert_eq!(till.charged().await, 0);
    till.end().await;
}

/// Row: L4
#[tokio::test(flavor = "multi_thread")]
async fn cards_are_listed_one_to_one_where_there_is_a_gateway() {
    let till = Till::new().await;
    payment_verification::read_rates(&till.rig.app).await.unwrap();
    let shown: ShownAssets =
        serde_json::from_value(till.rig.redis_get("shown:assets").await).unwrap();
    let euro = shown.assets.iter().find(|asset| asset.asset.as_str() == "card-eur").unwrap();
    assert_eq!((euro.decimals, euro.not_payable), (2, None));
    assert_eq!(euro.rates[0].micro_minor_per_coin, 100_000_000);
    till.end().await;

    let rig = Rig::new().await;
    payment_verification::read_rates(&rig.app).await.unwrap();
    let shown = rig.redis_get("shown:assets").await.to_string();
    assert!(!shown.contains("card-eur"), "nobody is offered what nobody can charge");
    rig.end().await;
}
