//! What a supplier's reply comes to, in words that are the same for every supplier.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{messages::RefusedWhy, money::Money, offer::FlightSegment};

/// What is asked of a supplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Which rooms are to be had.
    Search,
    /// Whether an offer still stands.
    PriceCheck,
    /// Hold or buy.
    Reserve,
    /// Buy what is held.
    Confirm,
    /// Cancel what is held or bought.
    Cancel,
    /// Put others on what is bought.
    Amend,
    /// What exists.
    Lookup,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 7] = [
        Self::Search,
        Self::PriceCheck,
        Self::Reserve,
        Self::Confirm,
        Self::Cancel,
        Self::Amend,
        Self::Lookup,
    ];

    /// The word used in rows, metrics and journals.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Search => "search",
            Self::PriceCheck => "price_check",
            Self::Reserve => "reserve",
            Self::Confirm => "confirm",
            Self::Cancel => "cancel",
            Self::Amend => "amend",
            Self::Lookup => "lookup",
        }
    }
}

/// What came of a reserve, a confirm, a cancel or a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Surely nothing was done: it may be sent again, under the same client reference.
    NotSent,
    /// Whether anything was done is not known: look it up.
    Unknown {
        /// Why not.
        why: Unclear,
    },
    /// What exists, or existed, under the client reference; never empty.
    Seen(Vec<SeenReservation>),
    /// A look-up that found nothing; proves nothing before the supplier's visibility window is
    /// over.
    NotFound,
    /// Surely not done, for a reason of the supplier's business.
    Refused(RefusedWhy),
    /// The supplier says it is done, where it documents that as final.
    ///
    /// After a confirm the handle is spent: what it names are the links of a hold. Forget it, and
    /// look up before a cancel.
    Accepted,
}

impl Answer {
    /// The word used in metrics and journals.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Unknown { .. } => "unknown",
            Self::Seen(_) => "seen",
            Self::NotFound => "not_found",
            Self::Refused(_) => "refused",
            Self::Accepted => "accepted",
        }
    }
}

/// Why an outcome is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// No whole reply came.
    #[error("no answer")]
    NoAnswer,
    /// The supplier took it and says no more; it may or may not be done.
    #[error("accepted, state unknown")]
    AcceptedOnly,
    /// The supplier already has something under this client reference. Something surely exists: the
    /// look-up says what. Never a refusal.
    #[error("the client reference is taken at the supplier")]
    Duplicate,
    /// A reserve was answered by a reservation that bears another client reference than it was sent
    /// with. Something may well exist that no look-up under ours will ever show.
    #[error("the answer names a reservation of another client reference")]
    Foreign,
    /// More is listed than one look-up reads, and what was read does not show it.
    #[error("more is listed than is read")]
    Incomplete,
    /// A status, or an error of the supplier's, that the outcome table calls unknown or does not
    /// list.
    #[error("status {status} {}", code.as_deref().unwrap_or("without a code"))]
    Status {
        /// The status.
        status: u16,
        /// The supplier's error code, where the reply has one.
        code: Option<String>,
    },
    /// A reply that is not what the supplier documents.
    #[error("not as documented: {what}")]
    Malformed {
        /// What is wrong, without a value of the reply.
        what: String,
    },
}

impl Unclear {
    /// The word used in metrics and journals.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::AcceptedOnly => "accepted_only",
            Self::Duplicate => "duplicate",
            Self::Foreign => "foreign",
            Self::Incomplete => "incomplete",
            Self::Status { .. } => "status",
            Self::Malformed { .. } => "malformed",
        }
    }
}

/// One reservation, as the supplier shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenReservation {
    /// The supplier's reference.
    pub reference: String,
    /// How to confirm or cancel it; opaque, replaces any older one.
    pub handle: Option<String>,
    /// In which state it is.
    pub state: SeenState,
    /// Local date of arrival, where the reply says.
    pub check_in: Option<NaiveDate>,
    /// Local date of departure, where the reply says.
    pub check_out: Option<NaiveDate>,
    /// What it costs, where the reply says.
    pub price: Option<Money>,
    /// Its flights in the order they are flown, where the reply says; whoever says a flight's days
    /// says these.
    pub segments: Vec<FlightSegment>,
    /// In which names it is, where the reply says; of those it was ordered for, as many from the
    /// first on.
    pub guests: Vec<Guest>,
    /// Which room, or which sort of an activity, at which rate, by the supplier's own lasting ids,
    /// where the reply says: what [`Dialect::room`](crate::Dialect::room) says of an order.
    pub room: Option<String>,
    /// What is wrong with how it is shown, where something is.
    pub odd: Option<Odd>,
}

