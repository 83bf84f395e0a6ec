//! `GET /v1/bookings/{id}/events`: the booking, live.
//!
//! A browser's `EventSource` sends no Authorization header, so the address carries a ticket: which
//! booking, whose, until when, sealed. A ticket gives no new ticket, or one that leaked would be
//! good for ever: when it ends the stream ends, and a client that comes again with it gets 401, at
//! which an `EventSource` gives up. A new one is in the answer to `GET /v1/bookings/{id}`.

use std::time::Duration;

use axum::{
    extract::State,
    response::{
        IntoResponse as _, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use booking_core::Booking;
use chassis::{
    ApiError,
    http::{Path, Query},
};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use contracts::ids::{AccountId, BookingId};
use futures::{Stream, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    openapi::problems,
    reader, store_failed,
    views::{self, ShownBooking},
};
use crate::{
    App, live,
    live::{Picture, Place},
    store,
};

/// What tickets are sealed for, so that no other sealed text passes for one.
const TICKET_AAD: &[u8] = b"events";
/// How soon a client comes again after a stream ended.
const COME_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often an open stream looks whether its ticket still holds.
const LOOK_AT_TICKET_EVERY: Duration = Duration::from_secs(1);

/// What an address of events vouches for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ticket {
    booking_id: BookingId,
    account_id: AccountId,
    until: DateTime<Utc>,
}

/// Where a booking can be watched, for its account; nothing when that cannot be sealed.
pub(super) fn url(app: &App, booking: &Booking) -> Option<String> {
    let lasts_for = TimeDelta::from_std(app.policy.live.ticket_for).unwrap_or(TimeDelta::MAX);
    let ticket = Ticket {
        booking_id: booking.booking_id,
        account_id: booking.account_id.clone(),
        until: (app.clock.now() + lasts_for).trunc_subsecs(3),
    };
    let text = serde_json::to_string(&ticket).ok()?;
    let sealed = app.sealer.seal_text(&text, TICKET_AAD).ok()?;
    Some(format!("/v1/bookings/{}/events?ticket={sealed}", booking.booking_id))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// As `events_url` has it.
    ticket: Option<String>,
}

/// The booking, live, as Server-Sent Events.
///
/// Each event is named `booking`, its data is the booking as `GET /v1/bookings/{id}` shows it
/// without `events_url`, its id the booking's version. It begins with the booking as it is, unless
/// `Last-Event-ID` names that version, at any instance. Confirmations that move come with the same
/// id. An event named `end` says that the ticket ended: ask for the booking again to get a new one.
#[utoipa::path(
    get, path = "/v1/bookings/{id}/events", tag = "bookings", security(()),
    params(
        ("id" = Uuid, Path, description = "The booking"),
        Asked,
        ("Last-Event-ID" = Option<u64>, Header, description = "The version that is known already"),
    ),
    responses(
        (status = 200, description = "Events", body = ShownBooking, content_type = "text/event-stream"),
        problems::BadTicket, problems::NotFound, problems::TooMany,
    ),
)]
pub(super) async fn follow(
    State(app): State<App>,
    Path(booking_id): Path<BookingId>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let ticket = check(&app, booking_id, asked.ticket.as_deref())?;
    let mut conn = reader(&app).await?;
    let found = store::load_for_account(&mut conn, &ticket.account_id, booking_id).await;
    let booking = found.map_err(store_failed)?.ok_or_else(ApiError::not_found)?;
    drop(conn);
    let confirmations = live::depths(&app.cache, &[&booking]).await.pop().flatten();
    let known = last_event(&headers).filter(|version| *version == booking.version);
    let picture = Picture { booking: booking.into(), confirmations };
    let most = app.policy.live.streams_per_account_max;
    let place = app.live.watch(picture, most).map_err(|live::TooMany| {
        let detail = "the account has as many streams open as it may; close one";
        ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too_many_streams", detail)
            .retry_in(Duration::from_secs(30))
    })?;
    let keep_alive = KeepAlive::new().interval(app.policy.live.keep_alive);
    let shown = known.map(|version| (version, None));
    let events = events(Follower { app, place, shown, until: ticket.until, begun: false });
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    // A proxy that collects what it is sent would make of a live stream a late one.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response.headers_mut().insert(unbuffered.0, unbuffered.1);
    Ok(response)
}

fn check(app: &App, booking_id: BookingId, ticket: Option<&str>) -> Result<Ticket, ApiError> {
    let refused = |code, detail: &str| ApiError::new(StatusCode::UNAUTHORIZED, code, detail);
    let text = ticket.ok_or_else(|| refused("ticket_missing", "events need a ticket"))?;
    let open = app.sealer.open_text(text, TICKET_AAD).ok();
    let ticket: Option<Ticket> = open.and_then(|text| serde_json::from_str(&text).ok());
    let ticket = ticket.filter(|ticket| ticket.booking_id == booking_id);
    let ticket = ticket.ok_or_else(|| refused("ticket_invalid", "the ticket is not valid here"))?;
    if ticket.until <= app.clock.now() {
        let detail = "the ticket has ended; ask for the booking again to get a new one";
        return Err(refused("ticket_expired", detail));
    }
    Ok(ticket)
}

/// The version that the client has; what is no version is as if it had none.
fn last_event(headers: &HeaderMap) -> Option<u64> {
    headers.get("last-event-id")?.to_str().ok()?.trim().parse().ok()
}

/// One open stream.
struct Follower {
    app: App,
    place: Place,
    /// The newest picture that was sent: version and confirmations.
    shown: Option<(u64, Option<u64>)>,
    until: DateTime<Utc>,
    begun: bool,
}

type Told = Result<Event, axum::Error>;

fn events(follower: Follower) -> impl Stream<Item = Told> {
    stream::unfold(Some(follower), |follower| async move {
        let mut follower = follower?;
        if !follower.begun {
            follower.begun = true;
            return Some((Ok(Event::default().retry(COME_AGAIN_AFTER)), Some(follower)));
        }
        match follower.next().await {
            Next::Picture(event) => Some((event, Some(follower))),
            Next::TicketEnded => {
                let event = Event::default().event("end").data(r#"{"why":"ticket_ended"}"#);
                Some((Ok(event), None))
            }
            Next::Stopping => None,
        }
    })
}

enum Next {
    Picture(Told),
    TicketEnded,
    /// The process stops; the client comes again and finds another instance.
    Stopping,
}

impl Follower {
    async fn next(&mut self) -> Next {
        loop {
            if let Some(event) = self.news() {
                return Next::Picture(event);
            }
            if self.app.clock.now() >= self.until {
                return Next::TicketEnded;
            }
            tokio::select! {
                () = self.app.process.shutdown.cancelled() => return Next::Stopping,
                changed = self.place.news.changed() => {
                    if changed.is_err() {
                        return Next::Stopping;
                    }
                }
                () = tokio::time::sleep(LOOK_AT_TICKET_EVERY) => {}
            }
        }
    }

    /// What the client does not know yet.
    fn news(&mut self) -> Option<Told> {
        let picture = self.place.news.borrow_and_update().clone();
        let now = (picture.booking.version, picture.confirmations);
        if self.shown == Some(now) {
            return None;
        }
        self.shown = Some(now);
        let view = views::at_depth(&self.app, &picture.booking, picture.confirmations);
        let event = Event::default().event("booking").id(picture.booking.version.to_string());
        Some(event.json_data(view))
    }
}
