//! Whose bookings they are, by an e-mail address: personal data, so it is asked for with a reason
//! by who may see such, each search is recorded, and the address stands in no log and no audit.

use std::collections::BTreeSet;

use axum::extract::State;
use chassis::{ApiError, http::Json};
use contracts::internal::{FindContactRequest, FindReply};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    OPERATOR,
    acting::{self, Actor, Attempt},
    elsewhere,
    timeline::Match,
};
use crate::App;

const OWNER: &str = "booking";
const EMAIL_MAX: usize = 254;

/// An address, and why somebody has to know.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    #[serde(deserialize_with = "email")]
    email: String,
    #[serde(deserialize_with = "acting::reason")]
    reason: String,
}

fn email<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let email = text.trim();
    let plain = email.len() <= EMAIL_MAX && !email.chars().any(char::is_control);
    if plain && email.contains('@') {
        return Ok(email.to_owned());
    }
    Err(D::Error::custom("must be an e-mail address"))
}

/// The bookings of an address, the newest first.
#[derive(Debug, Serialize)]
pub(crate) struct Bookings {
    pub(crate) found: Vec<Match>,
}

/// Finds them. Nothing leaves before the audit has it.
pub(crate) async fn find(
    State(app): State<App>,
    actor: Actor,
    body: Result<Json<Wanted>, ApiError>,
) -> Result<Json<Bookings>, ApiError> {
    let mut attempt = Attempt::permit(&app, actor, "find_by_email", None, OPERATOR).await?;
    let Json(Wanted { email, reason }) = body?;
    attempt = attempt.because(&reason)?;
    let path = "/internal/find-contact";
    let request = FindContactRequest { email };
    let Some(Ok(reply)) = app.owners.tell::<_, FindReply>(OWNER, path, &request).await else {
        return Err(attempt.refused(elsewhere::silent(OWNER)).await);
    };
    let found = reply.found.into_iter().map(|found| Match {
        booking_id: found.booking_id,
        by: found.by,
        owner: OWNER.to_owned(),
    });
    let found: Vec<Match> = found.rev().collect::<BTreeSet<_>>().into_iter().rev().collect();
    // The audit says which booking was found, where it was one.
    if let [only] = found.as_slice() {
        attempt.about(Some(only.booking_id.0));
    }
    attempt.done_elsewhere(None).await?;
    Ok(Json(Bookings { found }))
}
