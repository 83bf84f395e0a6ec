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
    internal::{LegAct, LegStanding, LegsReply},
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
        section.card {
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
    session: Session,
    Path((booking_id, leg_id)): Path<(BookingId, LegId)>,
    Query(which): Query<Which>,
) -> Result<Response, ApiError> {
    let act = which.read().ok_or_else(ApiError::not_found)?;
    if !session.may(act_of(&act).1) {
        return Err(ApiError::forbidden());
    }
    let needs_evidence = matches!(act, LegAct::DeclareAbsent { .. });
    let body = html! {
        section.card.narrow {
            h2 { "This will be done" }
            p { (explained(&act)) }
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

/// Does it.
pub(super) async fn act(
    State(app): State<App>,
    actor: Actor,
    Path((booking_id, leg_id)): Path<(BookingId, LegId)>,
    Form(said): Form<Said>,
) -> Result<Response, ApiError> {
    let Said { act, reference, attempt, reason, evidence } = said;
    let act = Which { act, reference, attempt }.read().ok_or_else(ApiError::not_found)?;
    let wanted = Ok(Json(Wanted { reason, evidence, act }));
    drop(legs::act(State(app), actor, Path((booking_id, leg_id)), wanted).await?);
    Ok(Redirect::to(&format!("/bookings/{booking_id}")).into_response())
}
