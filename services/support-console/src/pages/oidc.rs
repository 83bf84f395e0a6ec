//! Signing in at an OpenID Connect issuer: there, and back with a code.

use axum::{
    extract::{Request, State},
    response::{AppendHeaders, IntoResponse as _, Redirect, Response},
};
use chassis::{ApiError, http::Query};
use http::{HeaderMap, StatusCode, header::SET_COOKIE};
use maud::html;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    layout::Page,
    session,
    sign_in::{begin, cookie, inside},
};
use crate::{
    App,
    http::{connection, failed},
    oidc::{Back, Begun, Oidc, Person, Refused},
    staff::digest,
    store::{self, Act, Outcome, Whose},
};

/// Of a sign-in under way. Browsers send it with a link from elsewhere, which the session's cookie
/// is not: that is how the issuer sends them back.
const COOKIE: &str = "__Host-holdfast-oidc";
/// As long as somebody may take at the issuer, in seconds.
const TAKES_MAX: u32 = 600;

#[derive(Deserialize)]
pub(super) struct Wanted {
    next: Option<String>,
}

/// Sends the browser to the issuer.
pub(super) async fn there(
    State(app): State<App>,
    Query(Wanted { next }): Query<Wanted>,
) -> Result<Response, ApiError> {
    let oidc = app.oidc.as_ref().ok_or_else(ApiError::not_found)?;
    let begun = Begun::new();
    match oidc.address(&begun).await {
        Ok(address) => {
            let next = inside(next.as_deref().unwrap_or("/"));
            let kept = form_urlencoded::byte_serialize(next.as_bytes()).collect::<String>();
            let kept = format!("{}.{kept}", begun.secret());
            Ok((
                AppendHeaders([(SET_COOKIE, begun_cookie(&kept, TAKES_MAX))]),
                Redirect::to(&address),
            )
                .into_response())
        }
        Err(refused) => Ok(refuse(oidc, &refused)),
    }
}

/// Opens a session for whom the issuer names, if their groups may anything here.
pub(super) async fn back(
    State(app): State<App>,
    Query(back): Query<Back>,
    request: Request,
) -> Result<Response, ApiError> {
    let oidc = app.oidc.as_ref().ok_or_else(ApiError::not_found)?;
    let (parts, _) = request.into_parts();
    let Some((begun, next)) = begun(&parts.headers) else {
        return Ok(refuse(oidc, &Refused::NotBegunHere));
    };
    let from = session::place(&app, &parts);
    // Each try has us ask the issuer: nobody can make us do so for ever.
    let Some(try_id) = begin(&app, &digest(begun.secret()), &from).await? else {
        let wrong = "Too many tries. Wait a quarter of an hour, or ask an administrator.";
        return Ok(page(StatusCode::TOO_MANY_REQUESTS, wrong));
    };
    let person = match oidc.person(&begun, &back).await {
        Ok(person) => person,
        Err(refused) => return Ok(refuse(oidc, &refused)),
    };
    let Some(role) = person.role else {
        keep(&app, &from, &person, Outcome::Denied).await?;
        let wrong = "You are known, and none of your groups may do anything here. Ask whoever \
                     looks after them.";
        return Ok(page(StatusCode::FORBIDDEN, wrong));
    };
    open(&app, &from, (&person, role), try_id, inside(&next)).await
}

async fn open(
    app: &App,
    from: &str,
    (person, role): (&Person, &'static str),
    try_id: Uuid,
    next: &str,
) -> Result<Response, ApiError> {
    keep(app, from, person, Outcome::Done).await?;
    let mut conn = connection(app).await?;
    let noted = store::signed_in_well(&mut conn, try_id).await;
    noted.map_err(|error| failed(&error))?;
    let token = chassis::mint::token();
    let whose = Whose::Issuers { name: &person.name, role };
    let opened = store::open_session(&mut conn, &digest(&token), &whose, from).await;
    opened.map_err(|error| failed(&error))?;
    // A redirect would still be the issuer's doing, and browsers would not send the new cookie with
    // it: so this page sends them on.
    let body = html! { p { "You are signed in. " a href=(next) { "Go on" } } };
    let page = Page::new("Signed in", "", body).onward(next).framed(None);
    let cookies = [(SET_COOKIE, cookie(&token)), (SET_COOKIE, begun_cookie("", 0))];
    Ok((AppendHeaders(cookies), page).into_response())
}

/// Records who was let in, and who was not.
async fn keep(app: &App, from: &str, person: &Person, outcome: Outcome) -> Result<(), ApiError> {
    let denied = outcome == Outcome::Denied;
    let act = Act {
        act_id: chassis::mint::uuid7(),
        actor: person.name.clone(),
        roles: person.role.into_iter().map(str::to_owned).collect(),
        from_where: from.to_owned(),
        act: "sign_in",
        outcome,
        reason: (!denied).then(|| "by OpenID Connect".to_owned()),
        refusal: denied.then(|| "no group of theirs has a role here".to_owned()),
        dead_letter_id: None,
        booking_id: None,
        replay_run_id: None,
        about: None,
        versions: None,
        trace_id: chassis::trace::trace_id(&tracing::Span::current()),
    };
    let mut conn = connection(app).await?;
    store::record(&mut conn, &act).await.map_err(|error| failed(&error))
}

fn refuse(oidc: &Oidc, refused: &Refused) -> Response {
    let why = chassis::chain(refused).to_string();
    match refused {
        Refused::NoAnswer(_) => {
            tracing::warn!(why, "the issuer does not answer as it should");
            let wrong = format!("{} does not answer as it should. Try again.", oidc.title());
            page(StatusCode::SERVICE_UNAVAILABLE, &wrong)
        }
        Refused::NotBegunHere => {
            let wrong = "This sign-in was not begun in this browser, or too long ago. Begin again.";
            page(StatusCode::BAD_REQUEST, wrong)
        }
        Refused::Denied => page(StatusCode::FORBIDDEN, "You were not let in there."),
        Refused::BadCode => {
            let wrong = "This sign-in was used already, or took too long. Begin again.";
            page(StatusCode::UNAUTHORIZED, wrong)
        }
        Refused::BadToken(_) => {
            tracing::warn!(why, "an ID token was refused");
            let wrong = format!("What {} says of you cannot be relied on.", oidc.title());
            page(StatusCode::UNAUTHORIZED, &wrong)
        }
    }
}

fn page(status: StatusCode, wrong: &str) -> Response {
    let body = html! {
        div.card.sign-in {
            div.notice.bad role="alert" { p { (wrong) } }
            p { a href="/sign-in" { "To the sign-in" } }
        }
    };
    let page = Page { status, ..Page::new("Not signed in", "", body) }.framed(None);
    (AppendHeaders([(SET_COOKIE, begun_cookie("", 0))]), page).into_response()
}

/// The sign-in that this browser began, and where it wanted to.
fn begun(headers: &HeaderMap) -> Option<(Begun, String)> {
    let value = session::cookie(headers, COOKIE)?;
    let (secret, next) = value.split_once('.')?;
    let next = format!("next={next}");
    let next = form_urlencoded::parse(next.as_bytes()).next()?.1.into_owned();
    (secret.len() == 43).then(|| (Begun::of(secret), next))
}

fn begun_cookie(value: &str, seconds: u32) -> String {
    format!("{COOKIE}={value}; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age={seconds}")
}