impl SeenReservation {
    /// One of which nothing is said but how it stands.
    #[must_use]
    pub fn bare(reference: &str, state: SeenState) -> Self {
        Self {
            reference: reference.to_owned(),
            handle: None,
            state,
            check_in: None,
            check_out: None,
            price: None,
            segments: Vec::new(),
            guests: Vec::new(),
            room: None,
            odd: None,
        }
    }
}

/// Somebody in whose name something is. Personal data: compared, never kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Guest {
    /// Given names.
    pub given_name: String,
    /// Family name.
    pub family_name: String,
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guest(…)")
    }
}

impl Guest {
    /// Somebody whose two names a reply has; nobody where it leaves one out.
    pub(crate) fn named(given_name: Option<&str>, family_name: Option<&str>) -> Option<Self> {
        let (given_name, family_name) = (given_name?.to_owned(), family_name?.to_owned());
        Some(Self { given_name, family_name })
    }
}

/// What is wrong with how a reservation is shown: a case for a person, whatever its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Odd {
    /// It is there, and its description is not what the supplier documents.
    Contract {
        /// What is wrong, without a value of the reply.
        what: String,
    },
    /// It stands otherwise than it should, in a word of the supplier's that says neither that it is
    /// there nor that it is gone.
    Status {
        /// How it should stand.
        ours: &'static str,
        /// The supplier's word.
        theirs: &'static str,
    },
    /// It is for others than it was ordered for. Digests: names are kept nowhere.
    Names {
        /// Of those it was ordered for.
        ours: String,
        /// Of those it is for.
        theirs: String,
    },
}

impl From<Broken> for Odd {
    fn from(broken: Broken) -> Self {
        let what = match broken {
            Broken::Contract { what } => what,
            other @ (Broken::Status { .. } | Broken::Expired | Broken::Foreign | Broken::Key) => {
                other.to_string()
            }
        };
        Self::Contract { what }
    }
}

/// In which state a reservation is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenState {
    /// Held, not bought.
    Held {
        /// Until when, where the supplier says.
        until: Option<DateTime<Utc>>,
    },
    /// Bought.
    Confirmed,
    /// Bought, and nobody came.
    NoShow,
    /// Cancelled or rolled back.
    Gone,
    /// It exists; what it is cannot be told from this reply. Ask again.
    Unclear,
}

impl SeenState {
    /// The word used in metrics and journals.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Confirmed => "confirmed",
            Self::NoShow => "no_show",
            Self::Gone => "gone",
            Self::Unclear => "unclear",
        }
    }
}

/// Why a search or a price check has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The supplier said it cannot answer: an error status.
    #[error("status {status} {}", code.as_deref().unwrap_or("without a code"))]
    Status {
        /// The status.
        status: u16,
        /// The supplier's error code, where the reply has one.
        code: Option<String>,
    },
    /// The offer is too old to be asked about: search again.
    #[error("the offer's key has expired")]
    Expired,
    /// The reply is not what the supplier documents: something is missing, renamed, of another
    /// kind.
    #[error("not as documented: {what}")]
    Contract {
        /// What is wrong, without a value of the reply.
        what: String,
    },
    /// What it names bears another client reference than what was asked about.
    #[error("of another client reference")]
    Foreign,
    /// The key of the offer is not one of ours.
    #[error("not a key of this supplier")]
    Key,
}

impl Broken {
    /// A contract that was not kept.
    #[must_use]
    pub fn contract(what: impl Into<String>) -> Self {
        Self::Contract { what: what.into() }
    }
}

impl From<BadKey> for Broken {
    fn from(_: BadKey) -> Self {
        Self::Key
    }
}

/// A rate or book key that this dialect did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a key of this supplier")]
pub struct BadKey;

/// The handle does not say how to do that; a look-up gives a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no handle for that: look it up first")]
pub struct NoHandle;
