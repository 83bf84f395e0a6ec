//! `POST /v1/bookings` and what one can ask of a booking afterwards.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse as _, Response},
};
use booking_core::{Accept, Command, LegPlan, OnRefusal, Policy, Recorded, decide, record};
use chassis::{
    ApiError,
    auth::Bearer,
    http::{Json, Path},
};
use contracts::{
    asset::Units,
    ids::{AccountId, BookingId, PaymentId, QuoteId},
    money::Money,
    offer::ProductKind,
    shown::{ASSETS_KEY, ShownAssets},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    account,
    address::{self, Chain},
    form::{Faults, Form},
    openapi::{problems, shapes},
    people::{self, May},
    reader, refused, store_failed, views,
};
use crate::{
    App,
    contact::email_index,
    handle,
    quote::{Quote, QuotedLeg},
    store::{self, Accepted, ClaimState, FirstAnswer, NewBooking},
};

const KEY_BYTES_MAX: usize = 255;

/// A booking request, read and checked. Its digest is what makes two requests the same.
#[derive(Serialize)]
struct Request {
    quote_id: QuoteId,
    terms: Option<String>,
    people: people::Party,
    redeem_points: u64,
    refund_to: Option<String>,
    /// Left out where it is the usual, so that requests from before it could be chosen stay the
    /// same.
    #[serde(skip_serializing_if = "is_undo_all")]
    on_refusal: OnRefusal,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_undo_all(chosen: &OnRefusal) -> bool {
    *chosen == OnRefusal::UndoAll
}

/// Books a quote: one click, one booking, however often it is sent under one `Idempotency-Key`.
#[utoipa::path(
    post, path = "/v1/bookings", tag = "bookings", request_body = shapes::BookingRequest,
    params((
        "Idempotency-Key" = String, Header,
        description = "Made by the client, one for each click; 1 to 255 visible characters",
    )),
    responses(
        (status = 202, description = "Accepted; `Location` leads to it", body = shapes::Accepted),
        problems::Malformed, problems::NotFound, problems::Refused, problems::Invalid,
        problems::Unavailable,
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    bearer: Bearer,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let key = idempotency_key(&headers)?;
    let request = read(&app, &body)?;
    let people = serde_json::to_vec(&request.people).map_err(|e| ApiError::internal(&e))?;
    let email_index = email_index(&app.contacts, request.people.email());
    let whole = serde_json::to_vec(&request).map_err(|e| ApiError::internal(&e))?;
    let fingerprint = Sha256::digest(&whole).to_vec();
    let quote = match app.cache.lock(&account, request.quote_id).await {
        Some(quote) => quote,
        // Redis has nothing; the row may still, or an earlier request with this key.
        None => match quote_of_row(&app, &account, &key, &fingerprint, request.quote_id).await? {
            Found::Quote(quote) => *quote,
            Found::Answer(response) => return Ok(response),
        },
    };
    check_against(&quote, &request)?;
    check_address(&app, &quote, &request).await?;
    check_points(&app, &quote, &request).await?;
    // Runs to its end even when the customer hangs up: what is begun is committed or not.
    let tasks = app.process.tasks.clone();
    let asked = Asked { account, quote, request, people, email_index, key, fingerprint };
    let accepted = tasks.to_the_end("accept", async move { accept(&app, &asked).await });
    accepted.await.unwrap_or_else(|| Err(ApiError::internal_logged()))
}

/// The `Idempotency-Key` header: a structured-field string, or bare.
fn idempotency_key(headers: &HeaderMap) -> Result<String, ApiError> {
    let missing = || {
        let detail = "a booking needs an Idempotency-Key header, so that one click is one booking";
        ApiError::bad_request("idempotency_key_missing", detail)
    };
    let text = headers.get("idempotency-key").ok_or_else(missing)?;
    let text = text.to_str().map_err(|_| missing())?.trim();
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let plain = inner.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && !inner.contains('"');
    if inner.is_empty() || inner.len() > KEY_BYTES_MAX || !plain {
        let detail = format!("the key must have 1 to {KEY_BYTES_MAX} visible characters");
        return Err(ApiError::bad_request("idempotency_key_invalid", detail));
    }
    Ok(inner.to_owned())
}

fn read(app: &App, body: &Value) -> Result<Request, ApiError> {
    let faults = Faults::default();
    let form = Form::new(body, "", &faults);
    let quote_id = form.text("quote_id", |text| {
        text.parse::<QuoteId>().map_err(|_| "must be the id of a quote".to_owned())
    });
    let people = people::read(&form, &faults, super::quotes::LEGS_MAX, &May::of(app));
    let redeem_points = form.optional_count("redeem_points").unwrap_or(0);
    let refund_to =
        address::confirmed(&form, &faults, &Chain::Any, "refund_to", "refund_to_confirm");
    let on_refusal = form.optional_text("on_refusal", |text| match text {
        "undo_all" => Ok(OnRefusal::UndoAll),
        "keep_held" => Ok(OnRefusal::KeepHeld),
        _ => Err("must be undo_all or keep_held".to_owned()),
    });
    let on_refusal = on_refusal.unwrap_or_default();
    let terms = form.optional_text("terms", |text| Ok(text.to_owned()));
    form.end();
    faults.answer()?;
    let (Some(quote_id), Some(people)) = (quote_id, people) else {
        return Err(ApiError::internal_logged());
    };
    Ok(Request { quote_id, terms, people, redeem_points, refund_to, on_refusal })
}

enum Found {
    Quote(Box<Quote>),
    Answer(Response),
}

async fn quote_of_row(
    app: &App,
    account: &AccountId,
    key: &str,
    fingerprint: &[u8],
    quote_id: QuoteId,
) -> Result<Found, ApiError> {
    let mut conn = reader(app).await?;
    // The quote first, the key after it: a claim and its key are committed together, so whoever
    // sees the claim also sees the key.
    let found = store::load_quote(&mut conn, account, quote_id).await.map_err(store_failed)?;
    if let Some((quote, ClaimState::Open, _)) = found {
        return Ok(Found::Quote(Box::new(quote)));
    }
    let first = store::first_answer(&mut conn, account, key).await.map_err(store_failed)?;
    match (first, found.map(|(_, state, _)| state)) {
        (Some(first), _) => replay(&first, fingerprint).map(Found::Answer),
        (None, None) => Err(ApiError::not_found()),
        (None, Some(ClaimState::Claimed(_))) => Err(taken()),
        (None, Some(ClaimState::Open | ClaimState::Expired)) => Err(expired()),
    }
}

fn check_against(quote: &Quote, request: &Request) -> Result<(), ApiError> {
    let terms = quote.terms().map_err(|error| ApiError::internal(&error))?;
    if request.terms.as_ref().is_some_and(|named| *named != terms) {
        return Err(ApiError::conflict("terms_differ", "the quote promises other terms")
            .with("terms", terms));
    }
    if request.people.travellers.len() > quote.guests_max() {
        let detail = format!("the quote is for {} guests", quote.guests_max());
        return Err(ApiError::conflict("guests_differ", detail));
    }
    let mut unknown = Vec::new();
    for (n, named) in request.people.legs.iter().enumerate() {
        let leg = quote.legs.iter().find(|leg| leg.leg_id == named.leg_id);
        let Some(most) = leg.map(QuotedLeg::guests_max) else {
            let pointer = format!("/legs/{n}/leg_id");
            unknown.push(super::form::error(pointer, "unknown", "is not a leg of the quote"));
            continue;
        };
        if named.travellers.len() > most {
            let detail = format!("this leg of the quote is for {most} guests");
            let pointer = format!("/legs/{n}/travellers");
            return Err(ApiError::conflict("guests_differ", detail).with("pointer", pointer));
        }
    }
    unknown.extend(unfit_to_fly(quote, &request.people));
    if unknown.is_empty() { Ok(()) } else { Err(ApiError::invalid(unknown)) }
}

/// Refuses an address of another chain than the quoted asset's.
///
/// Where Redis has no assets, nobody is asked: nothing is ever sent to an address that its chain
/// does not know, and the customer can name another then.
async fn check_address(app: &App, quote: &Quote, request: &Request) -> Result<(), ApiError> {
    let Some(to) = &request.refund_to else { return Ok(()) };
    let Some(shown) = app.cache.shown::<ShownAssets>(ASSETS_KEY).await else { return Ok(()) };
    let asset = shown.assets.iter().find(|asset| asset.asset == quote.amount.asset);
    let read = asset.map_or(Ok(()), |asset| Chain::named(&asset.chain).read(to).map(|_| ()));
    let fault =
        |detail| ApiError::invalid(vec![super::form::error("/refund_to", "invalid", detail)]);
    read.map_err(fault)
}

/// Refuses points that leave less to pay than can be paid in the quoted asset.
///
/// Where Redis has no assets, nobody is asked: a payment that cannot be had ends the booking then.
async fn check_points(app: &App, quote: &Quote, request: &Request) -> Result<(), ApiError> {
    let worth = request.redeem_points.checked_mul(app.policy.rewards.point_worth_minor.into());
    let worth = worth.and_then(|worth| i64::try_from(worth).ok()).unwrap_or(i64::MAX);
    let left = Money::new(quote.price.minor.saturating_sub(worth), quote.price.currency);
    if worth == 0 || left.minor <= 0 {
        return Ok(());
    }
    let Some(shown) = app.cache.shown::<ShownAssets>(ASSETS_KEY).await else { return Ok(()) };
    let asset = shown.assets.iter().find(|asset| asset.asset == quote.amount.asset);
    let minimum = asset.map_or(Units::ZERO, |asset| asset.minimum);
    if quote.rate.units_for(left).is_ok_and(|units| units >= minimum) {
        return Ok(());
    }
    let detail =
        "leave less to pay than can be paid so: redeem fewer, or all that the price is worth";
    Err(ApiError::invalid(vec![super::form::error("/redeem_points", "leaves_too_little", detail)]))
}

/// What airlines want to know and was not given: every seat's traveller, with birthday and gender.
fn unfit_to_fly(quote: &Quote, people: &people::Party) -> Vec<chassis::FieldError> {
    let mut faults = Vec::new();
    let flights = quote.legs.iter().filter(|l| l.order.product.kind() == ProductKind::Flight);
    for leg in flights {
        let named = people.legs.iter().enumerate().find(|(_, named)| named.leg_id == leg.leg_id);
        let (pointer, travellers) = match named {
            Some((n, named)) => (format!("/legs/{n}/travellers"), &named.travellers),
            None => ("/travellers".to_owned(), &people.travellers),
        };
        let seats = (leg.guests_max(), leg.order.check_in);
        faults.extend(people::unfit_for_seats(travellers, seats, &pointer));
    }
    faults
}

fn expired() -> ApiError {
    ApiError::conflict("quote_expired", "the price is not promised any more; ask for a new quote")
}

fn taken() -> ApiError {
    ApiError::conflict("quote_taken", "the quote became a booking already")
}

/// A request with all that was found out about it.
struct Asked {
    account: AccountId,
    quote: Quote,
    request: Request,
    people: Vec<u8>,
    /// By which support finds the booking of an e-mail address.
    email_index: Vec<u8>,
    key: String,
    fingerprint: Vec<u8>,
}

async fn accept(app: &App, asked: &Asked) -> Result<Response, ApiError> {
    let Asked { account, quote, request, people, email_index, key, fingerprint } = asked;
    let booking_id = BookingId(chassis::mint::uuid7());
    tracing::Span::current().record(chassis::fields::BOOKING_ID, booking_id.to_string());
    let now = app.clock.now();
    let command = Command::Accept(Box::new(plan(booking_id, account, quote, request)));
    let events = decide(&None, &command, &Policy::of(&app.policy), now);
    let events = events.map_err(|refusal| refused(&refusal))?;
    let (state, recorded) = record(None, events, now);
    let booking = state.ok_or_else(ApiError::internal_logged)?;
    let (mut said, mut timers) = (Vec::new(), Vec::new());
    handle::follow(&recorded, &booking, &mut said, &mut timers);
    let sealed = app.sealer.seal(people, booking_id.0.as_bytes());
    let sealed = sealed.map_err(|error| ApiError::internal(&error))?;
    let terms = quote.terms().map_err(|error| ApiError::internal(&error))?;
    let body = json!({"booking_id": booking_id, "status": "pending"}).to_string();
    let state = store::json(booking.as_ref()).map_err(store_failed)?;
    let phase = store::word(&booking.phase).map_err(store_failed)?;
    let new = NewBooking {
        booking_id: booking_id.0,
        account: account.clone(),
        quote_id: quote.quote_id.0,
        terms,
        version: i64::try_from(booking.version).unwrap_or(i64::MAX),
        phase,
        state,
        at: now,
        event_versions: versions(&recorded),
        event_kinds: kinds(&recorded)?,
        event_bodies: bodies(&recorded)?,
        trace_id: chassis::trace::trace_id(&tracing::Span::current()),
        sealed,
        email_index: email_index.clone(),
        timer_deadlines: timers.iter().map(|t| t.deadline.to_owned()).collect(),
        timer_dues: timers.iter().map(|t| t.due_at).collect(),
        traceparent: timers.into_iter().find_map(|t| t.traceparent),
        key: key.clone(),
        fingerprint: fingerprint.clone(),
        body: body.clone(),
        outbox: said.into_iter().map(|m| app.messaging.row(m)).collect(),
        outbox_owned_s: app.policy.messaging.sweep_after.as_secs_f64(),
    };
    match app.accepting.accept(app, new).await.map_err(store_failed)? {
        Accepted::Booked => {
            let (cache, account, quote_id) = (app.cache.clone(), account.clone(), quote.quote_id);
            app.process.tasks.spawn_short("drop a lock", async move {
                cache.drop_lock(&account, quote_id).await;
            });
            Ok(answer(booking_id, body))
        }
        Accepted::NotClaimed | Accepted::KeyTaken => {
            let mut conn = reader(app).await?;
            lost(&mut conn, account, key, fingerprint, quote.quote_id).await
        }
        Accepted::Busy => Err(busy()),
    }
}

pub(super) fn busy() -> ApiError {
    ApiError::conflict("in_progress", "the same request is being answered; ask again")
        .retry_in(std::time::Duration::from_secs(1))
}

/// Nothing was written: somebody else's request with this key won, or the quote is not open.
async fn lost(
    conn: &mut sqlx::PgConnection,
    account: &AccountId,
    key: &str,
    fingerprint: &[u8],
    quote_id: QuoteId,
) -> Result<Response, ApiError> {
    if let Some(first) = store::first_answer(conn, account, key).await.map_err(store_failed)? {
        return replay(&first, fingerprint);
    }
    let found = store::load_quote(conn, account, quote_id).await.map_err(store_failed)?;
    match found.map(|(_, state, _)| state) {
        None => Err(ApiError::not_found()),
        Some(ClaimState::Expired) => Err(expired()),
        Some(ClaimState::Claimed(_)) => Err(taken()),
        Some(ClaimState::Open) => Err(busy()),
    }
}

/// The first answer again, byte for byte, to the same request.
fn replay(first: &FirstAnswer, fingerprint: &[u8]) -> Result<Response, ApiError> {
    if first.fingerprint != fingerprint {
        let detail = "the key was used for another request";
        return Err(ApiError::unprocessable("idempotency_key_reused", detail));
    }
    Ok(answer(BookingId(first.booking_id), first.body.clone()))
}

fn answer(booking_id: BookingId, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::ACCEPTED;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/bookings/{booking_id}")) {
        headers.insert(header::LOCATION, location);
    }
    response
}

