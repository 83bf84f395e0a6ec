//! What can be done about a booking's legs: only what is safe, each on a page that says what it
//! does.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use chassis::{
    ApiError,
    http::{Json, Path, Query},
};
use contracts::{
    ids::{BookingId, LegId},
    internal::{LegAct, LegStanding, LegsReply, ReservationStanding},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    layout::{Page, csrf, instant, reason},
    session::{Form, Session},
};
use crate::{
    App,
    http::{
        acting::Actor,
        elsewhere,
        legs::{self, Wanted, act_of},
    },
};

/// Which act, as a link says it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Which {
    act: String,
    reference: Option<String>,
    attempt: Option<u32>,
}

/// What the form says.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    act: String,
    reference: Option<String>,
    attempt: Option<u32>,
    reason: String,
    evidence: Option<String>,
}

impl Which {
    fn read(&self) -> Option<LegAct> {
        let reference = self.reference.clone().filter(|reference| !reference.is_empty());
        Some(match self.act.as_str() {
            "look_up" => LegAct::LookUp {},
            "adopt" => LegAct::Adopt { reference: reference? },
            "cancel_at_supplier" => LegAct::Cancel { reference: reference? },
            "declare_absent" => LegAct::DeclareAbsent { attempt: self.attempt?, reference },
            _ => return None,
        })
    }
}

/// Every leg with what is safe to do about it now.
pub(super) fn section(booking_id: BookingId, reply: &LegsReply, session: &Session) -> Markup {
    html! {
        section.card id="legs" {
            h2 { "What can be done" }
            @for leg in &reply.legs {
                p {
                    b { (leg.supplier) }
                    @if let Some(since) = leg.in_doubt_since {
                        " " span.pill.warn { "in doubt" } " since " (instant(since))
                    }
                }
                (safe(booking_id, leg, session))
            }
            @if reply.legs.is_empty() { p.empty { "There is no leg at a supplier." } }
        }
    }
}

fn safe(booking_id: BookingId, leg: &LegStanding, session: &Session) -> Markup {
    let mine: Vec<_> = leg.safe.iter().filter(|act| session.may(act_of(act).1)).collect();
    html! {
        @if mine.is_empty() {
            p.sub { "Nothing that you could do is safe as things stand." }
        } @else {
            div.acts {
                @for act in mine {
                    a.button.quiet href=(link(booking_id, leg.leg_id, act)) { (title(act)) " …" }
                }
            }
        }
    }
}

fn link(booking_id: BookingId, leg_id: LegId, act: &LegAct) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("act", act_of(act).0);
    match act {
        LegAct::LookUp {} => {}
        LegAct::Adopt { reference } | LegAct::Cancel { reference } => {
            query.append_pair("reference", reference);
        }
        LegAct::DeclareAbsent { attempt, reference } => {
            query.append_pair("attempt", &attempt.to_string());
            query.append_pair("reference", reference.as_deref().unwrap_or_default());
        }
    }
    format!("/bookings/{booking_id}/legs/{leg_id}?{}", query.finish())
}

fn title(act: &LegAct) -> String {
    match act {
        LegAct::LookUp {} => "Look up now".to_owned(),
        LegAct::Adopt { reference } => format!("Adopt {reference}"),
        LegAct::Cancel { reference } => format!("Cancel {reference} at the supplier"),
        LegAct::DeclareAbsent { attempt, reference: None } => {
            format!("Declare attempt {attempt} absent")
        }
        LegAct::DeclareAbsent { reference: Some(reference), .. } => {
            format!("Declare {reference} absent")
        }
    }
}

const fn explained(act: &LegAct) -> &'static str {
    match act {
        LegAct::LookUp {} => {
            "The supplier is asked now what it has under our references. Nothing is booked or \
             cancelled by it."
        }
        LegAct::Adopt { .. } => {
            "The reservation that the supplier named becomes this leg's, although it is dearer \
             than what was ordered. The booking goes on with it."
        }
        LegAct::Cancel { .. } => "The supplier is asked to cancel this reservation.",
        LegAct::DeclareAbsent { .. } => {
            "We take it that nothing of it exists at the supplier, on the evidence that you give. \
             It is looked for all the same: should it show, it is given back."
        }
    }
}

