//! Replays of many letters, and the letters of each.

use std::time::Duration;

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
    /// No more than so many; as many as wait without it.
    pub(crate) at_most: Option<i64>,
    #[serde(skip)]
    pub(crate) of_cause_id: Option<Uuid>,
    #[serde(skip)]
    pub(crate) of_consumer: Option<String>,
    #[serde(skip)]
    pub(crate) of_cause: Option<String>,
    /// The place of the first letter that is counted one by one, and what became of those before.
    #[serde(skip)]
    pub(crate) listed_from: i32,
    #[serde(skip)]
    pub(crate) succeeded_before: i64,
    #[serde(skip)]
    pub(crate) failed_before: i64,
    #[serde(skip)]
    pub(crate) refused_before: i64,
    #[serde(skip)]
    pub(crate) late_before: i64,
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
    /// No more letters than so many; all that wait without it.
    pub(crate) at_most: Option<i64>,
}

/// Makes a run of letters that wait now, and lists the first of them; says how many are listed.
pub(crate) async fn new_run(
    conn: &mut PgConnection,
    run: &NewRun<'_>,
    filter: &Filter,
    listed: i64,
) -> Result<i64, StoreError> {
    let made: Run = sqlx::query_as(
        "insert into replay_run (replay_run_id, act_id, made_at, about, ladder, per_second,
                                 failed_percent_max, letters, state, changed_at, sent_at,
                                 of_cause_id, of_consumer, of_cause, at_most)
         select $1, $2, now, $3, $4, $5, $6, 0, 'running', now, now - interval '1 second',
                $7, $8, $9, $10
           from (select holdfast_now() as now) as clock
         returning *, '' as actor, null::text as reason, made_at as now",
    )
    .bind(run.replay_run_id)
    .bind(run.act_id)
    .bind(run.about)
    .bind(run.ladder)
    .bind(run.per_second)
    .bind(run.failed_percent_max)
    .bind(filter.letter_cause_id)
    .bind(&filter.consumer)
    .bind(&filter.cause)
    .bind(run.at_most)
    .fetch_one(&mut *conn)
    .await
    .map_err(database("making a replay of many"))?;
    list_more(conn, &made, Progress::default(), listed).await
}

/// Lists the next letters of a run of which all that became is known: of those that waited when it
/// began, the oldest first. Says how many.
pub(crate) async fn list_more(
    conn: &mut PgConnection,
    run: &Run,
    known: Progress,
    listed: i64,
) -> Result<i64, StoreError> {
    let rest = run.at_most.map_or(listed, |at_most| listed.min(at_most - run.letters)).max(0);
    let filter = Filter {
        letter_cause_id: run.of_cause_id,
        consumer: run.of_consumer.clone(),
        cause: run.of_cause.clone(),
        ..Filter::default()
    };
    let last: Option<(DateTime<Utc>, Uuid)> = sqlx::query_as(
        "select d.parked_at, d.dead_letter_id
           from replay_run_letter as l join dead_letter as d using (dead_letter_id)
          where l.replay_run_id = $1 order by l.place desc limit 1",
    )
    .bind(run.replay_run_id)
    .fetch_optional(&mut *conn)
    .await
    .map_err(database("reading how far a replay of many is"))?;
    let mut query = QueryBuilder::new(
        "with added as (
             insert into replay_run_letter (replay_run_id, place, dead_letter_id)
             select ",
    );
    query.push_bind(run.replay_run_id).push(", ").push_bind(run.letters).push(
        " + row_number() over (order by parked_at, dead_letter_id), dead_letter_id
               from (select parked_at, dead_letter_id from letter
                      where state = 'parked' and parked_at <= ",
    );
    query.push_bind(run.made_at);
    if let Some((at, id)) = last {
        query.push(" and (parked_at, dead_letter_id) > (").push_bind(at).push(", ");
        query.push_bind(id).push(")");
    }
    filter.narrow(&mut query);
    query.push(" order by parked_at, dead_letter_id limit ").push_bind(rest);
    query.push(
        ") as found
             returning place)
         update replay_run set letters = letters + (select count(*) from added), listed_from = ",
    );
    query.push_bind(i32::try_from(run.letters.saturating_add(1)).unwrap_or(i32::MAX));
    for (column, count) in [
        (", succeeded_before = ", known.succeeded),
        (", failed_before = ", known.failed),
        (", refused_before = ", known.refused),
        (", late_before = ", known.late),
    ] {
        query.push(column).push_bind(i64::try_from(count).unwrap_or(i64::MAX));
    }
    query.push(" where replay_run_id = ").push_bind(run.replay_run_id);
    query.push(" and (letters = 0 or exists (select from added)) returning letters");
    let letters: Option<i64> = query
        .build_query_scalar()
        .fetch_optional(conn)
        .await
        .map_err(database("listing the letters of a replay of many"))?;
    Ok(letters.map_or(0, |letters| letters - run.letters))
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

/// How far a run is: of what was sent, what its letters' events say. A letter that was sent once
/// more by hand meanwhile has come as far as that replay has.
pub(crate) async fn progress(
    conn: &mut PgConnection,
    run: &Run,
    known_within: Duration,
) -> Result<Progress, StoreError> {
    let figures: (i64, i64, i64, i64, i64, i64) = sqlx::query_as(
        "select count(*) filter (where version is null and refusal is null),
                count(*) filter (where version is not null and event is null and not late),
                count(*) filter (where late),
                count(*) filter (where event = 'succeeded'),
                count(*) filter (where event = 'failed_again'),
                count(*) filter (where refusal is not null)
           from (select version, refusal, event,
                        version is not null and event is null
                        and coalesce((select p.at <= clock.late from pending_replay as p
                                       where p.dead_letter_id = sent.dead_letter_id), false) as late
                   from (select l.dead_letter_id, l.version, l.refusal,
                                (select e.event from letter_event as e
                                  where e.dead_letter_id = l.dead_letter_id
                                    and e.version > l.version and e.event <> 'replayed'
                                  order by e.version limit 1) as event
                           from replay_run_letter as l
                          where l.replay_run_id = $1 and l.place >= $2 offset 0) as sent,
                        (select holdfast_now() - make_interval(secs => $3) as late) as clock
                 offset 0) as of_run",
    )
    .bind(run.replay_run_id)
    .bind(run.listed_from)
    .bind(known_within.as_secs_f64())
    .fetch_one(conn)
    .await
    .map_err(database("counting the letters of a replay of many"))?;
    let (left, pending, late, succeeded, failed, refused) = figures;
    Ok(Progress {
        left: left.unsigned_abs(),
        pending: pending.unsigned_abs(),
        late: (late + run.late_before).unsigned_abs(),
        succeeded: (succeeded + run.succeeded_before).unsigned_abs(),
        failed: (failed + run.failed_before).unsigned_abs(),
        refused: (refused + run.refused_before).unsigned_abs(),
    })
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
