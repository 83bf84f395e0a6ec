//! What is known of each supplier, without I/O: requests go out as values, replies and callbacks
//! come in.
#![doc = include_str!("../README.md")]
#![warn(missing_docs)]
#![warn(clippy::as_conversions, clippy::float_arithmetic, clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    internal::TravellersReply,
    money::{Currency, Money},
    offer::{LegOrder, PriceCheck, ProductKind, Search},
    supplier::Supplier,
};
use secrecy::SecretString;

mod answer;
pub mod callback;
pub mod duffel;
pub mod etg;
mod found;
pub mod hotelbeds;
mod http;
mod list;
pub mod neutral;
pub mod outcomes;
mod quota;
pub mod rapid;
mod registry;

pub use answer::{
    Answer, BadKey, Broken, Guest, NoHandle, Odd, Operation, SeenReservation, SeenState, Unclear,
};
pub use callback::{Callback, Covers, Forged};
pub use found::Found;
pub use http::{HttpReply, HttpRequest, Method, Sent};
pub use list::{ListPage, Listed, Period};
pub use quota::{Left, Quota, Scope};
pub use registry::{ALL, dialect};

/// What a supplier wants to know of us with every call.
#[derive(Debug, Clone)]
pub struct Access {
    /// The key the supplier gave us.
    pub key: String,
    /// The secret that goes with it.
    pub secret: SecretString,
    /// Our own e-mail address, given to the supplier with every booking instead of the customer's,
    /// so that a look-up by it never needs personal data.
    pub email: String,
    /// The address the call is made for, where the supplier insists on one.
    pub customer_ip: String,
    /// ISO 3166-1 alpha-2 code of the country we sell in.
    pub country_code: String,
    /// Language of names and texts, BCP 47 (`en-US`).
    pub language: String,
}

/// One reservation to be made: a hold where the rate can be held, else a purchase.
#[derive(Debug, Clone, Copy)]
pub struct Reserve<'a> {
    /// Our reference, from [`Dialect::client_reference`]; committed before this is sent.
    pub client_reference: &'a str,
    /// What is wanted.
    pub order: &'a LegOrder,
    /// Who travels. Personal data.
    pub travellers: &'a TravellersReply,
    /// Whether to hold (confirmed by a call of its own) or to buy at once.
    pub hold: bool,
}

/// What we know of a reservation that exists, or may exist.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Our reference; empty only where a reservation is known by the supplier's reference alone.
    pub client_reference: &'a str,
    /// The supplier's reference.
    pub reference: Option<&'a str>,
    /// The dialect's own handle to it, as the newest [`SeenReservation`] gave it; opaque.
    pub handle: Option<&'a str>,
}

/// Others to be on what is bought, in the reservation that is there.
#[derive(Debug, Clone, Copy)]
pub struct Amend<'a> {
    /// The reservation.
    pub known: Known<'a>,
    /// Who is to be on it. Personal data.
    pub travellers: &'a TravellersReply,
}

