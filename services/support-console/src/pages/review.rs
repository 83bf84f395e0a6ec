//! A booking that waits for a person: why, whose it is, and what is safe to do about it, each on a
//! page that says what it does.

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
    internal::{OpenReview, RefundStanding, ReviewAct, ReviewReply, SafeAct, SeenReply},
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    layout::{Page, ago, csrf, instant, reason},
    session::{Form, Session},
};
use crate::{
    App,
    http::{
        APPROVER, OPERATOR,
        acting::Actor,
        actions::Because,
        review::{self, Proof, Wanted},
    },
};

/// Which act, as a link or a form says it.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    act: ReviewAct,
    leg_id: Option<LegId>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Said {
    act: ReviewAct,
    #[serde(default)]
    leg_id: Option<LegId>,
    reason: String,
}

/// Why it waits, and what can be done.
pub(super) fn section(booking_id: BookingId, reply: &ReviewReply, session: &Session) -> Markup {
    let Some(open) = &reply.review else { return html! {} };
    let link = |act: &str| format!("/bookings/{booking_id}/review?act={act}");
    html! {
        section.card {
            h2 { "It waits for a person" }
            (standing(open, session))
            div.acts {
                @for act in &reply.safe {
                    @match act {
                        SafeAct::Take {} if session.may(OPERATOR) => {
                            a.button href=(link("take")) { "Look into it …" }
                        }
                        SafeAct::Release {} if session.may(OPERATOR) => {
                            a.button.quiet href=(link("release")) { "Leave it to others …" }
                        }
                        SafeAct::ApproveRefund { refund_id } if session.may(APPROVER) => {
                            a.button href=(format!("/bookings/{booking_id}/refunds/{refund_id}/approval")) {
                                "Let the refund go …"
                            }
                        }
                        SafeAct::ProveRefund { refund_id } if session.may(APPROVER) => {
                            a.button.quiet href=(format!("/bookings/{booking_id}/refunds/{refund_id}")) {
                                "Name what brought the refund …"
                            }
                        }
                        SafeAct::SettleRefund { refund_id } if session.may(APPROVER) => {
                            a.button.quiet href=(format!("/bookings/{booking_id}/refunds/{refund_id}/settlement")) {
                                "Answer for what is missing …"
                            }
                        }
                        SafeAct::LeaveLeg { leg_id } if session.may(OPERATOR) => {
                            a.button.quiet href=(link(&format!("leave_leg&leg_id={leg_id}"))) {
                                "Leave a leg there …"
                            }
                        }
                        SafeAct::GiveBackLeg { leg_id } if session.may(OPERATOR) => {
                            a.button.quiet href=(link(&format!("give_back_leg&leg_id={leg_id}"))) {
                                "Give a leg back …"
                            }
                        }
                        SafeAct::RepairLeg { .. } => a.button.quiet href="#legs" { "Repair a leg" },
                        SafeAct::WriteOffMoney {} => {
                            a.button.quiet href="/cases" { "Write its money off, at its case" }
                        }
                        SafeAct::AskForAddress {} => {
                            span.sub {
                                "The customer is to name another address for the refund: at their "
                                "booking, by themselves. Nobody here can do it for them."
                            }
                        }
                        SafeAct::Take {}
                        | SafeAct::Release {}
                        | SafeAct::ApproveRefund { .. }
                        | SafeAct::ProveRefund { .. }
                        | SafeAct::SettleRefund { .. }
                        | SafeAct::LeaveLeg { .. }
                        | SafeAct::GiveBackLeg { .. } => {}
                    }
                }
            }
        }
    }
}

fn standing(open: &OpenReview, session: &Session) -> Markup {
    html! {
        dl.pairs {
            dt { "Why" } dd { b { (words(&open.why)) } }
            @if let Some(stuck) = &open.stuck {
                dt { "It hangs at" }
                dd {
                    (words(&stuck.step)) ": " (words(&stuck.reason)) ", tried "
                    (stuck.attempts) (if stuck.attempts == 1 { " time" } else { " times" })
                }
            }
            dt { "Since" } dd { (ago(open.since, session.now)) }
            dt { "To be looked at until" }
            dd {
                (instant(open.by)) " "
                @if open.by < session.now { span.pill.bad { "late" } }
            }
            dt { "Who looks into it" }
            dd { (open.owner.as_deref().unwrap_or("nobody yet")) }
        }
    }
}

