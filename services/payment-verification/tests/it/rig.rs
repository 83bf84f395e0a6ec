//! The service on real parts, with hands to ask, to pay, to mine, and ears for what it says.

use std::sync::{Arc, Mutex};

use bitcoin::{
    NetworkKind,
    bip32::{Xpriv, Xpub},
    secp256k1::Secp256k1,
};
use chassis::{
    auth::Signer,
    config::{Config as _, Vars},
    sign::{SigningKey, VerifyingKey},
    trace::TraceContext,
};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    asset::{AssetAmount, AssetId, Units},
    ids::{BookingId, MessageId, PaymentId},
    message::Message,
    messages::{
        CloseBecause, PaymentClose, PaymentClosed, PaymentPrepare, PaymentPrepared, PaymentRefund,
        PaymentRefundChanged, PaymentReversed, PaymentSeen, PaymentSettled, RefundBasis,
    },
    money::{Currency, Money},
};
use doubles::{CallbackConfig, Doubles};
use messaging::{
    Consumers, Handled, Handles, Messaging, Outcome, Outgoing, Received, Step, StoreError, Tx,
};
use payment_verification::{App, Config, MIGRATOR, watcher::Watcher};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{Anvil, Redis, TestService};
use uuid::Uuid;

use crate::front::Front;

pub(crate) const CHAIN: &str = "eip155:31337";
/// Where the node's first account puts its first contract.
pub(crate) const TOKEN: &str = "0x5fbdb2315678afecb367f032d93f642f64180aa3";
/// Logs `Transfer(caller, to, value)` on any call with those two arguments, like an ERC-20 whose
/// callers are rich.
pub(crate) const TOKEN_CODE: &str = concat!(
    "0x603a80600b6000396000f3",
    "602435600052600435337fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef",
    "60206000a3600160005260206000f3",
);
/// What the card gateway signs its pushes with.
pub(crate) const CARD_SECRET: &str = "whsec_test";
const ONE_ETHER: u128 = 1_000_000_000_000_000_000;

/// What the service says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Prepared(PaymentPrepared),
    Seen(PaymentSeen),
    Settled(PaymentSettled),
    Reversed(PaymentReversed),
    Closed(PaymentClosed),
    Refund(PaymentRefundChanged),
}

impl Heard {
    fn payment(&self) -> PaymentId {
        match self {
            Self::Prepared(m) => m.payment_id,
            Self::Seen(m) => m.payment_id,
            Self::Settled(m) => m.payment_id,
            Self::Reversed(m) => m.payment_id,
            Self::Closed(m) => m.payment_id,
            Self::Refund(m) => m.payment_id,
        }
    }
}

/// Hears in booking's place, and whether messages carry the trace on.
#[derive(Clone, Default)]
struct Ears {
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Handles for Ears {
    type Inbound = Heard;
    type After = ();

    async fn handle(
        &self,
        _tx: &mut Tx,
        batch: Vec<Received<Heard>>,
    ) -> Result<Handled<()>, StoreError> {
        let outcomes = batch.iter().map(|_| Outcome::Done).collect();
        self.heard.lock().unwrap().extend(batch.into_iter().map(|received| received.inbound));
        Ok(Handled { outcomes, after: vec![] })
    }
}

/// A request as the test made it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) booking_id: BookingId,
    pub(crate) payment_id: PaymentId,
    pub(crate) address: String,
}

