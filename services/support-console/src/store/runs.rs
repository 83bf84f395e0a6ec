//! Replays of many letters, and the letters of each.

use chrono::{DateTime, Utc};
use messaging::{StoreError, database};
use serde::Serialize;
use sqlx::{FromRow, PgConnection, QueryBuilder};
use uuid::Uuid;

use super::Filter;
use crate::runs::Progress;

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub(crate) struct Run {
    pub(crate) replay_run_id: Uuid,
    #[serde(skip)]
    pub(crate) act_id: Uuid,
    pub(crate) made_at: DateTime<Utc>,
    pub(crate) about: String,
    pub(crate) ladder: Vec<i32>,
    pub(crate) per_second: i32,
    pub(crate) failed_percent_max: i32,
    pub(crate) letters: i64,
    pub(crate) state: String,
    /// Why it stopped.
    pub(crate) why: Option<String>,
    pub(crate) changed_at: DateTime<Utc>,
    #[serde(skip)]
    pub(crate) sent_at: DateTime<Utc>,
    /// Who began it, and why.
    pub(crate) actor: String,
    pub(crate) reason: Option<String>,
    /// The database's time.
    #[serde(skip)]
    pub(crate) now: DateTime<Utc>,
}

/// A run that is to be.
pub(crate) struct NewRun<'a> {
    pub(crate) replay_run_id: Uuid,
    pub(crate) act_id: Uuid,
    pub(crate) about: &'a str,
    pub(crate) ladder: &'a [i32],
    pub(crate) per_second: i32,
    pub(crate) failed_percent_max: i32,
}

/// Makes a run of letters that wait now, the oldest first; says how many there are.
pub(crate) async fn new_run(
    conn: &mut PgConnection,
    run: &NewRun<'_>,
    filter: &Filter,
    at_most: i64,
) -> Result<i64, StoreError> {
    sqlx::query(
        "insert into replay_run (replay_run_id, act_id, made_at, about, ladder, per_second,
                                 failed_percent_max, letters, state, changed_at, sent_at)
         select $1, $2, now, $3, $4, $5, $6, 0, 'running', now, now - interval '1 second'
           from (select holdfast_now() as now) as clock",
    )
    .bind(run.replay_run_id)
    .bind(run.act_id)
    .bind(run.about)
    .bind(run.ladder)
    .bind(run.per_second)
    .bind(run.failed_percent_max)
    .execute(&mut *conn)
    .await
    .map_err(database("making a replay of many"))?;
    let mut query = QueryBuilder::new(
        "with added as (
             insert into replay_run_letter (replay_run_id, place, dead_letter_id)
             select ",
    );
    query.push_bind(run.replay_run_id).push(
        ", row_number() over (order by parked_at, dead_letter_id), dead_letter_id
               from (select parked_at, dead_letter_id from letter where state = 'parked'",
    );
    filter.narrow(&mut query);
    query.push(" order by parked_at, dead_letter_id limit ").push_bind(at_most);
    query.push(
        ") as found
             returning place)
         update replay_run set letters = (select count(*) from added) where replay_run_id = ",
    );
    query.push_bind(run.replay_run_id).push(" returning letters");
    let listed = query.build_query_scalar().fetch_one(conn).await;
    listed.map_err(database("listing the letters of a replay of many"))
}

/// Runs that go on, the one that sent letters longest ago first.
pub(crate) async fn running(conn: &mut PgConnection) -> Result<Vec<Uuid>, StoreError> {
    sqlx::query_scalar(
        "select replay_run_id from replay_run where state = 'running' order by sent_at",
    )
    .fetch_all(conn)
    .await
    .map_err(database("listing replays of many that go on"))
}