/// What an act would do, and a form.
pub(super) async fn ask(
    State(app): State<App>,
    session: Session,
    Path(booking_id): Path<BookingId>,
    Query(Which { act, leg_id }): Query<Which>,
) -> Result<Response, ApiError> {
    if !session.may(OPERATOR) {
        return Err(ApiError::forbidden());
    }
    let reply = review::standing(&app, booking_id).await;
    let open = reply.and_then(|reply| reply.review).ok_or_else(ApiError::not_found)?;
    let (title, word, done, hint) = match act {
        ReviewAct::Take => (
            "Look into this booking",
            "take",
            "Your name is shown beside it until you leave it, and nobody else can take it. Nothing \
             about the booking, the supplier or the money changes by it.",
            "What you are going to do",
        ),
        ReviewAct::Release => (
            "Leave it to others",
            "release",
            "Your name is taken off, and anybody can take it. It waits on.",
            "How far you came",
        ),
        ReviewAct::LeaveLeg => (
            "Leave this leg at its supplier",
            "leave_leg",
            "Nothing more is done about the leg: it stays at its supplier, who takes nothing back, \
             or it was used. What the customer was promised goes back all the same, and no more.",
            "What the supplier said, when and to whom",
        ),
        ReviewAct::GiveBackLeg => (
            "Give this leg back",
            "give_back_leg",
            "What the supplier made of it counts as not used: the leg is given back, and all of \
             its money goes back to the customer.",
            "How you know that it was not used",
        ),
    };
    let body = html! {
        section.card { (standing(&open, &session)) }
        section.card.narrow {
            h2 { "This will be done" }
            p { (done) }
            form method="post" action=(format!("/bookings/{booking_id}/review")) {
                (csrf(&session))
                input type="hidden" name="act" value=(word);
                @if let Some(leg_id) = leg_id {
                    input type="hidden" name="leg_id" value=(leg_id);
                }
                (reason(hint))
                div.acts {
                    button type="submit" { (title) }
                    a.button.quiet href=(format!("/bookings/{booking_id}")) { "No, go back" }
                }
            }
        }
    };
    Ok(Page::new(title, "", body).framed(Some(&session)))
}

/// Does it.
pub(super) async fn act(
    State(app): State<App>,
    actor: Actor,
    Path(booking_id): Path<BookingId>,
    Form(said): Form<Said>,
) -> Result<Response, ApiError> {
    let wanted = said.map(|Said { act, leg_id, reason }| Json(Wanted { reason, act, leg_id }));
    drop(review::act(State(app), actor, Path(booking_id), wanted).await?);
    Ok(Redirect::to(&format!("/bookings/{booking_id}")).into_response())
}

/// What naming a transaction would do, and a form.
pub(super) async fn ask_for_proof(
    State(app): State<App>,
    session: Session,
    Path((booking_id, refund_id)): Path<(BookingId, Uuid)>,
) -> Result<Response, ApiError> {
    if !session.may(APPROVER) {
        return Err(ApiError::forbidden());
    }
    let shown = shown(&app, booking_id).await;
    let body = html! {
        section.card { h2 { "The refund" } (refund(&shown, refund_id)) }
        section.card.narrow {
            h2 { "This will be done" }
            p {
                "Blocks that were read are searched for that transaction. If it brought this "
                "refund's asset to this refund's address, and no other refund has it, the refund "
                "counts as sent by it and is over once it lies deep enough. What brought a part of "
                "it counts as that part, and parts add up. If not, nothing changes. No money is "
                "sent."
            }
            form method="post" action=(format!("/bookings/{booking_id}/refunds/{refund_id}")) {
                (csrf(&session))
                label for="transaction" { "Transaction" }
                input.mono id="transaction" name="transaction" required maxlength="100"
                    autocomplete="off" spellcheck="false" placeholder="its hash";
                (reason("Who sent it, and how you know"))
                div.acts {
                    button type="submit" { "This brought it" }
                    a.button.quiet href=(format!("/bookings/{booking_id}")) { "No, go back" }
                }
            }
        }
    };
    Ok(Page::new("Name what brought the refund", "", body).framed(Some(&session)))
}

