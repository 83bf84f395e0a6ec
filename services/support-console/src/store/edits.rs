//! Edits of letters that wait for a second person.

use chrono::{DateTime, Utc};
use messaging::{StoreError, database};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, QueryBuilder};
use uuid::Uuid;

/// An edit that nobody has decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub(crate) struct Edit {
    pub(crate) edit_id: Uuid,
    pub(crate) dead_letter_id: Uuid,
    pub(crate) made_at: DateTime<Utc>,
    pub(crate) proposer: String,
    pub(crate) reason: Option<String>,
    pub(crate) changed: Vec<String>,
    #[serde(skip)]
    pub(crate) body: Vec<u8>,
}

/// Notes an edit, unless one of the same letter waits already; says whether it did.
pub(crate) async fn propose_edit(
    conn: &mut PgConnection,
    edit: &Edit,
    act_id: Uuid,
) -> Result<bool, StoreError> {
    let noted = sqlx::query(
        "insert into edit (edit_id, dead_letter_id, act_id, made_at, proposer, body, changed, state)
         values ($1, $2, $3, holdfast_now(), $4, $5, $6, 'awaiting')
         on conflict (dead_letter_id) where state = 'awaiting' do nothing",
    )
    .bind(edit.edit_id)
    .bind(edit.dead_letter_id)
    .bind(act_id)
    .bind(&edit.proposer)
    .bind(&edit.body)
    .bind(&edit.changed)
    .execute(conn)
    .await
    .map_err(database("noting an edit"))?;
    Ok(noted.rows_affected() == 1)
}

/// Edits that wait, the oldest first: all, one, or that of one letter. They stay as they are until
/// the transaction ends.
pub(crate) async fn edits(
    conn: &mut PgConnection,
    edit_id: Option<Uuid>,
    dead_letter_id: Option<Uuid>,
) -> Result<Vec<Edit>, StoreError> {
    let mut query = QueryBuilder::new(
        "select e.edit_id, e.dead_letter_id, e.made_at, e.proposer, a.reason, e.changed, e.body
           from edit as e join act as a using (act_id)
          where e.state = 'awaiting'",
    );
    if let Some(edit_id) = edit_id {
        query.push(" and e.edit_id = ").push_bind(edit_id);
    }
    if let Some(dead_letter_id) = dead_letter_id {
        query.push(" and e.dead_letter_id = ").push_bind(dead_letter_id);
    }
    query.push(" order by e.made_at limit 200 for update of e");
    query.build_query_as().fetch_all(conn).await.map_err(database("reading edits"))
}

/// Notes what a second person decided.
pub(crate) async fn decide_edit(
    conn: &mut PgConnection,
    edit_id: Uuid,
    state: &str,
    act_id: Uuid,
) -> Result<(), StoreError> {
    sqlx::query("update edit set state = $2, decided_by_act_id = $3 where edit_id = $1")
        .bind(edit_id)
        .bind(state)
        .bind(act_id)
        .execute(conn)
        .await
        .map(drop)
        .map_err(database("noting what was decided about an edit"))
}
