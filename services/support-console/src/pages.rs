//! The console in a browser: pages made on the server, which read and act through the same code as
//! the JSON API. No page needs a script to be read or to act.

mod acts;
mod audit;
mod booking;
mod callbacks;
mod cases;
mod causes;
mod contacts;
mod edits;
mod layout;
mod legs;
mod letter;
mod letters;
mod oidc;
mod overview;
mod payment_cases;
mod people;
mod queues;
mod refunds;
mod review;
mod runs;
mod search;
mod session;
mod sign_in;
mod suppliers;
mod timeline;
mod traces;
mod waterfall;

use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use chassis::api_error::PROBLEM_JSON;
use http::{HeaderName, HeaderValue, StatusCode, header};
use maud::html;
use serde_json::Value;

pub(crate) use self::traces::Traces;
use self::{
    layout::{CSS_PATH, JS_PATH, Page},
    session::Session,
};
use crate::App;

const PROBLEM_MAX: usize = 64 * 1024;

/// What a browser is told besides each page. Nothing is loaded from elsewhere, nothing inline runs,
/// nobody may put a page into a frame.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
         connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), microphone=(), geolocation=()"),
];

/// Every page.
pub(crate) fn router(app: &App) -> Router<App> {
    let inside = Router::new()
        .route("/", get(overview::show))
        .route("/attention", get(overview::attention))
        .route("/search", get(search::show))
        .route("/search/contacts", get(contacts::ask).post(contacts::show))
        .route("/letters", get(letters::show))
        .route("/letters/{id}", get(letter::show))
        .route("/letters/{id}/{act}", get(acts::ask).post(acts::act))
        .route("/bookings/{id}", get(booking::show))
        .route("/runs", get(runs::list).post(runs::begin))
        .route("/runs/new", get(runs::ask))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/{change}", post(runs::change))
        .route("/edits/{id}/{act}", post(edits::decide))
        .route("/bookings/{id}/legs/{leg}", get(legs::ask).post(legs::act))
        .route("/bookings/{id}/review", get(review::ask).post(review::act))
        .route("/bookings/{id}/refunds/{refund}", get(review::ask_for_proof).post(review::prove))
        .route(
            "/bookings/{id}/refunds/{refund}/settlement",
            get(review::ask_to_settle).post(review::settle),
        )
        .route("/bookings/{id}/refunds/{refund}/approval", get(refunds::ask).post(refunds::approve))
        .route("/refunds", get(refunds::list))
        .route("/bookings/{id}/travellers", get(people::ask).post(people::show))
        .route("/suppliers", get(suppliers::show))
        .route("/suppliers/{supplier}/reset", get(suppliers::ask).post(suppliers::reset))
        .route("/cases", get(cases::list))
        .route("/cases/{id}", get(cases::show).post(cases::close))
        .route("/payment-cases/{id}", get(payment_cases::show).post(payment_cases::close))
        .route("/payment-cases/{id}/write-off", post(payment_cases::write_off))
        .route("/callbacks/{id}", get(callbacks::ask).post(callbacks::again))
        .route("/audit", get(audit::show))
        .route("/sign-out", post(sign_in::sign_out))
        .route_layer(middleware::from_fn_with_state(app.clone(), session::required));
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-in/oidc", get(oidc::there))
        .route("/sign-in/oidc/back", get(oidc::back))
        .merge(inside)
        .route_layer(middleware::from_fn(session::same_site))
        .route_layer(middleware::from_fn(as_a_page))
        .route(CSS_PATH, get(|| asset("text/css", include_str!("../assets/console.css"))))
        .route(JS_PATH, get(|| asset("text/javascript", include_str!("../assets/console.js"))))
}

async fn asset(kind: &'static str, text: &'static str) -> Response {
    // Asked for anew each time: small, and never of another version than the page.
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    std::future::ready((headers, text).into_response()).await
}

/// Shows problems as pages, and says what a browser must know.
async fn as_a_page(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let is_problem =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == PROBLEM_JSON);
    let mut response = if is_problem { problem(response).await } else { response };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn problem(response: Response) -> Response {
    let status = response.status();
    let session = response.extensions().get::<Session>().cloned();
    let body = to_bytes(response.into_body(), PROBLEM_MAX).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
    let title = match status {
        StatusCode::FORBIDDEN => "Not yours to do",
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::CONFLICT => "It cannot be done as things are",
        StatusCode::UNPROCESSABLE_ENTITY => "Something in the form is not right",
        StatusCode::SERVICE_UNAVAILABLE => "Somebody needed does not answer",
        _ => "That did not work",
    };
    let errors = problem.get("errors").and_then(Value::as_array);
    let next = problem.get("next_dead_letter_id").and_then(Value::as_str);
    let body = html! {
        div.notice.bad role="alert" {
            p { (text("detail")) }
            @if let Some(errors) = errors.filter(|errors| errors.len() > 1) {
                ul {
                    @for error in errors {
                        li {
                            code { (error.get("pointer").and_then(Value::as_str).unwrap_or("")) }
                            ": " (error.get("detail").and_then(Value::as_str).unwrap_or(""))
                        }
                    }
                }
            }
            @if let Some(next) = next {
                p { a href=(format!("/letters/{next}")) { "The dead letter that came of it" } }
            }
        }
        @if status.is_server_error() {
            p.sub { "Trace " code { (text("trace_id")) } }
        }
        p { a href="/" { "To the overview" } }
    };
    Page { status, ..Page::new(title, "", body) }.framed(session.as_ref())
}
