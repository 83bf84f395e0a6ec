//! `deploy/policy.toml`, typed: what a traveller, a supplier or an operator would notice.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Deserializer};

use crate::{
    messages::RefundBasis,
    money::{Currency, Money},
    offer::ProductKind,
    supplier::Supplier,
};

/// The file that ships, with every default.
pub const DEFAULT: &str = include_str!("../../../deploy/policy.toml");

/// Every duration, ratio and limit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The profile's name, shown by `up`.
    pub profile: String,
    /// Price locks.
    pub lock: Lock,
    /// Searches and price checks.
    pub search: Search,
    /// Bookings.
    pub booking: Booking,
    /// Live events of bookings.
    pub live: Live,
    /// Suppliers, each with its own.
    pub supplier: Suppliers,
    /// Payments.
    pub payment: Payment,
    /// Points.
    pub rewards: Rewards,
    /// Messages.
    pub messaging: Messaging,
    /// Support.
    pub support: Support,
}

/// Price locks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// How long a price is promised.
    #[serde(rename = "for", deserialize_with = "duration")]
    pub lasts_for: Duration,
    /// Open locks per account.
    pub open_per_account_max: u32,
    /// How old a crypto rate may be.
    #[serde(deserialize_with = "duration")]
    pub rate_age_max: Duration,
}

/// Searches and price checks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// Answers of stays.
    pub stay: Life,
    /// Answers of flights, whose offers expire.
    pub flight: Life,
    /// Answers of activities.
    pub activity: Life,
    /// How long suppliers get to answer a search.
    #[serde(deserialize_with = "duration")]
    pub deadline: Duration,
    /// How long what they answered to one is kept.
    #[serde(deserialize_with = "duration")]
    pub price_checks_kept_for: Duration,
}

impl Search {
    /// The life of answers of this kind.
    #[must_use]
    pub const fn of(&self, kind: ProductKind) -> &Life {
        match kind {
            ProductKind::Stay => &self.stay,
            ProductKind::Flight => &self.flight,
            ProductKind::Activity => &self.activity,
        }
    }
}

/// How long an answer is worth something.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Life {
    /// How long it is fresh.
    #[serde(deserialize_with = "duration")]
    pub soft_for: Duration,
    /// How long it is kept at all.
    #[serde(deserialize_with = "duration")]
    pub hard_for: Duration,
}

/// Bookings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Booking {
    /// From acceptance to payable.
    #[serde(deserialize_with = "duration")]
    pub pending_for_max: Duration,
    /// From acceptance to money seen.
    #[serde(deserialize_with = "duration")]
    pub payment_window: Duration,
    /// From money seen to money final.
    #[serde(deserialize_with = "duration")]
    pub settle_for_max: Duration,
    /// From money final to everything bought.
    #[serde(deserialize_with = "duration")]
    pub commit_for_max: Duration,
    /// From the first undo to the last.
    #[serde(deserialize_with = "duration")]
    pub unwind_for_max: Duration,
    /// How long a person has for a review.
    #[serde(deserialize_with = "duration")]
    pub review_for_max: Duration,
    /// How long the customer has to answer what a supplier changed.
    #[serde(deserialize_with = "duration")]
    pub answer_for_max: Duration,
    /// How long an idempotency key is remembered.
    #[serde(deserialize_with = "duration")]
    pub idempotency_for: Duration,
    /// Travellers of one booking.
    pub travellers_max: u32,
    /// What a supplier asks more than was agreed is ours to bear up to this share of the price.
    pub price_rise_borne_percent: u32,
    /// How long before the space is let go money must usually be final.
    #[serde(deserialize_with = "duration")]
    pub hold_margin: Duration,
}

/// Live events of bookings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Live {
    /// How long an address of events is good.
    #[serde(deserialize_with = "duration")]
    pub ticket_for: Duration,
    /// How often an instance looks for changes, once for all its streams.
    #[serde(deserialize_with = "duration")]
    pub look_every: Duration,
    /// The longest silence of a stream.
    #[serde(deserialize_with = "duration")]
    pub keep_alive: Duration,
    /// Open streams of one account at one instance.
    pub streams_per_account_max: u32,
}

/// Suppliers, each with its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppliers {
    /// Expedia Rapid.
    pub rapid: SupplierPolicy,
    /// Emerging Travel Group.
    pub etg: SupplierPolicy,
    /// Hotelbeds activities.
    pub hotelbeds: SupplierPolicy,
    /// Duffel.
    pub duffel: SupplierPolicy,
    /// A partner that speaks our own partner API.
    pub neutral: SupplierPolicy,
}