/// What would be done, and a form to do it.
pub(super) async fn ask(
    State(app): State<App>,
    session: Session,
    Path((booking_id, leg_id)): Path<(BookingId, LegId)>,
    Query(which): Query<Which>,
) -> Result<Response, ApiError> {
    let act = which.read().ok_or_else(ApiError::not_found)?;
    if !session.may(act_of(&act).1) {
        return Err(ApiError::forbidden());
    }
    let needs_evidence = matches!(act, LegAct::DeclareAbsent { .. });
    let reply = legs::standing(&app, booking_id).await;
    let reply = reply.ok_or_else(|| elsewhere::silent("supplier-sync"))?;
    let leg = reply.legs.iter().find(|leg| leg.leg_id == leg_id).ok_or_else(ApiError::not_found)?;
    let body = html! {
        section.card { h2 { "What is known" } (known(leg, &act)) }
        section.card.narrow {
            h2 { "This will be done" }
            p { (explained(&act)) }
            @if !leg.safe.contains(&act) {
                div.notice.warn role="alert" {
                    p { "As things stand now this is not safe, and it would be refused." }
                }
            }
            form method="post" action=(format!("/bookings/{booking_id}/legs/{leg_id}")) {
                (csrf(&session))
                input type="hidden" name="act" value=(which.act);
                @if let Some(reference) = &which.reference {
                    input type="hidden" name="reference" value=(reference);
                }
                @if let Some(attempt) = which.attempt {
                    input type="hidden" name="attempt" value=(attempt);
                }
                @if needs_evidence {
                    label for="evidence" { "Evidence" }
                    textarea id="evidence" name="evidence" required maxlength="2000"
                        placeholder="What the supplier said, when, and to whom" {}
                }
                (reason("Why it is right"))
                div.acts {
                    button type="submit" { (title(&act)) }
                    a.button.quiet href=(format!("/bookings/{booking_id}")) { "No, go back" }
                }
            }
        }
    };
    Ok(Page::new(title(&act), "", body).framed(Some(&session)))
}

/// How the leg stands, and of it what the act is about, as the supplier's own answers say.
fn known(leg: &LegStanding, act: &LegAct) -> Markup {
    let (number, named) = match act {
        LegAct::LookUp {} => (None, None),
        LegAct::Adopt { reference } | LegAct::Cancel { reference } => (None, Some(reference)),
        LegAct::DeclareAbsent { attempt, reference } => (Some(*attempt), reference.as_ref()),
    };
    let attempts = leg.attempts.iter().filter(|attempt| {
        number.is_none_or(|number| attempt.attempt == number)
            && named.is_none_or(|name| attempt.reservations.iter().any(|r| r.reference == *name))
    });
    let is_meant = |one: &&ReservationStanding| named.is_none_or(|name| one.reference == *name);
    html! {
        p {
            b { (leg.supplier) } ": booking wants it " b { (word(&leg.wanted)) }
            @match &leg.told {
                Some(told) => { ", and was told that it is " b { (word(told)) } "." }
                None => ", and was told nothing yet.",
            }
        }
        @for attempt in attempts {
            p.sub {
                "Attempt " (attempt.attempt) " under our reference " code { (attempt.client_reference) }
                ": " (word(&attempt.known))
                @if let Some(at) = attempt.looked_at { ", looked up last at " (instant(at)) }
                "."
            }
            @for one in attempt.reservations.iter().filter(is_meant) {
                (reservation(one))
            }
        }
    }
}

fn reservation(one: &ReservationStanding) -> Markup {
    html! {
        dl.pairs {
            dt { "Reservation" } dd { code { (one.reference) } " " span.pill { (word(&one.stage)) } }
            @if let (Some(from), Some(to)) = (one.check_in, one.check_out) {
                dt { "From, to" } dd { (from) ", " (to) }
            }
            @if let Some(price) = &one.price { dt { "Price there" } dd { (price) } }
            dt { "As ordered" }
            dd { (if one.differs { "no: other dates, or dearer" } else { "yes, as far as was read" }) }
            dt { "Wanted" }
            dd { (if one.chosen { "yes, as things stand" } else { "no, as things stand" }) }
            @if let Some(at) = one.read_at { dt { "Read last" } dd { (instant(at)) } }
            @if let Some(at) = one.missing_since { dt { "Not shown since" } dd { (instant(at)) } }
            @if one.undo_tries > 0 { dt { "Given back in vain" } dd { (one.undo_tries) " times" } }
        }
    }
}

/// The word that the contract has for it.
fn word<T: serde::Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    let text = value.as_str().or_else(|| value.get("is").and_then(serde_json::Value::as_str));
    text.unwrap_or("–").replace('_', " ")
}

/// Does it.
pub(super) async fn act(
    State(app): State<App>,
    actor: Actor,
    Path((booking_id, leg_id)): Path<(BookingId, LegId)>,
    Form(said): Form<Said>,
) -> Result<Response, ApiError> {
    let wanted = said.and_then(|Said { act, reference, attempt, reason, evidence }| {
        let act = Which { act, reference, attempt }.read().ok_or_else(ApiError::not_found)?;
        Ok(Json(Wanted { reason, evidence, act }))
    });
    drop(legs::act(State(app), actor, Path((booking_id, leg_id)), wanted).await?);
    Ok(Redirect::to(&format!("/bookings/{booking_id}")).into_response())
}
