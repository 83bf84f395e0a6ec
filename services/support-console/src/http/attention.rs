//! What needs a person now: dead letters by cause, what each owner says does not go on, breakers
//! that are not closed, and cases.

use axum::extract::State;
use chassis::{ApiError, auth::Bearer, http::Json};
use contracts::internal::{
    AttentionItem, AttentionReply, BreakerState, SupplierCase, SupplierStanding,
};
use serde::Serialize;

use super::{cases, connection, failed, may_look, suppliers};
use crate::{
    App,
    owners::Answering,
    store::{self, LetterCause},
};

const CAUSES_MAX: i64 = 200;
/// Cases that are told; `GET /v1/cases` has all.
const CASES_MAX: usize = 100;

/// Everything at once.
#[derive(Debug, Serialize)]
pub(crate) struct Attention {
    pub(crate) causes: Vec<LetterCause>,
    /// By kind, the worst first; within one the oldest first. Each with who told it.
    pub(crate) items: Vec<(&'static str, AttentionItem)>,
    /// Suppliers whose breaker lets nothing new through, or one thing at a time.
    pub(crate) breakers: Vec<SupplierStanding>,
    /// What differs at suppliers, or is not as they document it, the oldest first.
    pub(crate) cases: Vec<SupplierCase>,
    /// Whether an owner has more than it told.
    pub(crate) more: bool,
    pub(crate) owners: Vec<Answering>,
}

pub(super) async fn show(
    State(app): State<App>,
    Bearer(claims): Bearer,
) -> Result<Json<Attention>, ApiError> {
    may_look(&claims)?;
    look(&app).await.map(Json)
}

/// Asks everybody side by side.
pub(crate) async fn look(app: &App) -> Result<Attention, ApiError> {
    let own = async {
        let mut conn = connection(app).await?;
        store::causes(&mut conn, None, CAUSES_MAX).await.map_err(|error| failed(&error))
    };
    let asked = app.owners.ask::<AttentionReply>("/internal/attention");
    let retries = app.owners.ask::<AttentionReply>("/internal/retrying");
    let (causes, (replies, mut owners), (retrying, _), standing, open) =
        futures::join!(own, asked, retries, suppliers::standing(app), cases::open(app));
    // One that has no such question has nothing to tell.
    owners.retain(|owner| !owner.knows_nothing_of_it);
    let replies = replies.into_iter().chain(retrying);
    let (mut more, mut told) = (false, Vec::new());
    for (owner, reply) in replies {
        more |= reply.more;
        told.push((owner, reply));
    }
    let mut items: Vec<_> = told
        .into_iter()
        .flat_map(|(owner, reply)| reply.items.into_iter().map(move |item| (owner, item)))
        .collect();
    items.sort_by_key(|(_, item)| (item.kind, item.since));
    let standing = standing.map(|reply| reply.suppliers).unwrap_or_default();
    let is_open = |one: &SupplierStanding| one.breaker.state != BreakerState::Closed;
    let breakers = standing.into_iter().filter(is_open).collect();
    let mut cases = open.map(|reply| reply.cases).unwrap_or_default();
    more |= cases.len() > CASES_MAX;
    cases.truncate(CASES_MAX);
    Ok(Attention { causes: causes?, items, breakers, cases, more, owners })
}