/// What answering for a refund would do, and a form.
pub(super) async fn ask_to_settle(
    State(app): State<App>,
    session: Session,
    Path((booking_id, refund_id)): Path<(BookingId, Uuid)>,
) -> Result<Response, ApiError> {
    if !session.may(APPROVER) {
        return Err(ApiError::forbidden());
    }
    let shown = shown(&app, booking_id).await;
    let body = html! {
        section.card { h2 { "The refund" } (refund(&shown, refund_id)) }
        section.card.narrow {
            h2 { "This will be done" }
            p {
                "The refund is over, and the customer is told that it arrived: you answer for what "
                "of it did not come to its address. It was given otherwise, or it is owed no more. "
                "No money is sent. What the treasury sends of it all the same is a case."
            }
            form method="post" action=(format!("/bookings/{booking_id}/refunds/{refund_id}/settlement")) {
                (csrf(&session))
                (reason("How it was given, or why it is owed no more"))
                div.acts {
                    button type="submit" { "I answer for it" }
                    a.button.quiet href=(format!("/bookings/{booking_id}")) { "No, go back" }
                }
            }
        }
    };
    Ok(Page::new("Answer for what is missing", "", body).framed(Some(&session)))
}

/// Ends it.
pub(super) async fn settle(
    State(app): State<App>,
    actor: Actor,
    Path((booking_id, refund_id)): Path<(BookingId, Uuid)>,
    Form(because): Form<Because>,
) -> Result<Response, ApiError> {
    let path = Path((booking_id, refund_id));
    review::settle(State(app), actor, path, because.map(Json)).await?;
    Ok(Redirect::to(&format!("/bookings/{booking_id}")).into_response())
}

/// What its customer is shown of a booking.
async fn shown(app: &App, booking_id: BookingId) -> Value {
    let path = format!("/internal/bookings/{booking_id}/seen");
    let seen = app.owners.one::<SeenReply>("booking", &path).await;
    seen.and_then(Result::ok).map(|seen| seen.shown).unwrap_or_default()
}

/// What booking shows of a refund; never where it goes.
fn refund(shown: &Value, refund_id: Uuid) -> Markup {
    let all = shown.pointer("/payment/refunds").and_then(Value::as_array);
    let id = refund_id.to_string();
    let found = all.into_iter().flatten().find(|one| text(one, "refund_id") == id);
    html! {
        @match found {
            None => p.empty { "booking does not show it." },
            Some(one) => dl.pairs {
                dt { "Smallest units" } dd { (text(one, "units")) }
                dt { "Of" } dd { (shown.pointer("/payment/asset").and_then(Value::as_str).unwrap_or("–")) }
                dt { "Stands as" } dd { (words(text(one, "state"))) }
                dt { "Should be there by" } dd { (text(one, "by")) }
                dt { "Seen so far in" } dd { (text(one, "transaction")) }
            },
        }
    }
}

/// Names it.
pub(super) async fn prove(
    State(app): State<App>,
    session: Session,
    actor: Actor,
    Path((booking_id, refund_id)): Path<(BookingId, Uuid)>,
    Form(proof): Form<Proof>,
) -> Result<Response, ApiError> {
    let path = Path((booking_id, refund_id));
    let (_accepted, Json(standing)) =
        review::prove(State(app), actor, path, proof.map(Json)).await?;
    let missing = standing.filter(|standing| !standing.missing.is_zero());
    let Some(RefundStanding { missing, .. }) = missing else {
        return Ok(Redirect::to(&format!("/bookings/{booking_id}")).into_response());
    };
    let body = html! {
        section.card.narrow {
            p {
                "It counts. " (missing) " of its smallest units do not lie deep enough yet, or are "
                "missing still."
            }
            div.acts { a.button href=(format!("/bookings/{booking_id}")) { "Back to the booking" } }
        }
    };
    Ok(Page::new("It brought the refund, or a part", "", body).framed(Some(&session)))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("–")
}

fn words(text: &str) -> String {
    text.replace('_', " ")
}
