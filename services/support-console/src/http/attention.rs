//! What needs a person now: dead letters by cause, what each owner says does not go on, breakers
//! that are not closed, and cases.

use std::collections::BTreeMap;

use axum::extract::State;
use chassis::{ApiError, auth::Bearer, http::Json};
use contracts::internal::{
    AttentionItem, AttentionKind, AttentionReply, BreakerState, SupplierCase, SupplierStanding,
};
use serde::Serialize;

use super::{
    cases, connection, failed, may_look,
    proofs::{self, Proven},
    suppliers,
};
use crate::{
    App,
    owners::Answering,
    store::{self, LateReplay, LetterCause},
};

const CAUSES_MAX: i64 = 200;
/// Replays that nobody heard of which are told; all are counted.
const LATE_MAX: i64 = 100;
/// Cases that are told; `GET /v1/cases` has all.
const CASES_MAX: usize = 100;

/// Everything at once.
#[derive(Debug, Serialize)]
pub(crate) struct Attention {
    pub(crate) causes: Vec<LetterCause>,
    /// By kind, the worst first; within one the oldest first, but the newest of odd payments. Each
    /// with who told it.
    pub(crate) items: Vec<(&'static str, AttentionItem)>,
    /// Suppliers whose breaker lets nothing new through, or one thing at a time.
    pub(crate) breakers: Vec<SupplierStanding>,
    /// What differs at suppliers, or is not as they document it, the oldest first.
    pub(crate) cases: Vec<SupplierCase>,
    /// How many of those there are.
    pub(crate) cases_open: usize,
    /// How many there are of each kind, told or not.
    pub(crate) counts: BTreeMap<AttentionKind, u64>,
    /// Whether an owner has more than it told.
    pub(crate) more: bool,
    pub(crate) owners: Vec<Answering>,
    /// Replays of which nobody heard for too long, the oldest first.
    pub(crate) late_replays: Vec<LateReplay>,
    /// How many of those there are.
    pub(crate) replays_late: u64,
    /// The proof of the whole, every night.
    pub(crate) proof: Proven,
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
        let causes = store::causes(&mut conn, None, CAUSES_MAX).await;
        let late = store::late_replays(&mut conn, app.support.replay_known_within, LATE_MAX).await;
        Ok::<_, ApiError>((
            causes.map_err(|error| failed(&error))?,
            late.map_err(|error| failed(&error))?,
        ))
    };
    let asked = app.owners.ask::<AttentionReply>("/internal/attention");
    let retries = app.owners.ask::<AttentionReply>("/internal/retrying");
    let (own, (replies, mut owners), (retrying, _), standing, open, proof) = futures::join!(
        own,
        asked,
        retries,
        suppliers::standing(app),
        cases::open(app),
        proofs::newest(app)
    );
    // One that has no such question has nothing to tell.
    owners.retain(|owner| !owner.knows_nothing_of_it);
    let replies = replies.into_iter().chain(retrying);
    let (mut more, mut items, mut counts) = (false, Vec::new(), BTreeMap::new());
    for (owner, reply) in replies {
        more |= reply.more;
        for (kind, count) in counted(&reply) {
            *counts.entry(kind).or_insert(0) += count;
        }
        items.extend(reply.items.into_iter().map(|item| (owner, item)));
    }
    items.sort_by_key(|(_, item)| (item.kind, item.since));
    // Anybody can make many odd payments: old ones must not hide what happens now.
    for of_kind in items.chunk_by_mut(|(_, one), (_, other)| one.kind == other.kind) {
        if matches!(of_kind, [(_, first), ..] if first.kind == AttentionKind::Case) {
            of_kind.reverse();
        }
    }
    let standing = standing.map(|reply| reply.suppliers).unwrap_or_default();
    let is_open = |one: &SupplierStanding| one.breaker.state != BreakerState::Closed;
    let breakers = standing.into_iter().filter(is_open).collect();
    let mut cases = open.map(|reply| reply.cases).unwrap_or_default();
    let cases_open = cases.len();
    more |= cases_open > CASES_MAX;
    cases.truncate(CASES_MAX);
    let ((causes, (late_replays, replays_late)), proof) = (own?, proof?);
    Ok(Attention {
        causes,
        items,
        breakers,
        cases,
        cases_open,
        counts,
        more,
        owners,
        late_replays,
        replays_late,
        proof,
    })
}

/// How many of each kind an owner has: as many as it says, or as many as it told.
fn counted(reply: &AttentionReply) -> BTreeMap<AttentionKind, u64> {
    let mut counts = BTreeMap::new();
    for item in &reply.items {
        *counts.entry(item.kind).or_insert(0) += 1;
    }
    counts.extend(&reply.counts);
    counts
}
