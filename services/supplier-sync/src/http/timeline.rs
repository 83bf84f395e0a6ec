//! What happened to a booking's legs, in lines for a person. No personal data: neither journal has
//! any in the clear.

use chrono::{DateTime, Utc};
use contracts::{
    internal::{TimelineEntry, TimelineKind},
    messages::{CallbackClaim, GoneWhy, GuestsEnd, LegState, UndoFailing, WantedLeg},
};
use serde_json::{Value, json};
use supplier_sync_core::Event;
use suppliers::Operation;
use uuid::Uuid;

use crate::store::{Exchanged, PriceChecked, Told};

/// All journals as one, oldest first, the newest `at_most`.
pub(super) fn entries(
    journal: &[Told],
    exchanges: &[Exchanged],
    checks: &[PriceChecked],
    at_most: usize,
) -> Vec<TimelineEntry> {
    let ended = |leg_id: Uuid, number: u32| {
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        exchanges.iter().any(|one| one.leg_id == leg_id && one.number == number)
    };
    // Newest first, as they were read; sorting is stable and keeps what happened at once in order.
    let told = journal.iter().rev().filter_map(|told| event(told, &ended));
    let asked = exchanges.iter().rev().map(exchange).chain(checks.iter().rev().map(check));
    let mut entries: Vec<_> = asked.chain(told).collect();
    entries.sort_by_key(|entry| entry.at);
    let surplus = entries.len().saturating_sub(at_most);
    entries.drain(..surplus);
    entries
}

fn exchange(one: &Exchanged) -> TimelineEntry {
    let mut entry = asked(&Question {
        leg_id: one.leg_id,
        supplier: &one.supplier,
        operation: &one.operation,
        outcome: &one.outcome,
        status: one.status,
        why: one.detail.as_deref(),
        began_at: one.began_at,
        took_ms: one.took_ms,
    });
    entry.reference = Some(one.client_reference.clone());
    entry.detail.insert("exchange".to_owned(), json!(one.number));
    entry
}

/// What a leg's price rests on; that was before there was the leg.
fn check(one: &PriceChecked) -> TimelineEntry {
    asked(&Question {
        leg_id: one.leg_id,
        supplier: &one.supplier,
        operation: Operation::PriceCheck.word(),
        outcome: &one.outcome,
        status: one.status,
        why: one.detail.as_deref(),
        began_at: one.began_at,
        took_ms: one.took_ms,
    })
}

/// What a supplier was asked, and what came of it.
struct Question<'a> {
    leg_id: Uuid,
    supplier: &'a str,
    operation: &'a str,
    outcome: &'a str,
    status: Option<i32>,
    why: Option<&'a str>,
    began_at: DateTime<Utc>,
    took_ms: i32,
}

fn asked(question: &Question<'_>) -> TimelineEntry {
    let Question { operation, outcome, took_ms, status, .. } = question;
    let answered = status.map_or("no status".to_owned(), |status| format!("status {status}"));
    let why = question.why.map(|why| format!(": {why}")).unwrap_or_default();
    let detail = [
        ("leg_id", json!(question.leg_id)),
        ("supplier", json!(question.supplier)),
        ("operation", json!(operation)),
        ("outcome", json!(outcome)),
        ("status", json!(status)),
        ("took_ms", json!(took_ms)),
    ];
    TimelineEntry {
        at: question.began_at,
        partner_at: None,
        kind: TimelineKind::Exchange,
        what: format!("{operation}: {outcome} ({answered}, {took_ms} ms){why}"),
        actor: crate::ROLE.to_owned(),
        message_id: None,
        trace_id: None,
        reference: None,
        detail: detail.map(|(key, value)| (key.to_owned(), value)).into_iter().collect(),
    }
}

