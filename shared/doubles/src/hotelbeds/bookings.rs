//! Bookings that exist: one by its reference or by the client's, a list, and cancelling.
//!
//! Published (booking-details; booking-list; cancel): the path by client reference names the
//! holder and the days as well; a list filters by `CHECKIN`, `CREATION` or `CANCELLATION`, ten on a
//! page; cancelling is simulated with `cancellationFlag=SIMULATION` and done with `CANCELLATION`,
//! which is also what happens without the flag.
//!
//! Assumed: of several bookings under one client reference the newest is shown; cancelling what is
//! cancelled is refused; a simulation shows the charge as `total`.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::errors::{Answer, invalid, missing};
use super::exchange::{Subject, exchange, name};
use super::shown;
use super::world::{Booking, State as Standing};
use super::{Hotelbeds, VISIBILITY_LAG};
use crate::faults::Fault;

/// Whether a look-up gets to see a booking.
fn visible(booking: &Booking, fault: Option<&Fault>, now: DateTime<Utc>) -> bool {
    let hidden = match fault {
        Some(fault) if fault.name == "lookup_lag" => fault.after(VISIBILITY_LAG),
        Some(_) | None => booking.invisible_for,
    };
    name(fault) != "lookup_empty" && booking.created_at + hidden <= now
}

fn shown(
    hotelbeds: &Hotelbeds,
    booking: Option<&Booking>,
    fault: Option<&Fault>,
    now: DateTime<Utc>,
) -> Answer {
    match booking.filter(|booking| visible(booking, fault, now)) {
        Some(booking) => {
            let body = json!({ "booking": shown::booking(hotelbeds, booking, fault, now) });
            Answer::of(StatusCode::OK, body).about(&booking.reference)
        }
        None => missing("reference: there is no such booking"),
    }
}

/// `GET /bookings/{language}/{reference}`
pub(super) async fn detail(
    State(hotelbeds): State<Arc<Hotelbeds>>,
    Path((_language, reference)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let subject = Subject { reference: Some(reference.clone()), ..Subject::default() };
    exchange(hotelbeds, "lookup", &headers, subject, move |hotelbeds, fault, now| {
        hotelbeds.with_world(|world| shown(hotelbeds, world.get(&reference), fault, now))
    })
    .await
}

type ByClientReference = (String, String, String, String, NaiveDate, NaiveDate);

/// `GET /bookings/{language}/{client_reference}/{name}/{surname}/{start}/{end}`
pub(super) async fn detail_by_client_reference(
    State(hotelbeds): State<Arc<Hotelbeds>>,
    Path((_language, client_reference, name, surname, start, end)): Path<ByClientReference>,
    headers: HeaderMap,
) -> Response {
    let named = Some(Arc::from(client_reference.as_str()));
    let subject = Subject { client_reference: named, ..Subject::default() };
    exchange(hotelbeds, "lookup", &headers, subject, move |hotelbeds, fault, now| {
        let same = |given: &str, held: &str| given.eq_ignore_ascii_case(held);
        let fits = |booking: &&Booking| {
            booking.client_reference.as_deref() == Some(client_reference.as_str())
                && same(&name, &booking.holder.0)
                && same(&surname, &booking.holder.1)
                && start <= booking.chosen.from
                && booking.chosen.to <= end
        };
        hotelbeds.with_world(|world| {
            let newest = world.all().filter(fits).max_by_key(|it| (it.created_at, &it.reference));
            shown(hotelbeds, newest, fault, now)
        })
    })
    .await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listing {
    start: Option<NaiveDate>,
    end: Option<NaiveDate>,
    #[serde(default)]
    included_cancelled: bool,
    filter_type: Option<String>,
    items_per_page: Option<usize>,
    page: Option<usize>,
}

/// `GET /bookings/{language}?start=&end=&includedCancelled=&filterType=&itemsPerPage=&page=`
pub(super) async fn list(
    State(hotelbeds): State<Arc<Hotelbeds>>,
    headers: HeaderMap,
    Query(asked): Query<Listing>,
) -> Response {
    exchange(hotelbeds, "lookup", &headers, Subject::default(), move |hotelbeds, fault, now| {
        let (Some(start), Some(end)) = (asked.start, asked.end) else {
            return invalid("start, end: both are needed");
        };
        let day = |booking: &Booking| match asked.filter_type.as_deref() {
            None | Some("CHECKIN") => Some(booking.chosen.from),
            Some("CREATION") => Some(booking.created_at.date_naive()),
            Some(_) => match booking.state {
                Standing::Cancelled { at } => Some(at.date_naive()),
                Standing::Preconfirmed { .. } | Standing::Confirmed => None,
            },
        };
        let (per_page, page) = (asked.items_per_page.unwrap_or(10), asked.page.unwrap_or(1));
        hotelbeds.with_world(|world| {
            let found: Vec<&Booking> = world
                .all()
                .filter(|it| day(it).is_some_and(|day| start <= day && day <= end))
                .filter(|it| {
                    asked.included_cancelled || !matches!(it.state, Standing::Cancelled { .. })
                })
                .filter(|it| visible(it, fault, now))
                .collect();
            let skipped = page.saturating_sub(1).saturating_mul(per_page);
            let bookings: Vec<Value> = found
                .iter()
                .skip(skipped)
                .take(per_page)
                .map(|it| shown::listed(hotelbeds, it, fault))
                .collect();
            let pagination =
                json!({ "itemsPerPage": per_page, "page": page, "totalItems": found.len() });
            Answer::of(StatusCode::OK, json!({ "bookings": bookings, "pagination": pagination }))
        })
    })
    .await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Flag {
    cancellation_flag: Option<String>,
}

/// `DELETE /bookings/{language}/{reference}?cancellationFlag=`
pub(super) async fn cancel(
    State(hotelbeds): State<Arc<Hotelbeds>>,
    Path((_language, reference)): Path<(String, String)>,
    headers: HeaderMap,
    Query(flag): Query<Flag>,
) -> Response {
    let simulated = flag.cancellation_flag.as_deref() == Some("SIMULATION");
    let operation = if simulated { "quote_cancel" } else { "cancel" };
    let subject = Subject { reference: Some(reference.clone()), ..Subject::default() };
    exchange(hotelbeds, operation, &headers, subject, move |hotelbeds, fault, now| {
        let known = ["SIMULATION", "CANCELLATION"];
        if flag.cancellation_flag.as_deref().is_some_and(|flag| !known.contains(&flag)) {
            return invalid("cancellationFlag: SIMULATION or CANCELLATION");
        }
        if name(fault) == "cancel_refused" {
            return invalid("reference: this booking cannot be cancelled");
        }
        hotelbeds.with_world(|world| {
            let Some(booking) = world.get(&reference).cloned() else {
                return missing("reference: there is no such booking");
            };
            if matches!(booking.state, Standing::Cancelled { .. }) {
                return invalid("reference: is cancelled already");
            }
            let charged = shown::charge(&hotelbeds.catalogue, &booking, now);
            if !simulated {
                world.cancel(&reference, now, charged);
            }
            let state = Standing::Cancelled { at: now };
            let told = Booking { state, charged, ..booking };
            let body = json!({ "booking": shown::booking(hotelbeds, &told, None, now) });
            Answer::of(StatusCode::OK, body)
        })
    })
    .await
}