pub(crate) struct Rig {
    // Large, and every test holds it.
    pub(crate) config: Box<Config>,
    pub(crate) app: App,
    pub(crate) watcher: Watcher,
    pub(crate) pool: PgPool,
    pub(crate) anvil: Anvil,
    /// What the service is told of the node; it can be made to lie.
    pub(crate) front: Front,
    pub(crate) accounts: Vec<String>,
    pub(crate) doubles: Doubles,
    pub(crate) redis: Redis,
    pub(crate) signer: Signer,
    pub(crate) private: Xpriv,
    pub(crate) instruction_key: VerifyingKey,
    pub(crate) service: TestService,
    hands: Messaging,
    ears: Ears,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        Self::beside(&[]).await
    }

    /// With nodes of other chains besides, as `chain=url`.
    pub(crate) async fn beside(others: &[String]) -> Self {
        Self::with(others, |_| {}).await
    }

    /// The same, and `started` is told of the main node before anybody asks it.
    pub(crate) async fn with(others: &[String], started: impl FnOnce(&Anvil)) -> Self {
        Self::made(others, started, None, true).await
    }

    /// One that hears nothing of what is asked.
    pub(crate) async fn deaf() -> Self {
        Self::made(&[], |_| {}, None, false).await
    }

    /// With a card gateway that pushes to where the service listens.
    pub(crate) async fn with_cards() -> Self {
        let pushes = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::made(&[], |_| {}, Some(pushes), true).await
    }

    async fn made(
        others: &[String],
        started: impl FnOnce(&Anvil),
        pushes: Option<tokio::net::TcpListener>,
        hears: bool,
    ) -> Self {
        let service = TestService::new("payment_verification", &MIGRATOR).await;
        let (anvil, redis) = (Anvil::start(), testkit::redis());
        started(&anvil);
        let mut stand_ins = doubles_on(&anvil);
        let outside = pushes.as_ref().map(|pushes| pushes.local_addr().unwrap());
        stand_ins.cards.callback = outside.map(|outside| {
            let url = format!("http://{outside}/webhooks/cards");
            CallbackConfig::new(url, CARD_SECRET)
        });
        let coins = others.iter().find_map(|other| other.strip_prefix("bip122:"));
        stand_ins.treasury.utxo_rpc =
            coins.and_then(|coins| coins.split_once('=')).map(|(_, url)| url.to_owned());
        let doubles = Doubles::start(([127, 0, 0, 1], 0).into(), stand_ins);
        let doubles = doubles.await.unwrap();
        let of_cards = |value: String| outside.map(|_| value).unwrap_or_default();
        let front = Front::before(&anvil).await;
        let (outputs, others): (Vec<String>, Vec<String>) =
            others.iter().cloned().partition(|other| other.starts_with("bip122:"));
        let nodes = [vec![format!("{CHAIN}={}", front.url())], others].concat().join(",");
        let private = Xpriv::new_master(NetworkKind::Main, &[42; 32]).unwrap();
        let xpub = Xpub::from_priv(&Secp256k1::new(), &private).to_string();
        let key = SigningKey::generate().unwrap();
        let signer = Signer::generate("test").unwrap();
        let assets = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/assets.toml");
        let vars = [
            ("HTTP_ADDR", "127.0.0.1:0".to_owned()),
            ("DATABASE_URL", service.database.service_url().expose_secret().to_owned()),
            ("AMQP_URL", service.prefix.amqp_url().expose_secret().to_owned()),
            ("AMQP_PREFIX", service.prefix.as_str().to_owned()),
            ("CACHE_REDIS_URL", redis.url()),
            ("TOKEN_PUBLIC_KEYS", signer.public_key()),
            ("TOKEN_ISSUER", "test".to_owned()),
            ("UTXO_XPUBS", keys_for(&outputs, &xpub)),
            ("UTXO_RPC_URLS", outputs.join(",")),
            ("XPUB", xpub),
            ("INSTRUCTION_KEY", key.to_base64().expose_secret().to_owned()),
            ("EVM_RPC_URLS", nodes),
            ("RATE_FEED_URL", format!("{}/rates", doubles.base_url())),
            ("RATE_TICKER_URL", format!("{}/rates", doubles.base_url())),
            ("TREASURY_URL", format!("{}/treasury", doubles.base_url())),
            ("ASSETS", assets.to_owned()),
            ("CARD_URL", of_cards(format!("{}/cards", doubles.base_url()))),
            ("CARD_KEY", of_cards("sk_test_development-only".to_owned())),
            ("CARD_WEBHOOK_SECRETS", of_cards(CARD_SECRET.to_owned())),
        ];
        let lookup = |wanted: &str| {
            let short = wanted.strip_prefix("PAYMENT_VERIFICATION_")?;
            let named = vars.iter().find(|(name, _)| *name == short);
            named.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        let config = Config::from_vars(&Vars::new(&lookup)).unwrap();

        let accounts = anvil.accounts().await;
        let deploy = json!([{ "from": accounts[0], "data": TOKEN_CODE, "gas": "0x100000" }]);
        anvil.rpc("eth_sendTransaction", deploy).await;

        let app = App::connect(&config, &service.process).await.unwrap();
        let mut watchers = app.watchers(&config).unwrap();
        for watcher in &watchers {
            watcher.begin().await.unwrap();
        }
        let main = watchers.iter().position(|watcher| watcher.chain() == CHAIN).unwrap();
        let watcher = watchers.swap_remove(main);
        if hears {
            app.consume();
            app.messaging().listening().await;
        }
        if let Some(pushes) = pushes {
            let router = payment_verification::http::router(&config, app.clone()).unwrap();
            tokio::spawn(async move { axum::serve(pushes, router).await });
        }
        let hands = service.messaging().await;
        let ears = Ears::default();
        // A role of its own: what booking itself hears is more, and is said elsewhere.
        let heard = Consumers::new("ears")
            .on(Heard::Prepared)
            .on(Heard::Seen)
            .on(Heard::Settled)
            .on(Heard::Reversed)
            .on(Heard::Closed)
            .on(Heard::Refund);
        hands.consume(heard, ears.clone());
        hands.listening().await;
        let pool = service.pool().await;
        Self {
            config: Box::new(config),
            app,
            watcher,
            pool,
            anvil,
            front,
            accounts,
            doubles,
            redis,
            signer,
            private,
            instruction_key: key.verifying_key(),
            service,
            hands,
            ears,
        }
    }

    /// Ends it in order; everything that was said is heard by then.
    pub(crate) async fn end(self) {
        self.pool.close().await;
        self.service.stop().await;
        self.doubles.shutdown().await;
    }

    /// Says a message to the service, as a part of a trace.
    pub(crate) async fn say_in<M: Message + Sync>(
        &self,
        id: Uuid,
        message: &M,
        trace: Option<TraceContext>,
    ) {
        let mut tx = self.hands.begin().await.unwrap();
        tx.say(Outgoing::new(MessageId(id), at(), message).with_trace(trace));
        tx.commit().await.unwrap();
    }

    pub(crate) async fn say<M: Message + Sync>(&self, message: &M) {
        self.say_in(Uuid::now_v7(), message, None).await;
    }

    /// Asks for a payment in ether and waits until it is ready.
    pub(crate) async fn prepare(&self, wei: u128) -> Asked {
        self.prepare_in("eth", 18, wei).await
    }

    pub(crate) async fn prepare_in(&self, asset: &str, decimals: u8, units: u128) -> Asked {
        let message = prepare_message(asset, decimals, units);
        self.say(&message).await;
        self.prepared(&message).await
    }

    /// Waits until a request is ready.
    pub(crate) async fn prepared(&self, message: &PaymentPrepare) -> Asked {
        let prepared = self
            .hear(message.payment_id, |heard| match heard {
                Heard::Prepared(prepared) => Some(prepared.clone()),
                _ => None,
            })
            .await;
        Asked {
            booking_id: message.booking_id,
            payment_id: message.payment_id,
            address: prepared.instruction.instruction.address,
        }
    }

    /// Waits until something is said of a payment.
    pub(crate) async fn hear<T>(
        &self,
        payment: PaymentId,
        mut wanted: impl FnMut(&Heard) -> Option<T>,
    ) -> T {
        testkit::until("something to be said", || {
            let said = self.said(payment).iter().find_map(&mut wanted);
            async move { said }
        })
        .await
    }

    /// Waits until the payment is said to be settled.
    pub(crate) async fn settled(&self, payment: PaymentId) -> PaymentSettled {
        self.hear(payment, |heard| match heard {
            Heard::Settled(settled) => Some(settled.clone()),
            _ => None,
        })
        .await
    }

    /// Everything that was said of a payment so far.
    pub(crate) fn said(&self, payment: PaymentId) -> Vec<Heard> {
        let heard = self.ears.heard.lock().unwrap();
        heard.iter().filter(|heard| heard.payment() == payment).cloned().collect()
    }

    /// Watches until there is nothing new.
    pub(crate) async fn watch(&self) {
        while let Step::Did(_) = self.watcher.step().await.unwrap() {}
    }

    /// The watcher of another chain that was named at the beginning.
    pub(crate) fn watcher_of(&self, chain: &str) -> Watcher {
        let mut watchers = self.app.watchers(&self.config).unwrap().into_iter();
        watchers.find(|watcher| watcher.chain() == chain).unwrap()
    }

    /// Mines a block that is made this many seconds after the last.
    pub(crate) async fn mine_after(&self, seconds: i64) {
        self.anvil.rpc("evm_increaseTime", json!([seconds])).await;
        self.anvil.mine(1).await;
    }

    /// Puts a contract on the chain and says where.
    pub(crate) async fn deploy(&self, account: usize, code: &str) -> String {
        let call = json!([{ "from": self.accounts[account], "data": code, "gas": "0x100000" }]);
        let transaction = text(&self.anvil.rpc("eth_sendTransaction", call).await);
        let receipt = self.anvil.rpc("eth_getTransactionReceipt", json!([transaction])).await;
        text(&receipt["contractAddress"])
    }

    /// Waits until this is the payment's journal.
    pub(crate) async fn until_journal(&self, payment: PaymentId, last: &str) {
        testkit::until(last, async || {
            let journal = self.journal(payment).await;
            journal.iter().any(|kind| kind == last).then_some(())
        })
        .await;
    }

    /// Sends ether; says the transaction's hash.
    pub(crate) async fn pay(&self, to: &str, wei: u128) -> String {
        self.pay_from(0, to, wei).await
    }

    pub(crate) async fn pay_from(&self, account: usize, to: &str, wei: u128) -> String {
        let from = &self.accounts[account];
        let call =
            json!([{ "from": from, "to": to, "value": format!("{wei:#x}"), "gas": "0x5208" }]);
        text(&self.anvil.rpc("eth_sendTransaction", call).await)
    }

    /// Sends tokens; says the transaction's hash.
    pub(crate) async fn pay_token(&self, account: usize, to: &str, units: u128) -> String {
        let to = to.trim_start_matches("0x");
        let data = format!("0xa9059cbb{to:0>64}{units:064x}");
        let from = &self.accounts[account];
        let call = json!([{ "from": from, "to": TOKEN, "data": data, "gas": "0x20000" }]);
        text(&self.anvil.rpc("eth_sendTransaction", call).await)
    }

    /// The kinds of events in a payment's journal.
    pub(crate) async fn journal(&self, payment: PaymentId) -> Vec<String> {
        sqlx::query_scalar("select kind from payment_event where payment_id = $1 order by seq")
            .bind(payment.0)
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// One value of the database.
    pub(crate) async fn ask_database(&self, query: &str) -> String {
        let query = format!("select ({query})::text");
        let answer: Option<String> =
            sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&self.pool).await.unwrap();
        answer.unwrap_or_default()
    }

    /// Everything the service remembers, as text.
    pub(crate) async fn everything(&self) -> String {
        let mut text = String::new();
        for table in [
            "payment",
            "payment_event",
            "address",
            "transfer",
            "payment_case",
            "ledger_entry",
            "refund",
            "refund_transaction",
            "payout",
        ] {
            let query =
                format!("select string_agg(t::text, E'\\n' order by t::text) from {table} t");
            text.push_str(&format!("-- {table}\n{}\n", self.ask_database(&query).await));
        }
        text
    }

    /// What a key of Redis holds.
    pub(crate) async fn redis_get(&self, key: &str) -> Value {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let text: Option<String> =
            redis::cmd("GET").arg(key).query_async(&mut connection).await.unwrap();
        text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap())
    }
}

