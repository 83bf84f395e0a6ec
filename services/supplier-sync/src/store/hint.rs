//! Callbacks: which leg one is about, and those that wait for a leg.

use chrono::{DateTime, Utc};
use contracts::{
    ids::LegId,
    messages::{CallbackClaim, CallbackReceived},
};
use messaging::{StoreError, database};
use sqlx::PgConnection;
use uuid::Uuid;

/// A callback that waited, and the leg there is for it by now.
pub(crate) struct Waiting {
    pub(crate) callback_id: Uuid,
    pub(crate) leg_id: LegId,
    pub(crate) client_reference: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) claim: Option<CallbackClaim>,
    pub(crate) now: DateTime<Utc>,
}

/// The leg each callback is about, in order: by our reference, else by the supplier's.
pub(crate) async fn legs_of(
    conn: &mut PgConnection,
    callbacks: &[&CallbackReceived],
) -> Result<Vec<Option<LegId>>, StoreError> {
    let suppliers: Vec<&str> = callbacks.iter().map(|c| c.supplier.word()).collect();
    let ours: Vec<Option<&str>> = callbacks.iter().map(|c| c.client_reference.as_deref()).collect();
    let theirs: Vec<Option<&str>> = callbacks.iter().map(|c| c.reference.as_deref()).collect();
    let rows: Vec<Option<Uuid>> = sqlx::query_scalar(
        "select coalesce(a.leg_id, r.leg_id)
           from unnest($1::text[], $2::text[], $3::text[]) with ordinality
                as c (supplier, client_reference, reference, n)
           left join attempt a
                  on a.supplier = c.supplier and a.client_reference = c.client_reference
           left join reservation r on r.supplier = c.supplier and r.reference = c.reference
          order by c.n",
    )
    .bind(&suppliers)
    .bind(&ours)
    .bind(&theirs)
    .fetch_all(conn)
    .await
    .map_err(database("finding the legs of callbacks"))?;
    Ok(rows.into_iter().map(|id| id.map(LegId)).collect())
}

/// Keeps callbacks about nothing that is known; one that is said again as it is read now.
pub(crate) async fn park(
    conn: &mut PgConnection,
    callbacks: &[CallbackReceived],
) -> Result<(), StoreError> {
    if callbacks.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into callback_hint
                (callback_id, supplier, client_reference, reference, received_at, claim)
         select distinct on (c.id) c.*
           from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
                       $6::text[]) as c (id, supplier, ours, theirs, received_at, claim)
         on conflict on constraint callback_hint_pk do update
            set client_reference = excluded.client_reference, reference = excluded.reference,
                claim = excluded.claim
          where callback_hint.joined_at is null",
    )
    .bind(callbacks.iter().map(|c| c.callback_id.0).collect::<Vec<_>>())
    .bind(callbacks.iter().map(|c| c.supplier.word()).collect::<Vec<_>>())
    .bind(callbacks.iter().map(|c| c.client_reference.as_deref()).collect::<Vec<_>>())
    .bind(callbacks.iter().map(|c| c.reference.as_deref()).collect::<Vec<_>>())
    .bind(callbacks.iter().map(|c| c.received_at).collect::<Vec<_>>())
    .bind(callbacks.iter().map(|c| c.claim.map(claim_word)).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map_err(database("keeping callbacks"))
    .map(drop)
}

/// Which of the callbacks that wait are looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Among {
    /// Those that came so many seconds ago at the most.
    Since(f64),
    All,
    One(Uuid),
}

