//! The proof of the whole system: told here when it ends, and missed when it is not.

use std::time::Duration;

use axum::extract::State;
use chassis::{ApiError, http::Json};
use chrono::{DateTime, Utc};
use contracts::internal::ProofRequest;
use http::StatusCode;
use serde::Serialize;

use super::{connection, failed};
use crate::{
    App,
    store::{self, Proof},
};

/// How the newest proof ended, and why somebody has to look, if so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Proven {
    pub(crate) last: Option<Proof>,
    pub(crate) trouble: Option<String>,
}

/// Notes how a proof ended.
pub(super) async fn told(
    State(app): State<App>,
    Json(ProofRequest { differences }): Json<ProofRequest>,
) -> Result<StatusCode, ApiError> {
    let differences = differences.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
    let mut conn = connection(&app).await?;
    let id = chassis::mint::uuid7();
    store::add_proof(&mut conn, id, differences).await.map_err(|error| failed(&error))?;
    Ok(StatusCode::NO_CONTENT)
}

/// How the newest ended.
pub(super) async fn newest(app: &App) -> Result<Proven, ApiError> {
    let mut conn = connection(app).await?;
    let (last, now) = store::last_proof(&mut conn).await.map_err(|error| failed(&error))?;
    let trouble = trouble(last.as_ref(), app.support.proof_within, now);
    Ok(Proven { last, trouble })
}

/// Why somebody has to look. A system that was never proven is not known to be.
fn trouble(last: Option<&Proof>, within: Duration, now: DateTime<Utc>) -> Option<String> {
    let last = last?;
    let age = (now - last.at).to_std().unwrap_or_default();
    if age > within {
        return Some(format!("the newest is {} hours old", age.as_secs() / 3_600));
    }
    match last.differences {
        Some(0) => None,
        Some(count) => Some(format!("it found {count} differences")),
        None => Some("it could not tell".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row: K4
    #[test]
    fn a_proof_that_is_old_or_found_something_or_could_not_tell_is_for_somebody() {
        let at: DateTime<Utc> = "2026-01-01T03:00:00Z".parse().unwrap();
        let (day, within) = (Duration::from_secs(86_400), Duration::from_secs(26 * 3_600));
        let after = |differences, later| {
            let last = Proof { at, differences };
            trouble(Some(&last), within, at + later)
        };
        assert_eq!(after(Some(0), day), None);
        assert_eq!(after(Some(2), day).as_deref(), Some("it found 2 differences"));
        assert_eq!(after(None, day).as_deref(), Some("it could not tell"));
        assert_eq!(after(Some(0), 2 * day).as_deref(), Some("the newest is 48 hours old"));
        assert_eq!(trouble(None, within, at), None);
    }
}