/// What an entry of a leg's journal comes to; nothing for what the journal of exchanges tells.
fn event(told: &Told, ended: &impl Fn(Uuid, u32) -> bool) -> Option<TimelineEntry> {
    let Ok(event) = serde_json::from_str::<Event>(&told.event) else {
        let what = "an entry of the journal cannot be read";
        return Some(line(told, Line::new(TimelineKind::State, what)));
    };
    let found = match event {
        Event::Answered { .. } => return None,
        // While it is under way, or when nobody could say how it ended.
        Event::Began { exchange, .. } if ended(told.leg_id, exchange) => return None,
        Event::Began { exchange, doing, attempt, reference, .. } => Line {
            reference,
            detail: vec![("exchange", json!(exchange)), ("attempt", json!(attempt))],
            ..Line::new(TimelineKind::Exchange, format!("{} began", doing.operation().word()))
        },
        Event::LeaseRanOut { exchange } => Line {
            detail: vec![("exchange", json!(exchange))],
            ..Line::new(TimelineKind::Exchange, "nobody said how a call ended")
        },
        Event::Hinted { attempt, callback_id, reference, claim } => Line {
            actor: Some(format!("supplier:{}", told.supplier)),
            reference,
            detail: vec![("attempt", json!(attempt)), ("callback_id", json!(callback_id))],
            ..Line::new(TimelineKind::Callback, format!("a callback says: {}", claimed(claim)))
        },
        Event::LookAsked { .. }
        | Event::Adopted { .. }
        | Event::CancelAsked { .. }
        | Event::DeclaredAbsent { .. } => act(event)?,
        other => state(other)?,
    };
    Some(line(told, found))
}

/// What a member of staff did.
fn act(event: Event) -> Option<Line> {
    let line = |what: &str, by: String, detail| Line {
        actor: Some(format!("staff:{by}")),
        detail,
        ..Line::new(TimelineKind::Act, what)
    };
    Some(match event {
        Event::LookAsked { attempt, by, why } => {
            let detail = vec![("attempt", json!(attempt)), ("why", json!(why))];
            line("asked for a look-up", by, detail)
        }
        Event::Adopted { attempt, reference, by, why } => Line {
            reference: Some(reference),
            ..line("took it as it is", by, vec![("attempt", json!(attempt)), ("why", json!(why))])
        },
        Event::CancelAsked { attempt, reference, by, why } => Line {
            reference: Some(reference),
            ..line("gave it back", by, vec![("attempt", json!(attempt)), ("why", json!(why))])
        },
        Event::DeclaredAbsent { attempt, reference, by, why, evidence } => {
            let detail = vec![
                ("attempt", json!(attempt)),
                ("why", json!(why)),
                ("evidence", json!(evidence)),
            ];
            Line { reference, ..line("declared it absent, on evidence", by, detail) }
        }
        _ => return None,
    })
}

/// What changed in what we know or want.
fn state(event: Event) -> Option<Line> {
    let text = |what: String| Line::new(TimelineKind::State, what);
    Some(match event {
        Event::Wanted { wanted_version, wanted, .. } => Line {
            actor: Some("booking".to_owned()),
            detail: vec![("wanted_version", json!(wanted_version))],
            ..text(format!("wanted {}", wish(wanted)))
        },
        Event::GuestsWanted { version, .. } => Line {
            actor: Some("booking".to_owned()),
            detail: vec![("guests_version", json!(version))],
            ..text("wanted for other guests".to_owned())
        },
        Event::GuestsSettled { version, end, evidence } => Line {
            reference: evidence.as_ref().and_then(|evidence| evidence.reference.clone()),
            detail: vec![("guests_version", json!(version)), ("evidence", json!(evidence))],
            ..text(match end {
                GuestsEnd::Changed => "told: it is for the other guests".to_owned(),
                GuestsEnd::Kept { why } => format!("told: its guests stay, {why:?}"),
            })
        },
        Event::AttemptMade { attempt, client_reference } => {
            Line { reference: Some(client_reference), ..text(format!("attempt {attempt}")) }
        }
        Event::AttemptProvenDead { attempt, first_asked_at, last_asked_at, sent_until } => Line {
            detail: vec![
                ("first_asked_at", json!(first_asked_at)),
                ("last_asked_at", json!(last_asked_at)),
                ("sent_until", json!(sent_until)),
            ],
            ..text(format!("attempt {attempt} is proven dead: not found twice"))
        },
        Event::GaveUp { attempt } => {
            text(format!("attempt {attempt} could not be sent and is given up"))
        }
        Event::Mismatch { reference, check_in, check_out, price } => Line {
            reference: Some(reference),
            detail: vec![
                ("check_in", json!(check_in)),
                ("check_out", json!(check_out)),
                ("price", json!(price)),
            ],
            ..text("case: it is not what was ordered".to_owned())
        },
        Event::Agreed { reference } => Line {
            reference: Some(reference),
            ..text("case closed: it is what was ordered".to_owned())
        },
        Event::Told { state, evidence, undo_failing, theirs, asks, no_show } => Line {
            reference: evidence.as_ref().and_then(|evidence| evidence.reference.clone()),
            detail: vec![
                ("evidence", json!(evidence)),
                ("undo_failing", json!(undo_failing)),
                ("theirs", json!(theirs)),
                ("asks", json!(asks)),
            ],
            ..text(format!("told: {}{}{}", said(&state), missed(no_show), failing(undo_failing)))
        },
        Event::InvariantBroken { what } => text(format!("a rule was found broken: {what}")),
        Event::Began { .. }
        | Event::Answered { .. }
        | Event::LeaseRanOut { .. }
        | Event::Hinted { .. }
        | Event::LookAsked { .. }
        | Event::Adopted { .. }
        | Event::CancelAsked { .. }
        | Event::DeclaredAbsent { .. } => return None,
    })
}

