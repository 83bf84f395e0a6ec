//! What is odd about a payment: in a list, one with what shows it, and its closing.

use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect, Response},
};
use chassis::{
    ApiError,
    http::{Json, Path},
};
use chrono::{DateTime, Utc};
use contracts::internal::PaymentCase;
use maud::{Markup, html};
use uuid::Uuid;

use super::{
    layout::{Page, ago, booking_link, csrf, instant, reason},
    session::{Form, Session},
};
use crate::{
    App,
    http::{APPROVER, OPERATOR, acting::Actor, actions::Because, payment_cases},
};

/// Cases as a table.
pub(super) fn table(cases: &[PaymentCase], now: DateTime<Utc>) -> Markup {
    html! {
        table.stack {
            thead { tr {
                th { "What" } th { "Chain" } th.n { "Amount" } th { "Transaction" } th { "Booking" }
                th { "For" }
            } }
            tbody {
                @for case in cases {
                    tr {
                        td { a href=(format!("/payment-cases/{}", case.case_id)) { (title(&case.reason)) } }
                        td data-label="Chain" { (case.chain.as_deref().unwrap_or("–")) }
                        td.n data-label="Amount" { (amount(case)) }
                        td data-label="Transaction" {
                            @match &case.transaction {
                                Some(transaction) => code.id { (beginning(transaction)) },
                                None => "–",
                            }
                        }
                        td data-label="Booking" { (booking_link(case.booking_id.0)) }
                        td data-label="For" { (ago(case.opened_at, now)) }
                    }
                }
            }
        }
    }
}

/// How much was moved, of what, as far as that is known.
fn amount(case: &PaymentCase) -> String {
    match (&case.amount_decimal, &case.asset, case.units) {
        (Some(amount), Some(asset), _) => format!("{amount} {asset}"),
        (_, _, Some(units)) => format!("{units} units"),
        (_, _, None) => "–".to_owned(),
    }
}

fn beginning(text: &str) -> String {
    let beginning: String = text.chars().take(14).collect();
    if beginning.len() < text.len() { format!("{beginning}…") } else { beginning }
}

/// A reason as people say it.
fn title(reason: &str) -> &str {
    match reason {
        "other_chain" => "Came on another chain",
        "other_asset" => "Came in another asset",
        "zero_value" => "A transfer of nothing",
        "look_alike_token" => "A token that nobody listed",
        "failed_receipt" => "A transfer that failed",
        "payment_reversed" => "Final money left its chain",
        "payment_unreadable" => "A payment that cannot be read",
        "card_disputed" => "A card's holder complains",
        "card_foreign_refund" => "The gateway gave back what nobody asked for",
        "card_differs" => "The gateway tells of another charge",
        "card_refused" => "The gateway takes no payment",
        "refund_failed" => "A refund failed",
        "refund_wrong_amount" => "A refund brought another amount",
        "refund_sent_twice" => "A refund was sent twice",
        "refund_sent_after_failure" => "A refund was sent after it had failed",
        "refund_reversed" => "A refund left its chain",
        "refund_overdue" => "A refund is overdue",
        "refund_disputed" => "The treasury contradicts itself about a refund",
        "refund_astray" => "A refund went astray",
        other => other,
    }
}

fn explained(reason: &str) -> &'static str {
    match reason {
        "other_chain" => {
            "Money came to the payment's address on a chain that it was not asked for on. It does not count, and lies at an address of ours."
        }
        "other_asset" => {
            "Another asset than was asked for came to the payment's address. It does not count, and lies at an address of ours."
        }
        "zero_value" => {
            "A transfer of nothing to the payment's address. Nothing has to be given back."
        }
        "look_alike_token" => {
            "A token came that is not in the registry, whatever it is called. It does not count."
        }
        "failed_receipt" => {
            "The chain did not carry out a transfer to the payment's address. Nothing came; its sender may believe that it did."
        }
        "payment_reversed" => {
            "Money that was final and had paid is not on its chain any more, or the bank gave it back to the card's holder. The case closes by itself when it is final again; what is lost for good is written off. While it is away no refund of it is sent: of a booking that was undone before it left, writing it off ends the refund, too, and nothing is owed."
        }
        "payment_unreadable" => {
            "The payment's row cannot be read. What its chain tells of it is kept and told to it once the row is mended; the case closes by itself then."
        }
        "card_disputed" => "The holder of the card asks their bank for the money back.",
        "card_foreign_refund" => "Somebody gave money back at the gateway, and not by way of us.",
        "card_differs" => {
            "What the gateway tells under the payment's name is not the payment that was asked for. Nothing of it is believed."
        }
        "card_refused" => "The gateway does not make the payment: nobody can pay it.",
        "refund_failed" => {
            "The treasury or the gateway cannot send it. The money is due all the same."
        }
        "refund_wrong_amount" => {
            "The transaction that brought it moved another amount than was granted."
        }
        "refund_sent_twice" => {
            "A second transaction brought the same refund. The money is lost to us."
        }
        "refund_sent_after_failure" => {
            "It was said to have failed, and a transaction brought it all the same. Another refund may have made up for it."
        }
        "refund_reversed" => {
            "The transaction that brought it left its chain after it had been final."
        }
        "refund_overdue" => "It was handed over longer ago than it may take, and did not arrive.",
        "refund_disputed" => "The treasury says one thing about it now and another before.",
        "refund_astray" => {
            "The transaction that the treasury names does not bring it to its address."
        }
        _ => "A person has to look.",
    }
}