/// One supplier's times and limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupplierPolicy {
    /// After this long no answer comes any more.
    #[serde(deserialize_with = "duration")]
    pub answer_within_max: Duration,
    /// After this long a reservation shows in look-ups, if there is one.
    #[serde(deserialize_with = "duration")]
    pub visible_after_max: Duration,
    /// Waits between look-ups of an unknown outcome; the last one repeats.
    #[serde(deserialize_with = "durations")]
    pub ladder: Vec<Duration>,
    /// Waits between look-ups of what is not proven gone; the last one repeats.
    #[serde(deserialize_with = "durations")]
    pub sweep: Vec<Duration>,
    /// How long it gets for a price check, which somebody waits for.
    #[serde(deserialize_with = "duration")]
    pub price_check_deadline: Duration,
    /// Booking calls in flight, per instance.
    pub calls_at_once_max: u32,
    /// How old or how far ahead a callback's time stamp may be.
    #[serde(deserialize_with = "duration")]
    pub callback_age_max: Duration,
    /// Callbacks that are let in within a second, per instance; a burst of ten times as many.
    pub callbacks_per_second_max: u32,
    /// How long a call that surely was not sent is tried again.
    #[serde(deserialize_with = "duration")]
    pub retry_not_sent_for: Duration,
    /// How long a hold stands at least.
    #[serde(deserialize_with = "duration")]
    pub holds_for_min: Duration,
    /// Calls in a minute, by all instances together.
    pub calls_per_minute_max: u32,
    /// Hundredths of them that searches leave to what books, cancels and looks up.
    pub calls_kept_percent: u32,
    /// Over how long the breaker counts.
    #[serde(deserialize_with = "duration")]
    pub breaker_window: Duration,
    /// Calls within it that say something.
    pub breaker_calls_min: u32,
    /// Hundredths of them that must have failed for it to open.
    pub breaker_failed_percent: u32,
    /// How long it stays open before it lets single calls through.
    #[serde(deserialize_with = "duration")]
    pub breaker_open_for: Duration,
}

/// Payments.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// How often a node is asked for its head.
    #[serde(deserialize_with = "duration")]
    pub watch_every: Duration,
    /// How long after its deadline a payment still counts, and at least how long money that was in
    /// time may be away after its block left.
    #[serde(deserialize_with = "duration")]
    pub grace: Duration,
    /// How old a node's newest block may be for its silence to count.
    #[serde(deserialize_with = "duration")]
    pub head_age_max: Duration,
    /// What becomes of money that is too little at the deadline.
    pub underpaid: Underpaid,
    /// The longest wait before the treasury is asked about a refund again for the first time.
    #[serde(deserialize_with = "duration")]
    pub refund_ask_first: Duration,
    /// The longest wait before any further question.
    #[serde(deserialize_with = "duration")]
    pub refund_ask_max: Duration,
    /// A refund with an address that is not proven by then is looked into.
    #[serde(deserialize_with = "duration")]
    pub refund_for_max: Duration,
    /// At which value money goes back that had paid.
    pub refund_basis: RefundBasis,
    /// What may go back of one payment before a second person has to let it go, in whole units of
    /// the price's currency. Where a currency is not named, nothing may.
    pub refund_alone_max: BTreeMap<Currency, u32>,
}

impl Payment {
    /// What of a price in this currency may go back before a second person has to let it go.
    #[must_use]
    pub fn refund_alone_max(&self, currency: Currency) -> Money {
        let whole = self.refund_alone_max.get(&currency).copied().map_or(0, i64::from);
        let minor = 10_i64.checked_pow(currency.scale()).and_then(|one| whole.checked_mul(one));
        Money::new(minor.unwrap_or(0), currency)
    }
}

/// What becomes of money that is too little at the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Underpaid {
    /// It goes back once it is final.
    Refund,
}

/// Points.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rewards {
    /// Points per hundred minor units paid.
    pub earn_percent: u32,
    /// What one redeemed point pays, in minor units.
    pub point_worth_minor: u32,
    /// Whether what a supplier says nobody came to earns points all the same.
    pub no_show_earns: bool,
    /// From check-out to available.
    #[serde(deserialize_with = "duration")]
    pub vest_after: Duration,
    /// From available to expired.
    #[serde(deserialize_with = "duration")]
    pub lot_for: Duration,
    /// Points of one grant.
    pub grant_points_max: u64,
}

/// Messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Messaging {
    /// Deliveries in one transaction.
    pub batch_max: u16,
    /// How long a batch waits to fill.
    #[serde(deserialize_with = "duration")]
    pub batch_wait: Duration,
    /// The longest wait before the first retry.
    #[serde(deserialize_with = "duration")]
    pub retry_first: Duration,
    /// The longest wait before any retry.
    #[serde(deserialize_with = "duration")]
    pub retry_max: Duration,
    /// Tries in all.
    pub attempts_max: u32,
    /// Deliveries that killed their consumer.
    pub crash_marks_max: u32,
    /// Outbox rows older than this are read from the table.
    #[serde(deserialize_with = "duration")]
    pub sweep_after: Duration,
    /// How long a consumer waits for its database.
    #[serde(deserialize_with = "duration")]
    pub database_down_for_max: Duration,
}

/// Support.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Support {
    /// How long a discarded dead letter can be restored.
    #[serde(deserialize_with = "duration")]
    pub restorable_for: Duration,
    /// How long the owners get to answer support.
    #[serde(deserialize_with = "duration")]
    pub owners_within: Duration,
    /// After this long without a proof of the whole somebody has to look.
    #[serde(deserialize_with = "duration")]
    pub proof_within: Duration,
    /// After this long without a word of it a replay can be sent again.
    #[serde(deserialize_with = "duration")]
    pub replay_known_within: Duration,
    /// How long a session of staff lasts while nobody uses it.
    #[serde(deserialize_with = "duration")]
    pub session_idle: Duration,
    /// How long a session of staff lasts.
    #[serde(deserialize_with = "duration")]
    pub session_max: Duration,
    /// Letters of each step of a replay of many, before the rest.
    pub replay_ladder: Vec<u32>,
    /// Letters a replay of many sends in a second.
    pub replay_per_second: u32,
    /// Letters a replay of many lists at a time.
    pub replay_listed: u32,
    /// A replay of many stops by itself when more of its letters fail, in percent.
    pub replay_failed_percent_max: u32,
}

impl Policy {
    /// Reads a policy file; unknown and missing keys are errors.
    ///
    /// # Errors
    /// When the text is not TOML of exactly these keys.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// One supplier's part.
    #[must_use]
    pub const fn of(&self, supplier: Supplier) -> &SupplierPolicy {
        match supplier {
            Supplier::Rapid => &self.supplier.rapid,
            Supplier::Etg => &self.supplier.etg,
            Supplier::Hotelbeds => &self.supplier.hotelbeds,
            Supplier::Duffel => &self.supplier.duffel,
            Supplier::Neutral => &self.supplier.neutral,
        }
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    use serde::de::Error as _;
    let text = String::deserialize(from)?;
    parse_duration(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not a duration")))
}

fn durations<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Duration>, D::Error> {
    use serde::de::Error as _;
    let texts = Vec::<String>::deserialize(from)?;
    if texts.is_empty() {
        return Err(D::Error::custom("at least one duration"));
    }
    texts
        .iter()
        .map(|t| {
            parse_duration(t).ok_or_else(|| D::Error::custom(format!("`{t}` is not a duration")))
        })
        .collect()
}

/// Reads `200ms`, `30s`, `10m`, `4h`, `7d`.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policy_has_the_promised_defaults() {
        let policy = Policy::parse(DEFAULT).unwrap();
        assert_eq!(policy.lock.lasts_for, Duration::from_secs(600));
        assert_eq!(policy.lock.rate_age_max, Duration::from_secs(60));
        assert_eq!(policy.supplier.rapid.answer_within_max, Duration::from_secs(120));
        assert_eq!(policy.supplier.rapid.visible_after_max, Duration::from_secs(300));
        assert_eq!(policy.supplier.rapid.callback_age_max, Duration::from_secs(300));
        assert_eq!(policy.rewards.grant_points_max, 1_000_000);
        assert_eq!(policy.messaging.batch_max, 64);
        assert_eq!(policy.messaging.crash_marks_max, 3);
        assert_eq!(policy.messaging.sweep_after, Duration::from_secs(2));
    }

    #[test]
    fn a_wrong_or_unknown_key_is_an_error() {
        assert!(Policy::parse(&DEFAULT.replace("\"10m\"", "\"10 minutes\"")).is_err());
        assert!(Policy::parse(&format!("{DEFAULT}\n[extra]\nkey = 1\n")).is_err());
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("200ms"), Some(Duration::from_millis(200)));
        assert_eq!(parse_duration("2d"), Some(Duration::from_secs(172_800)));
        for bad in ["", "5", "s", "5 s", "-1s", "99999999999999999999s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }
}