/// Takes callbacks that waited and for which there is a leg by now.
pub(crate) async fn waiting(
    conn: &mut PgConnection,
    at_most: i64,
    among: Among,
) -> Result<Vec<Waiting>, StoreError> {
    let (since_s, only) = match among {
        Among::Since(seconds) => (Some(seconds), None),
        Among::All => (None, None),
        Among::One(callback_id) => (None, Some(callback_id)),
    };
    type Row = (Uuid, Uuid, Option<String>, Option<String>, Option<String>, DateTime<Utc>);
    let rows: Vec<Row> = sqlx::query_as(
        "select h.callback_id, coalesce(a.leg_id, r.leg_id), h.client_reference, h.reference,
                h.claim, holdfast_now()
           from callback_hint h
           left join attempt a
                  on a.supplier = h.supplier and a.client_reference = h.client_reference
           left join reservation r on r.supplier = h.supplier and r.reference = h.reference
          where h.joined_at is null and coalesce(a.leg_id, r.leg_id) is not null
            and (h.put_off_until is null or h.put_off_until <= holdfast_now())
            and ($2::uuid is null or h.callback_id = $2)
            and h.received_at > coalesce(holdfast_now() - make_interval(secs => $3), '-infinity')
          order by h.received_at limit $1 for update of h skip locked",
    )
    .bind(at_most)
    .bind(only)
    .bind(since_s)
    .fetch_all(conn)
    .await
    .map_err(database("taking callbacks that waited"))?;
    let row = |(callback_id, leg_id, client_reference, reference, claim, now): Row| Waiting {
        callback_id,
        leg_id: LegId(leg_id),
        client_reference,
        reference,
        claim: claim.as_deref().and_then(claim_of),
        now,
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Lets a callback wait so much longer.
pub(crate) async fn put_off_waiting(
    conn: &mut PgConnection,
    callback_id: Uuid,
    for_s: f64,
) -> Result<(), StoreError> {
    sqlx::query(
        "update callback_hint set put_off_until = holdfast_now() + make_interval(secs => $2)
          where callback_id = $1",
    )
    .bind(callback_id)
    .bind(for_s)
    .execute(conn)
    .await
    .map_err(database("putting a callback off"))
    .map(drop)
}

const fn claim_word(claim: CallbackClaim) -> &'static str {
    match claim {
        CallbackClaim::Made => "made",
        CallbackClaim::Confirmed => "confirmed",
        CallbackClaim::Gone => "gone",
    }
}

/// A word that we do not know says nothing: then the supplier is asked.
fn claim_of(word: &str) -> Option<CallbackClaim> {
    let all = [CallbackClaim::Made, CallbackClaim::Confirmed, CallbackClaim::Gone];
    all.into_iter().find(|claim| claim_word(*claim) == word)
}

/// Notes that a leg was found for callbacks.
pub(crate) async fn join(conn: &mut PgConnection, ids: &[Uuid]) -> Result<(), StoreError> {
    sqlx::query("update callback_hint set joined_at = holdfast_now() where callback_id = any($1)")
        .bind(ids)
        .execute(conn)
        .await
        .map_err(database("joining callbacks"))
        .map(drop)
}

/// A callback that is about nothing that is known.
#[derive(sqlx::FromRow)]
pub(crate) struct Unjoined {
    pub(crate) callback_id: Uuid,
    pub(crate) supplier: String,
    pub(crate) client_reference: Option<String>,
    pub(crate) reference: Option<String>,
    pub(crate) received_at: DateTime<Utc>,
}

/// Callbacks that people were told of, the newest first.
pub(crate) async fn unjoined(
    conn: &mut PgConnection,
    at_most: i64,
) -> Result<Vec<Unjoined>, StoreError> {
    sqlx::query_as(
        "select callback_id, supplier, client_reference, reference, received_at
           from callback_hint where joined_at is null and surfaced_at is not null
            and received_at > holdfast_now() - interval '30 days'
          order by received_at desc limit $1",
    )
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("reading callbacks about nothing"))
}

/// Callbacks that wait and name this, by our reference or by the supplier's, the newest first.
pub(crate) async fn unjoined_named(
    conn: &mut PgConnection,
    key: &str,
    at_most: i64,
) -> Result<Vec<Unjoined>, StoreError> {
    sqlx::query_as(
        "select callback_id, supplier, client_reference, reference, received_at
           from callback_hint
          where joined_at is null and (client_reference = $1 or reference = $1)
          order by received_at desc limit $2",
    )
    .bind(key)
    .bind(at_most)
    .fetch_all(conn)
    .await
    .map_err(database("finding callbacks about nothing"))
}

/// Notes that people are told of callbacks that have waited for so many seconds; gives each once.
pub(crate) async fn surface(
    conn: &mut PgConnection,
    waited_for_s: f64,
) -> Result<Vec<(Uuid, String)>, StoreError> {
    sqlx::query_as(
        "update callback_hint set surfaced_at = holdfast_now()
          where joined_at is null and surfaced_at is null
            and received_at < holdfast_now() - make_interval(secs => $1)
      returning callback_id, supplier",
    )
    .bind(waited_for_s)
    .fetch_all(conn)
    .await
    .map_err(database("surfacing callbacks"))
}

/// Drops callbacks that have waited in vain for so many seconds.
pub(crate) async fn forget_waiting(
    conn: &mut PgConnection,
    waited_for_s: f64,
    at_most: i64,
) -> Result<u64, StoreError> {
    let gone = sqlx::query(
        "delete from callback_hint where callback_id in (
             select callback_id from callback_hint
              where joined_at is null
                and received_at < holdfast_now() - make_interval(secs => $1)
              order by received_at limit $2 for update skip locked)",
    )
    .bind(waited_for_s)
    .bind(at_most)
    .execute(conn)
    .await
    .map_err(database("forgetting callbacks that waited"))?;
    Ok(gone.rows_affected())
}