/// One, with what shows it.
pub(super) async fn show(
    State(app): State<App>,
    session: Session,
    Path(id): Path<Uuid>,
) -> Result<Response, ApiError> {
    let Json(case) = payment_cases::show(State(app), session.bearer(), Path(id)).await?;
    let search = |key: &str| {
        let query =
            form_urlencoded::Serializer::new(String::new()).append_pair("key", key).finish();
        format!("/search?{query}")
    };
    let body = html! {
        p.lead { (explained(&case.reason)) }
        @if let Some(at) = case.closed_at {
            div.notice.good role="status" {
                p {
                    "Closed by " b { (case.closed_by.as_deref().unwrap_or("itself")) } " at "
                    (instant(at)) ": " (case.closed_because.as_deref().unwrap_or(""))
                }
            }
        }
        section.card {
            dl.pairs {
                dt { "Booking" } dd { a href=(format!("/bookings/{}", case.booking_id)) { code { (case.booking_id) } } }
                dt { "Payment" } dd { code { (case.payment_id) } }
                dt { "About" } dd { code { (case.subject) } }
                @if let Some(chain) = &case.chain { dt { "Chain" } dd { code { (chain) } } }
                @if let Some(transaction) = &case.transaction {
                    dt { "Transaction" } dd { a href=(search(transaction)) { code { (transaction) } } }
                }
                @if case.transaction.is_some() {
                    dt { "Asset" }
                    dd {
                        @match (&case.asset, &case.contract) {
                            (Some(asset), None) => (asset),
                            (Some(asset), Some(contract)) => { (asset) " " code { (contract) } },
                            (None, Some(contract)) => { "not in the registry, contract " code { (contract) } },
                            (None, None) => "the chain's own coin",
                        }
                    }
                }
                @if let Some(units) = case.units {
                    dt { "Amount" } dd { (amount(&case)) }
                    dt { "In its smallest units" } dd { (units) }
                }
                dt { "Open since" } dd { (instant(case.opened_at)) }
            }
        }
        @if case.closed_at.is_none() && session.may(OPERATOR) { (closing(&case, &session)) }
        @if case.closed_at.is_none() && case.reason == "payment_reversed" && session.may(APPROVER) {
            (writing_off(&case, &session))
        }
    };
    Ok(Page::new(title(&case.reason), "/cases", body).framed(Some(&session)))
}

fn closing(case: &PaymentCase, session: &Session) -> Markup {
    html! {
        section.card.narrow {
            h2 { "Close it" }
            p { "Nothing is sent and the booking does not change: you say that it is seen to." }
            form method="post" action=(format!("/payment-cases/{}", case.case_id)) {
                (csrf(session))
                (reason("What was done about it, or why nothing has to be"))
                div.acts { button type="submit" { "Close it" } }
            }
        }
    }
}

fn writing_off(case: &PaymentCase, session: &Session) -> Markup {
    html! {
        section.card.narrow {
            h2 { "Write the money off" }
            p {
                "The money is lost for good: the card's holder got it back, or it was spent "
                "otherwise. Its booking waits for it no more: what is bought stands, what is not "
                "bought is undone, a refund that was not sent is none, and its points stay frozen."
            }
            form method="post" action=(format!("/payment-cases/{}/write-off", case.case_id)) {
                (csrf(session))
                (reason("How you know that it will not come back"))
                div.acts { button type="submit" { "Write it off" } }
            }
        }
    }
}

/// Writes its money off.
pub(super) async fn write_off(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    Form(because): Form<Because>,
) -> Result<Response, ApiError> {
    drop(payment_cases::write_off(State(app), actor, Path(id), because.map(Json)).await?);
    Ok(Redirect::to(&format!("/payment-cases/{id}")).into_response())
}

/// Closes it.
pub(super) async fn close(
    State(app): State<App>,
    actor: Actor,
    Path(id): Path<Uuid>,
    Form(because): Form<Because>,
) -> Result<Response, ApiError> {
    drop(payment_cases::close(State(app), actor, Path(id), because.map(Json)).await?);
    Ok(Redirect::to(&format!("/payment-cases/{id}")).into_response())
}