/// What is particular to an entry.
struct Line {
    kind: TimelineKind,
    what: String,
    /// Nothing where it is what brought the event.
    actor: Option<String>,
    reference: Option<String>,
    detail: Vec<(&'static str, Value)>,
}

impl Line {
    fn new(kind: TimelineKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), actor: None, reference: None, detail: Vec::new() }
    }
}

fn line(told: &Told, line: Line) -> TimelineEntry {
    let Line { kind, what, actor, reference, detail } = line;
    let brought = || match told.source.as_str() {
        "timer" => "timer".to_owned(),
        "answer" => format!("supplier:{}", told.supplier),
        _ => crate::ROLE.to_owned(),
    };
    let leg = ("leg_id", json!(told.leg_id));
    let detail = detail.into_iter().filter(|(_, value)| !value.is_null()).chain([leg]);
    TimelineEntry {
        at: told.at,
        partner_at: None,
        kind,
        what,
        actor: actor.unwrap_or_else(brought),
        // A callback that waited is its own cause, and no message.
        message_id: told.cause_id.filter(|_| told.source == "message"),
        trace_id: told.trace_id.clone(),
        reference,
        detail: detail.map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

const fn wish(wanted: WantedLeg) -> &'static str {
    match wanted {
        WantedLeg::Held => "held",
        WantedLeg::Confirmed => "confirmed",
        WantedLeg::Released => "released",
    }
}

const fn claimed(claim: Option<CallbackClaim>) -> &'static str {
    match claim {
        Some(CallbackClaim::Made) => "made",
        Some(CallbackClaim::Confirmed) => "confirmed",
        Some(CallbackClaim::Gone) => "cancelled",
        None => "something happened",
    }
}

fn said(state: &LegState) -> String {
    match state {
        LegState::Held { until: Some(until), .. } => format!("held until {until}"),
        LegState::Held { until: None, .. } => "held".to_owned(),
        LegState::Confirmed { .. } => "confirmed".to_owned(),
        LegState::Gone { why: GoneWhy::Released } => "released".to_owned(),
        LegState::Gone { why: GoneWhy::Lapsed } => "gone, its hold ran out".to_owned(),
        LegState::Gone { why: GoneWhy::CancelledBySupplier } => {
            "gone, the supplier cancelled it".to_owned()
        }
        LegState::Gone { why: GoneWhy::NeverMade } => "gone, it was never made".to_owned(),
        LegState::Refused { why } => format!("refused, {why:?}"),
        LegState::InDoubt { since } => format!("in doubt since {since}"),
    }
}

fn missed(no_show: bool) -> &'static str {
    if no_show { "; nobody came" } else { "" }
}

fn failing(undo: Option<UndoFailing>) -> String {
    undo.map(|undo| format!("; giving it back failed {} times ({:?})", undo.attempts, undo.why))
        .unwrap_or_default()
}