fn plan(booking_id: BookingId, account: &AccountId, quote: &Quote, request: &Request) -> Accept {
    let leg = |leg: &QuotedLeg| LegPlan { leg_id: leg.leg_id, order: leg.order.clone() };
    Accept {
        booking_id,
        account_id: account.clone(),
        quote_id: quote.quote_id,
        payment_id: PaymentId(chassis::mint::uuid7()),
        legs: quote.legs.iter().map(leg).collect(),
        on_refusal: request.on_refusal,
        price: quote.price,
        rate: quote.rate.clone(),
        quoted: quote.amount.clone(),
        points: request.redeem_points,
        refund_to: request.refund_to.clone(),
    }
}

fn versions(recorded: &[Recorded]) -> Vec<i64> {
    recorded.iter().map(|e| i64::try_from(e.version).unwrap_or(i64::MAX)).collect()
}

fn kinds(recorded: &[Recorded]) -> Result<Vec<String>, ApiError> {
    recorded.iter().map(|e| store::word(&e.event).map_err(store_failed)).collect()
}

fn bodies(recorded: &[Recorded]) -> Result<Vec<String>, ApiError> {
    recorded.iter().map(|e| store::json(e).map_err(store_failed)).collect()
}

/// A booking as it is now.
#[utoipa::path(
    get, path = "/v1/bookings/{id}", tag = "bookings",
    params(("id" = Uuid, Path, description = "The booking")),
    responses(
        (status = 200, description = "The booking", body = views::ShownBooking),
        problems::NotFound,
    ),
)]
pub(super) async fn show(
    State(app): State<App>,
    bearer: Bearer,
    Path(booking_id): Path<BookingId>,
) -> Result<Response, ApiError> {
    let account = account(&bearer)?;
    let mut conn = reader(&app).await?;
    let found = store::load_for_account(&mut conn, &account, booking_id).await;
    let booking = found.map_err(store_failed)?.ok_or_else(ApiError::not_found)?;
    drop(conn);
    Ok(Json(views::booking(&app, &booking).await).into_response())
}
