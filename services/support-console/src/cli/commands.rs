//! The commands, and the one call of the API that each is.

use clap::Subcommand;
use contracts::supplier::Supplier;
use http::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Call;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List dead letters, the newest first
    Letters {
        /// Given up by this consumer
        #[arg(long)]
        consumer: Option<String>,
        /// With this cause: undecodable, rejected, exhausted, crash, …
        #[arg(long)]
        cause: Option<String>,
        /// About this booking
        #[arg(long)]
        booking_id: Option<Uuid>,
        /// `parked`, `replaying`, `succeeded`, `failed_again` or `discarded`
        #[arg(long)]
        state: Option<String>,
        /// With this business cause, as `attention` names it
        #[arg(long)]
        letter_cause_id: Option<Uuid>,
        /// How many
        #[arg(long)]
        limit: Option<u16>,
        /// Where the page before ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show a dead letter with all that was done about it
    Letter { id: Uuid },
    /// Say what a replay of a letter would do; nothing is written
    Preview { id: Uuid },
    /// Send a letter again, as it was or mended
    Replay {
        id: Uuid,
        #[command(flatten)]
        because: Because,
        /// A mended body, JSON
        #[arg(long)]
        body: Option<String>,
    },
    /// Put a letter aside; it can be restored for a while
    Discard {
        id: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// Take a letter back from where it was put aside
    Restore {
        id: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// Show a letter with nothing hidden; that you looked is recorded
    Unmask {
        id: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// Replays of many letters, in growing steps
    Run {
        #[command(subcommand)]
        what: Run,
    },
    /// Edits that wait for a second person
    Edit {
        #[command(subcommand)]
        what: Edit,
    },
    /// Tell what needs a person now
    Attention,
    /// Tell what waits in queues
    Flow,
    /// Tell how suppliers do: breakers, budgets, quotas
    Suppliers,
    /// Tell how a supplier's whole list was compared with ours the last time
    Comparison { supplier: Supplier },
    /// Close a supplier's breaker: everything is sent there again
    Reset {
        supplier: Supplier,
        #[command(flatten)]
        because: Because,
    },
    /// List what differs at suppliers or is not as they document it, the oldest first
    Cases,
    /// Show a case with what we have and what they have
    Case { id: Uuid },
    /// Say that a case is seen to
    Close {
        id: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// List what is odd about payments, the newest first
    PaymentCases,
    /// Show what is odd about a payment with what shows it
    PaymentCase { id: Uuid },
    /// Say that what is odd about a payment is seen to
    ClosePaymentCase {
        id: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// Say that money that left its chain is lost for good
    WriteOff {
        /// The case of its having left
        id: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// Have a supplier's callback said once more: whoever hears of it looks there again
    TakeAgain {
        /// As a timeline names it
        callback: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// List refunds that a second person has to let go
    Refunds,
    /// Let a refund go
    ApproveRefund {
        booking: Uuid,
        refund: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// List what staff did or were kept from
    Acts {
        #[arg(long)]
        actor: Option<String>,
        #[arg(long)]
        booking_id: Option<Uuid>,
        #[arg(long)]
        dead_letter_id: Option<Uuid>,
        #[arg(long)]
        replay_run_id: Option<Uuid>,
        #[arg(long)]
        limit: Option<u16>,
        /// Where the page before ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Find a booking or a letter by any reference or trace
    Find { key: String },
    /// Find the bookings of an e-mail address; the search is recorded, the address is not
    FindEmail {
        email: String,
        #[command(flatten)]
        because: Because,
    },
    /// Tell all that happened to a booking
    Timeline { booking: Uuid },
    /// Show a booking as its customer sees it
    Seen {
        booking: Uuid,
        /// As of this change, 1 for the first
        #[arg(long)]
        at: Option<u64>,
    },
    /// Tell how a booking's legs stand at suppliers, and what is safe for each
    Legs { booking: Uuid },
    /// Show who travels; that you looked is recorded
    Travellers {
        booking: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// Repairs of a booking that does not go on
    Repair {
        booking: Uuid,
        #[command(subcommand)]
        what: Repair,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Run {
    /// List runs, the newest first
    List,
    /// Show how far one is
    Show { id: Uuid },
    /// Begin one: of all letters that wait and fit
    Begin {
        #[command(flatten)]
        because: Because,
        #[arg(long)]
        letter_cause_id: Option<Uuid>,
        #[arg(long)]
        consumer: Option<String>,
        #[arg(long)]
        cause: Option<String>,
        /// No more than so many, the oldest first
        #[arg(long)]
        at_most: Option<u32>,
        /// Letters of each step before the rest, such as 1,5,20
        #[arg(long, value_delimiter = ',')]
        ladder: Option<Vec<u32>>,
    },
    /// Hold one
    Pause {
        id: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// Let one go on
    Resume {
        id: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// End one
    Stop {
        id: Uuid,
        #[command(flatten)]
        because: Because,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Edit {
    /// List them
    List,
    /// Let somebody else's pass
    Approve {
        id: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// Let it not pass, or take your own back
    Refuse {
        id: Uuid,
        #[command(flatten)]
        because: Because,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Repair {
    /// Say why it waits and what is safe
    Show,
    /// Look into it
    Take {
        #[command(flatten)]
        because: Because,
    },
    /// Leave it to others
    Release {
        #[command(flatten)]
        because: Because,
    },
    /// Leave a leg at its supplier: it takes nothing back, or the leg was used
    Leave {
        leg: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// Give back a leg that its supplier changed, and all of its money
    GiveBack {
        leg: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// See now how a leg stands at its supplier
    LookUp {
        leg: Uuid,
        #[command(flatten)]
        because: Because,
    },
    /// Take a reservation that is dearer than ordered
    Adopt {
        leg: Uuid,
        reference: String,
        #[command(flatten)]
        because: Because,
    },
    /// Give a reservation back at the supplier
    Cancel {
        leg: Uuid,
        reference: String,
        #[command(flatten)]
        because: Because,
    },
    /// Say on evidence that nothing of an attempt exists
    DeclareAbsent {
        leg: Uuid,
        attempt: u32,
        #[arg(long)]
        reference: Option<String>,
        /// What the supplier said, when and to whom
        #[arg(long)]
        evidence: String,
        #[command(flatten)]
        because: Because,
    },
    /// Name the transaction that brought a refund
    Prove {
        refund: Uuid,
        transaction: String,
        #[command(flatten)]
        because: Because,
    },
    /// Answer for what is missing of a refund: given otherwise, or owed no more
    Settle {
        refund: Uuid,
        #[command(flatten)]
        because: Because,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Because {
    /// Why; it is kept in the audit
    #[arg(long)]
    reason: String,
}

impl Command {
    /// What the console is asked.
    #[expect(clippy::too_many_lines, reason = "a line for each command")]
    pub(super) fn call(&self) -> Result<Call, String> {
        let letter = |id: &Uuid, what: &str, because: &Because| {
            post(format!("/v1/dead-letters/{id}/{what}"), because, &[])
        };
        Ok(match self {
            Self::Letters {
                consumer,
                cause,
                booking_id,
                state,
                letter_cause_id,
                limit,
                cursor,
            } => {
                let fields = [
                    ("consumer", consumer.clone()),
                    ("cause", cause.clone()),
                    ("booking_id", shown(*booking_id)),
                    ("state", state.clone()),
                    ("letter_cause_id", shown(*letter_cause_id)),
                    ("limit", shown(*limit)),
                    ("cursor", cursor.clone()),
                ];
                get(with_query("/v1/dead-letters", &fields))
            }
            Self::Letter { id } => get(format!("/v1/dead-letters/{id}")),
            Self::Preview { id } => get(format!("/v1/dead-letters/{id}/preview")),
            Self::Replay { id, because, body } => {
                let body = body.as_deref().map(serde_json::from_str::<Value>).transpose();
                let body = body.map_err(|error| format!("the body is no JSON: {error}"))?;
                let more = body.map(|body| ("body", body));
                let more: Vec<_> = more.into_iter().collect();
                post(format!("/v1/dead-letters/{id}/replay"), because, &more)
            }
            Self::Discard { id, because } => letter(id, "discard", because),
            Self::Restore { id, because } => letter(id, "restore", because),
            Self::Unmask { id, because } => letter(id, "unmask", because),
            Self::Run { what } => what.call(),
            Self::Edit { what } => match what {
                Edit::List => get("/v1/edits".to_owned()),
                Edit::Approve { id, because } => {
                    post(format!("/v1/edits/{id}/approve"), because, &[])
                }
                Edit::Refuse { id, because } => {
                    post(format!("/v1/edits/{id}/refuse"), because, &[])
                }
            },
            Self::Attention => get("/v1/attention".to_owned()),
            Self::Flow => get("/v1/flow".to_owned()),
            Self::Suppliers => get("/v1/suppliers".to_owned()),
            Self::Comparison { supplier } => get(format!("/v1/suppliers/{supplier}/comparison")),
            Self::Reset { supplier, because } => {
                post(format!("/v1/suppliers/{supplier}/reset"), because, &[])
            }
            Self::Cases => get("/v1/cases".to_owned()),
            Self::Case { id } => get(format!("/v1/cases/{id}")),
            Self::Close { id, because } => post(format!("/v1/cases/{id}/close"), because, &[]),
            Self::PaymentCases => get("/v1/payment-cases".to_owned()),
            Self::PaymentCase { id } => get(format!("/v1/payment-cases/{id}")),
            Self::ClosePaymentCase { id, because } => {
                post(format!("/v1/payment-cases/{id}/close"), because, &[])
            }
            Self::WriteOff { id, because } => {
                post(format!("/v1/payment-cases/{id}/write-off"), because, &[])
            }
            Self::TakeAgain { callback, because } => {
                post(format!("/v1/callbacks/{callback}/again"), because, &[])
            }
            Self::Refunds => get("/v1/refunds".to_owned()),
            Self::ApproveRefund { booking, refund, because } => {
                post(format!("/v1/bookings/{booking}/refunds/{refund}/approval"), because, &[])
            }
            Self::Acts { actor, booking_id, dead_letter_id, replay_run_id, limit, cursor } => {
                let fields = [
                    ("actor", actor.clone()),
                    ("booking_id", shown(*booking_id)),
                    ("dead_letter_id", shown(*dead_letter_id)),
                    ("replay_run_id", shown(*replay_run_id)),
                    ("limit", shown(*limit)),
                    ("cursor", cursor.clone()),
                ];
                get(with_query("/v1/acts", &fields))
            }
            Self::Find { key } => get(with_query("/v1/search", &[("key", Some(key.clone()))])),
            Self::FindEmail { email, because } => {
                post("/v1/search/contacts".to_owned(), because, &[("email", json!(email))])
            }
            Self::Timeline { booking } => get(format!("/v1/bookings/{booking}/timeline")),
            Self::Seen { booking, at } => {
                get(with_query(&format!("/v1/bookings/{booking}/seen"), &[("at", shown(*at))]))
            }
            Self::Legs { booking } => get(format!("/v1/bookings/{booking}/legs")),
            Self::Travellers { booking, because } => {
                post(format!("/v1/bookings/{booking}/travellers"), because, &[])
            }
            Self::Repair { booking, what } => what.call(*booking),
        })
    }
}

impl Run {
    fn call(&self) -> Call {
        let change = |id: &Uuid, what: &str, because: &Because| {
            post(format!("/v1/replays/{id}/{what}"), because, &[])
        };
        match self {
            Self::List => get("/v1/replays".to_owned()),
            Self::Show { id } => get(format!("/v1/replays/{id}")),
            Self::Begin { because, letter_cause_id, consumer, cause, at_most, ladder } => {
                let fields = [
                    ("letter_cause_id", json!(letter_cause_id)),
                    ("consumer", json!(consumer)),
                    ("cause", json!(cause)),
                    ("at_most", json!(at_most)),
                    ("ladder", json!(ladder)),
                ];
                post("/v1/replays".to_owned(), because, &fields)
            }
            Self::Pause { id, because } => change(id, "pause", because),
            Self::Resume { id, because } => change(id, "resume", because),
            Self::Stop { id, because } => change(id, "stop", because),
        }
    }
}

impl Repair {
    fn call(&self, booking: Uuid) -> Call {
        let review = format!("/v1/bookings/{booking}/review");
        let act = |leg: &Uuid, because: &Because, act: Value, evidence: Option<&str>| {
            let path = format!("/v1/bookings/{booking}/legs/{leg}/acts");
            post(path, because, &[("act", act), ("evidence", json!(evidence))])
        };
        let settle = |act: &str, leg: &Uuid, because: &Because| {
            post(review.clone(), because, &[("act", json!(act)), ("leg_id", json!(leg))])
        };
        match self {
            Self::Show => get(review),
            Self::Take { because } => post(review, because, &[("act", json!("take"))]),
            Self::Release { because } => post(review, because, &[("act", json!("release"))]),
            Self::Leave { leg, because } => settle("leave_leg", leg, because),
            Self::GiveBack { leg, because } => settle("give_back_leg", leg, because),
            Self::LookUp { leg, because } => act(leg, because, json!({ "is": "look_up" }), None),
            Self::Adopt { leg, reference, because } => {
                act(leg, because, json!({ "is": "adopt", "reference": reference }), None)
            }
            Self::Cancel { leg, reference, because } => {
                act(leg, because, json!({ "is": "cancel", "reference": reference }), None)
            }
            Self::DeclareAbsent { leg, attempt, reference, evidence, because } => {
                let is = "declare_absent";
                let absent = json!({ "is": is, "attempt": attempt, "reference": reference });
                act(leg, because, absent, Some(evidence))
            }
            Self::Prove { refund, transaction, because } => {
                let path = format!("/v1/bookings/{booking}/refunds/{refund}/proof");
                post(path, because, &[("transaction", json!(transaction))])
            }
            Self::Settle { refund, because } => {
                post(format!("/v1/bookings/{booking}/refunds/{refund}/settlement"), because, &[])
            }
        }
    }
}

fn get(path: String) -> Call {
    Call { method: Method::GET, path, body: None }
}

/// An act, with what of its fields is not null.
fn post(path: String, because: &Because, more: &[(&str, Value)]) -> Call {
    let mut body = Map::new();
    body.insert("reason".to_owned(), json!(because.reason));
    let given = more.iter().filter(|(_, value)| !value.is_null());
    body.extend(given.map(|(name, value)| ((*name).to_owned(), value.clone())));
    Call { method: Method::POST, path, body: Some(Value::Object(body)) }
}

fn with_query(path: &str, fields: &[(&str, Option<String>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

fn shown<T: ToString>(value: Option<T>) -> Option<String> {
    value.map(|value| value.to_string())
}