/// One public key for each chain of outputs.
fn keys_for(outputs: &[String], xpub: &str) -> String {
    let chains = outputs.iter().filter_map(|output| output.split_once('='));
    chains.map(|(chain, _)| format!("{chain}={xpub}")).collect::<Vec<_>>().join(",")
}

/// Doubles whose treasury pays through this node.
pub(crate) fn doubles_on(anvil: &Anvil) -> doubles::Config {
    let mut config = doubles::Config::default();
    config.treasury.evm_rpc = Some(anvil.url());
    config
}

pub(crate) fn at() -> DateTime<Utc> {
    Utc::now()
}

pub(crate) fn units(n: u128) -> Units {
    Units::parse(&n.to_string()).unwrap()
}

/// Ether in wei, from thousandths.
pub(crate) fn milli_ether(n: u128) -> u128 {
    n * ONE_ETHER / 1000
}

pub(crate) fn prepare_message(asset: &str, decimals: u8, amount: u128) -> PaymentPrepare {
    let asset = AssetId::parse(asset).unwrap();
    PaymentPrepare {
        booking_id: BookingId(Uuid::now_v7()),
        payment_id: PaymentId(Uuid::now_v7()),
        amount: AssetAmount { units: units(amount), decimals, asset },
        price: Money::new(25_000, Currency::Eur),
        pay_by: at() + TimeDelta::minutes(20),
    }
}

pub(crate) fn close_message(asked: &Asked) -> PaymentClose {
    close_because(asked, CloseBecause::Undone)
}

pub(crate) fn close_because(asked: &Asked, because: CloseBecause) -> PaymentClose {
    PaymentClose { booking_id: asked.booking_id, payment_id: asked.payment_id, because }
}

pub(crate) fn refund_message(asked: &Asked, refund_id: Uuid, amount: u128) -> PaymentRefund {
    PaymentRefund {
        booking_id: asked.booking_id,
        payment_id: asked.payment_id,
        refund_id,
        units: units(amount),
        to: Some("0x00000000000000000000000000000000000000aa".to_owned()),
        basis: RefundBasis::Then,
        handled_by: None,
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
