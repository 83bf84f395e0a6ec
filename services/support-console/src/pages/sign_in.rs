//! Signing in and out.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State},
    response::{AppendHeaders, IntoResponse as _, Redirect, Response},
};
use chassis::{ApiError, http::Query};
use http::{HeaderMap, StatusCode, header::SET_COOKIE};
use maud::{Markup, html};
use secrecy::SecretString;
use serde::Deserialize;
use uuid::Uuid;

use super::{
    layout::Page,
    session::{self, COOKIE, pairs, place, token},
};
use crate::{
    App,
    http::{connection, failed},
    staff::{digest, is_name, is_password},
    store::{self, SignInLimits, Whose},
};

const LIMITS: SignInLimits = SignInLimits {
    within: Duration::from_secs(15 * 60),
    // A person mistypes less often.
    of_name_here: 5,
    // More would be guessing from many places.
    of_name: 50,
    here: 100,
};

#[derive(Deserialize)]
pub(super) struct Wanted {
    next: Option<String>,
}

#[derive(Deserialize)]
struct SignIn {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// The form.
pub(super) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    Query(Wanted { next }): Query<Wanted>,
) -> Result<Response, ApiError> {
    let next = inside(next.as_deref().unwrap_or("/"));
    if session::of(&app, &headers).await?.is_some() {
        return Ok(Redirect::to(next).into_response());
    }
    Ok(page(&app, next, None, StatusCode::OK))
}

fn page(app: &App, next: &str, wrong: Option<&str>, status: StatusCode) -> Response {
    let body = html! {
        div.card.sign-in {
            @if let Some(wrong) = wrong {
                div.notice.bad role="alert" { p { (wrong) } }
            }
            @if let Some(oidc) = &app.oidc {
                // A link, not a form: a form may lead nowhere but here.
                @let query = form_urlencoded::Serializer::new(String::new())
                    .append_pair("next", next).finish();
                div.acts {
                    a.button href=(format!("/sign-in/oidc?{query}")) { "Sign in with " (oidc.title()) }
                }
            }
            @if app.passwords { (by_password(next)) }
        }
    };
    Page { status, ..Page::new("Sign in", "", body) }.framed(None)
}

fn by_password(next: &str) -> Markup {
    html! {
            form action="/sign-in" method="post" {
                input type="hidden" name="next" value=(next);
                label for="name" { "Name" }
                input id="name" name="name" required maxlength="40" autocomplete="username"
                    autocapitalize="none" spellcheck="false";
                label for="password" { "Password" }
                input id="password" name="password" type="password" required maxlength="200"
                    autocomplete="current-password";
                div.acts { button type="submit" { "Sign in" } }
            }
    }
}

/// Opens a session for who knows the password.
pub(super) async fn sign_in(
    State(app): State<App>,
    request: Request,
) -> Result<Response, ApiError> {
    if !app.passwords {
        return Err(ApiError::not_found());
    }
    let (parts, body) = request.into_parts();
    let from = place(&app, &parts);
    let SignIn { name, password, next } = read(body).await?;
    let next = inside(&next);
    let name_digest = digest(&name);
    let Some(try_id) = begin(&app, &name_digest, &from).await? else {
        let wrong = "Too many tries. Wait a quarter of an hour, or ask an administrator.";
        return Ok(page(&app, next, Some(wrong), StatusCode::TOO_MANY_REQUESTS));
    };
    let staff = if is_name(&name) {
        let mut conn = connection(&app).await?;
        store::staff_named(&mut conn, &name).await.map_err(|error| failed(&error))?
    } else {
        // Nobody's, and as slow to find out as any other.
        None
    };
    // No connection is held while the password is checked: that takes its time on purpose.
    let hashed = staff.as_ref().map(|staff| staff.password_hash.clone());
    let well = is_password(SecretString::from(password), hashed).await;
    let Some(staff) = staff.filter(|_| well) else {
        tracing::info!(from, "somebody could not sign in");
        let wrong = "The name or the password is not right.";
        return Ok(page(&app, next, Some(wrong), StatusCode::UNAUTHORIZED));
    };
    let mut conn = connection(&app).await?;
    let noted = store::signed_in_well(&mut conn, try_id).await;
    noted.map_err(|error| failed(&error))?;
    let token = chassis::mint::token();
    let whose = Whose::Staffs(staff.staff_id);
    let opened = store::open_session(&mut conn, &digest(&token), &whose, &from).await;
    opened.map_err(|error| failed(&error))?;
    Ok((AppendHeaders([(SET_COOKIE, cookie(&token))]), Redirect::to(next)).into_response())
}

/// Counts a try before anything is learnt from it; none when there were too many.
pub(super) async fn begin(app: &App, name: &[u8], from: &str) -> Result<Option<Uuid>, ApiError> {
    let mut tx = app.messaging.begin().await.map_err(|error| failed(&error))?;
    let try_id = chassis::mint::uuid7();
    let begun = store::begin_sign_in(tx.conn(), try_id, name, from, &LIMITS).await;
    let begun = begun.map_err(|error| failed(&error))?;
    tx.commit().await.map_err(|error| failed(&error))?;
    Ok(begun.then_some(try_id))
}

async fn read(body: Body) -> Result<SignIn, ApiError> {
    session::parse(&pairs(body).await?)
}

/// Ends the session.
pub(super) async fn sign_out(
    State(app): State<App>,
    headers: HeaderMap,
    _form: session::Form<Nothing>,
) -> Result<Response, ApiError> {
    if let Some(token) = token(&headers) {
        let mut conn = connection(&app).await?;
        let ended = store::end_session(&mut conn, &digest(&token)).await;
        ended.map_err(|error| failed(&error))?;
    }
    let gone = format!("{}; Max-Age=0", cookie(""));
    Ok((AppendHeaders([(SET_COOKIE, gone)]), Redirect::to("/sign-in")).into_response())
}

/// A form without fields of its own.
#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) fn cookie(token: &str) -> String {
    format!("{COOKIE}={token}; Path=/; HttpOnly; Secure; SameSite=Strict")
}

/// A path of ours: nobody is sent elsewhere after signing in.
pub(super) fn inside(next: &str) -> &str {
    let plain = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && !next.contains(char::is_control);
    if plain { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site_after_signing_in() {
        assert_eq!(inside("/letters?state=parked"), "/letters?state=parked");
        for elsewhere in ["", "//evil.example", "https://evil.example", "/\\evil", "/a\r\nx: y"] {
            assert_eq!(inside(elsewhere), "/", "{elsewhere}");
        }
    }
}