/// A run, unless it goes on no more or somebody else has it. Nobody else has it meanwhile.
pub(crate) async fn take_running(
    conn: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Run>, StoreError> {
    sqlx::query_as(
        "select r.*, a.actor, a.reason, holdfast_now() as now
           from replay_run as r join act as a using (act_id)
          where r.replay_run_id = $1 and r.state = 'running' for update of r skip locked",
    )
    .bind(id)
    .fetch_optional(conn)
    .await
    .map_err(database("taking a replay of many"))
}

/// Runs, the newest first, or one of them.
pub(crate) async fn runs(
    conn: &mut PgConnection,
    only: Option<Uuid>,
    at_most: i64,
) -> Result<Vec<Run>, StoreError> {
    let mut query = QueryBuilder::new(
        "select r.*, a.actor, a.reason, holdfast_now() as now
           from replay_run as r join act as a using (act_id)",
    );
    if let Some(id) = only {
        query.push(" where r.replay_run_id = ").push_bind(id);
    }
    query.push(" order by r.made_at desc limit ").push_bind(at_most);
    query.build_query_as().fetch_all(conn).await.map_err(database("listing replays of many"))
}

/// How far a run is: of what was sent, what its letters' events say.
pub(crate) async fn progress(conn: &mut PgConnection, id: Uuid) -> Result<Progress, StoreError> {
    let figures: (i64, i64, i64, i64, i64) = sqlx::query_as(
        "select count(*) filter (where version is null and refusal is null),
                count(*) filter (where version is not null and event is null),
                count(*) filter (where event = 'succeeded'),
                count(*) filter (where event = 'failed_again'),
                count(*) filter (where refusal is not null)
           from (select l.version, l.refusal,
                        (select e.event from letter_event as e
                          where e.dead_letter_id = l.dead_letter_id
                            and e.version = l.version + 1) as event
                   from replay_run_letter as l
                  where l.replay_run_id = $1) as of_run",
    )
    .bind(id)
    .fetch_one(conn)
    .await
    .map_err(database("counting the letters of a replay of many"))?;
    let (left, pending, succeeded, failed, refused) = figures;
    let [left, pending, succeeded, failed, refused] =
        [left, pending, succeeded, failed, refused].map(i64::unsigned_abs);
    Ok(Progress { left, pending, succeeded, failed, refused })
}

/// The next letters of a run, with their places: no more bytes of bodies than that, but always one.
pub(crate) async fn waiting_letters(
    conn: &mut PgConnection,
    id: Uuid,
    some: u64,
    bytes_max: i64,
) -> Result<Vec<(i32, Uuid)>, StoreError> {
    sqlx::query_as(
        "select place, dead_letter_id
           from (select place, dead_letter_id, row_number() over (order by place) as nth,
                        sum(octet_length(d.body)) over (order by place) as bytes
                   from (select place, dead_letter_id from replay_run_letter
                          where replay_run_id = $1 and version is null and refusal is null
                          order by place limit $2) as next
                   join dead_letter as d using (dead_letter_id)) as counted
          where nth = 1 or bytes <= $3
          order by place",
    )
    .bind(id)
    .bind(i64::try_from(some).unwrap_or(i64::MAX))
    .bind(bytes_max)
    .fetch_all(conn)
    .await
    .map_err(database("taking letters of a replay of many"))
}

/// What became of a letter of a run when it was its turn.
pub(crate) struct Taken {
    pub(crate) place: i32,
    /// The event that its replay is, if it was sent.
    pub(crate) version: Option<i32>,
    /// Why it was not.
    pub(crate) refusal: Option<String>,
}

/// Notes which letters were sent, and why others were not.
pub(crate) async fn note_letters(
    conn: &mut PgConnection,
    id: Uuid,
    letters: &[Taken],
) -> Result<(), StoreError> {
    sqlx::query(
        "update replay_run_letter as l set version = n.version, refusal = n.refusal
           from unnest($2::integer[], $3::integer[], $4::text[]) as n (place, version, refusal)
          where l.replay_run_id = $1 and l.place = n.place",
    )
    .bind(id)
    .bind(letters.iter().map(|letter| letter.place).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.version).collect::<Vec<_>>())
    .bind(letters.iter().map(|letter| letter.refusal.as_deref()).collect::<Vec<_>>())
    .execute(conn)
    .await
    .map(drop)
    .map_err(database("noting letters of a replay of many"))
}

/// Notes that letters were sent now.
pub(crate) async fn touch_run(conn: &mut PgConnection, id: Uuid) -> Result<(), StoreError> {
    sqlx::query("update replay_run set sent_at = holdfast_now() where replay_run_id = $1")
        .bind(id)
        .execute(conn)
        .await
        .map(drop)
        .map_err(database("noting when a replay of many went on"))
}

/// Changes how a run stands, unless it is over; says whether it was not.
pub(crate) async fn change_run(
    conn: &mut PgConnection,
    id: Uuid,
    state: &str,
    why: Option<&str>,
) -> Result<bool, StoreError> {
    let changed = sqlx::query(
        "update replay_run set state = $2, why = $3, changed_at = holdfast_now()
          where replay_run_id = $1 and state in ('running', 'paused') and state <> $2",
    )
    .bind(id)
    .bind(state)
    .bind(why)
    .execute(conn)
    .await
    .map_err(database("changing a replay of many"))?;
    Ok(changed.rows_affected() == 1)
}