/// What an exchange with a supplier is for. Most suppliers want one call for each, some want
/// several.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// Holds or buys.
    Reserve(Reserve<'a>),
    /// Buys what is held.
    Confirm(Known<'a>),
    /// Cancels what is held or bought.
    Cancel(Known<'a>),
    /// Puts others on what is bought.
    Amend(Amend<'a>),
    /// Asks what exists.
    LookUp(Known<'a>),
}

/// One more call of the same exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextCall {
    /// What is asked.
    pub request: HttpRequest,
    /// How long to wait before it is sent.
    pub after: Duration,
}

/// What a reply answers.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Reserve, confirm, cancel, amend or look-up.
    pub operation: Operation,
    /// Our reference, as it was sent; an answer about another is no answer.
    pub client_reference: &'a str,
    /// Of a reserve: whether a hold was asked for.
    pub hold: bool,
    /// The replies to the calls before, oldest first, where the exchange took several.
    pub earlier: &'a [HttpReply],
}

/// One supplier: how to ask it, and what its answers mean.
///
/// Every function is pure. An answer that does not keep the supplier's published contract is never
/// patched with a default: it is [`Broken`], or [`Answer::Unknown`].
pub trait Dialect: Send + Sync {
    /// Which supplier.
    fn supplier(&self) -> Supplier;

    /// Which kind of product it sells.
    fn sells(&self) -> ProductKind;

    /// Asks what is to be had; nothing when it is of a kind that the supplier does not sell.
    fn search(&self, access: &Access, now: DateTime<Utc>, search: &Search) -> Option<HttpRequest>;

    /// Reads the answer to a search. An offer that is not as the supplier documents it is left out,
    /// and takes no other away.
    ///
    /// # Errors
    /// When the supplier did not answer the question, or with nothing that is as it says.
    fn read_search(&self, search: &Search, reply: &HttpReply) -> Result<Found, Broken>;

    /// Asks for what a search found beyond the answers so far, which are `replies`, oldest first
    /// and at least one; nothing where they are all of it. A supplier that answers at once is never
    /// asked on.
    fn search_on(
        &self,
        _access: &Access,
        _now: DateTime<Utc>,
        _search: &Search,
        _replies: &[HttpReply],
    ) -> Option<HttpRequest> {
        None
    }

    /// Asks whether an offer still stands.
    ///
    /// # Errors
    /// When the key is not one of ours.
    fn price_check(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        rate_key: &str,
    ) -> Result<HttpRequest, BadKey>;

    /// Reads the answer to the price check of `rate_key`.
    ///
    /// # Errors
    /// When the supplier did not answer the question, or not as it says it does, or the offer is
    /// too old to be asked about.
    fn read_price_check(
        &self,
        rate_key: &str,
        currency: Currency,
        reply: &HttpReply,
    ) -> Result<PriceCheck, Broken>;

    /// Holds or buys.
    ///
    /// # Errors
    /// When the order's key is not one of ours.
    fn reserve(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        reserve: &Reserve<'_>,
    ) -> Result<HttpRequest, BadKey>;

    /// Buys what is held.
    ///
    /// # Errors
    /// When the handle does not say how: look it up first.
    fn confirm(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle>;

    /// Cancels what is held or bought.
    ///
    /// # Errors
    /// When the handle does not say how: look it up first.
    fn cancel(
        &self,
        access: &Access,
        now: DateTime<Utc>,
        known: &Known<'_>,
    ) -> Result<HttpRequest, NoHandle>;

    /// Puts others on what is bought, in the reservation that is there: no other one is made, and
    /// it costs nothing. Asked twice for the same, it is as if asked once.
    ///
    /// # Errors
    /// When the handle does not say how, look it up first; a supplier that
    /// [cannot](Supplier::changes_guests) never says how.
    fn amend(
        &self,
        _access: &Access,
        _now: DateTime<Utc>,
        _amend: &Amend<'_>,
    ) -> Result<HttpRequest, NoHandle> {
        Err(NoHandle)
    }

    /// What a cancellation costs, as the answers to its calls say it, the quote before the deed;
    /// nothing where the supplier does not say. `cost` is what was to be paid.
    fn cancel_fee(&self, _cost: Money, _replies: &[HttpReply]) -> Option<Money> {
        None
    }

    /// Asks what exists under our reference; by the supplier's only where ours is empty.
    ///
    /// Ours comes first because it also shows a second reservation made under it.
    fn lookup(&self, access: &Access, now: DateTime<Utc>, known: &Known<'_>) -> HttpRequest;

    /// The same request with another body, signed anew where the signature covers it: for whoever
    /// tries what the supplier says to one that is not whole.
    fn with_body(
        &self,
        _access: &Access,
        _now: DateTime<Utc>,
        request: HttpRequest,
        body: Vec<u8>,
    ) -> HttpRequest {
        HttpRequest { body: Some(body), ..request }
    }

    /// Goes on with an exchange that takes more than one call; nothing when the last of `replies`
    /// is the one to read.
    ///
    /// `replies` are all so far, oldest first, at least one. A supplier that does everything in one
    /// call never goes on.
    fn go_on(
        &self,
        _access: &Access,
        _now: DateTime<Utc>,
        _ask: &Ask<'_>,
        _replies: &[HttpReply],
    ) -> Option<NextCall> {
        None
    }

    /// Says what came of a reserve, confirm, cancel, amend or look-up, from how far its last call
    /// got.
    fn read(&self, asked: &Asked<'_>, sent: &Sent) -> Answer;

    /// Asks for one page of everything that the supplier has of us and that was made in a period,
    /// the oldest first; nothing where it has no such list.
    fn list(
        &self,
        _access: &Access,
        _now: DateTime<Utc>,
        _period: &Period<'_>,
    ) -> Option<HttpRequest> {
        None
    }

    /// Reads a page that [`Dialect::list`] asked for.
    ///
    /// # Errors
    /// When the supplier did not answer, or not as it says it does. A page of which a part cannot
    /// be read is not read at all: what is not on it would be taken for missing.
    fn read_list(&self, _period: &Period<'_>, _reply: &HttpReply) -> Result<ListPage, Broken> {
        Err(Broken::contract("a list that was not asked for"))
    }

    /// Whether the supplier keeps callbacks that it could not deliver, for us to fetch.
    fn keeps_undelivered(&self) -> bool {
        false
    }

    /// Asks for callbacks that could not be delivered; nothing where none are kept.
    fn undelivered(&self, _access: &Access, _now: DateTime<Utc>) -> Option<HttpRequest> {
        None
    }

    /// The bodies of callbacks that could not be delivered, as they came.
    ///
    /// # Errors
    /// When the supplier did not answer, or not as it says it does.
    fn read_undelivered(&self, _reply: &HttpReply) -> Result<Vec<String>, Broken> {
        Err(Broken::contract("callbacks that were not asked for"))
    }

    /// What one of these is about. It is not signed: it was the answer to a call of ours. Nothing
    /// where none are kept.
    fn undelivered_callback(&self, _body: &str) -> Option<Callback> {
        None
    }

    /// What a reply says of how much more may be asked, or that too much was; nothing where it says
    /// nothing of that.
    fn quota(&self, reply: &HttpReply, now: DateTime<Utc>) -> Option<Quota> {
        (reply.status == 429).then(|| Quota::spent(Scope::Account, quota::retry_after(reply, now)))
    }

    /// Which room of which property at which rate an order is for, or which sort of an activity, by
    /// the supplier's own ids that its reservations show as well
    /// ([`SeenReservation::room`]); nothing where they show none. Names are not compared: they are
    /// spelled as the supplier likes.
    fn room(&self, _order: &LegOrder) -> Option<String> {
        None
    }

    /// Whether a hold here is a purchase that can be cancelled free: the supplier holds nothing
    /// without selling it. What is asked to be held is then bought, and to confirm it asks nothing
    /// of the supplier.
    ///
    /// Such a dialect says `holdable` of what can be cancelled free at all; whether that is for
    /// long enough, the policy's `holds_for_min` decides.
    fn holds_by_purchase(&self) -> bool {
        false
    }

    /// Whether a cancel names the supplier's reservation, and not only ours, under which there may
    /// be several.
    fn cancels_by_reference(&self) -> bool {
        true
    }

    /// Whether the supplier pushes anything at all.
    fn pushes(&self) -> bool {
        true
    }

    /// Whether a secret has the form of those that this supplier signs callbacks with. For the
    /// start of a process, so that a typing error is not a 401.
    fn is_callback_secret(&self, secret: &SecretString) -> bool {
        callback::is_secret(secret)
    }

    /// Our reference for an attempt at a leg: the same pair gives the same one, another pair
    /// another.
    fn client_reference(&self, leg: LegId, attempt: u32) -> String;

    /// Says whether a callback is the supplier's, and what it is about.
    ///
    /// `age_max` bounds how old, and how far ahead, its time stamp may be. Any of `secrets` may
    /// have signed it: during a rotation there are two.
    ///
    /// # Errors
    /// When it is not proven to be the supplier's. Whoever answers it says no more than that.
    fn verify_callback(
        &self,
        secrets: &[SecretString],
        now: DateTime<Utc>,
        age_max: Duration,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Callback, Forged>;
}
