//! All SQL of the support console.

mod acts;
mod causes;
mod edits;
mod events;
mod proofs;
mod runs;
mod staff;

pub(crate) use acts::{Act, ActFilter, Acted, Outcome, acts, hands_on, record};
pub(crate) use causes::{LetterCause, causes};
pub(crate) use edits::{Edit, decide_edit, edits, propose_edit};
pub(crate) use events::{
    Happened, LateReplay, NewEvent, NewReplay, Pending, add_event, add_replays, came_before,
    failed_again, history, last_actor, late_replays, next_attempt, next_attempts, pending,
    replay_of, succeeded,
};
pub(crate) use proofs::{Proof, add_proof, last_proof};
pub(crate) use runs::{
    NewRun, Run, Taken, change_run, list_more, new_run, note_letters, progress, running, runs,
    take_running, touch_run, waiting_letters,
};
pub(crate) use staff::{
    SignInLimits, Whose, add_staff, begin_sign_in, change_password, end_session, end_staff,
    open_session, session, signed_in_well, staff_named,
};

use std::time::Duration;

use chrono::{DateTime, Utc};
use messaging::{StoreError, database};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::{Connection as _, FromRow, PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use crate::{parked::DeadLetter, state::State};

/// What a list shows of a dead letter.
#[derive(Debug, Clone, PartialEq, Serialize, FromRow)]
pub(crate) struct Summary {
    pub(crate) dead_letter_id: Uuid,
    pub(crate) queue: String,
    pub(crate) consumer: Option<String>,
    pub(crate) cause: String,
    pub(crate) detail: Option<String>,
    pub(crate) message_id: Uuid,
    pub(crate) message_type: Option<String>,
    pub(crate) attempt: i32,
    pub(crate) attempts: i32,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
    pub(crate) subject: Option<Uuid>,
    pub(crate) booking_id: Option<Uuid>,
    pub(crate) trace_id: Option<String>,
    pub(crate) first_at: DateTime<Utc>,
    pub(crate) last_at: DateTime<Utc>,
    pub(crate) parked_at: DateTime<Utc>,
    /// Who would get it again.
    pub(crate) addressee: Option<String>,
    /// How it stands.
    #[sqlx(try_from = "String")]
    pub(crate) state: State,
    /// Since when, if anybody did anything about it.
    pub(crate) state_at: Option<DateTime<Utc>>,
    /// Until when it can be restored, while it is discarded.
    pub(crate) restorable_until: Option<DateTime<Utc>>,
    /// The delivery that a replay of it is, while it is under way.
    pub(crate) replay_attempt: Option<i32>,
    /// The dead letter that its replay became.
    pub(crate) next_dead_letter_id: Option<Uuid>,
    /// The letters that share what is wrong.
    pub(crate) letter_cause_id: Uuid,
    /// How many events it has.
    #[serde(skip)]
    pub(crate) version: i32,
}

impl Summary {
    /// Whether it was sent again this long ago, and nobody said yet what came of it.
    pub(crate) fn is_late(&self, within: Duration, now: DateTime<Utc>) -> bool {
        let since = self.state_at.filter(|_| self.state == State::Replaying);
        since.is_some_and(|since| (now - since).to_std().is_ok_and(|lasts| lasts >= within))
    }
}

/// A dead letter with all that came with it.
pub(crate) struct Whole {
    pub(crate) summary: Summary,
    pub(crate) headers: Map<String, Value>,
    pub(crate) body: Vec<u8>,
    /// The database's time.
    pub(crate) now: DateTime<Utc>,
}

/// Where a list goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct After {
    pub(crate) at: DateTime<Utc>,
    pub(crate) id: Uuid,
}

/// What a list is narrowed by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) consumer: Option<String>,
    pub(crate) cause: Option<String>,
    pub(crate) booking_id: Option<Uuid>,
    pub(crate) state: Option<State>,
    pub(crate) letter_cause_id: Option<Uuid>,
}

/// What came without an id counts on from what is there, and from what comes before it here.
const INSERT: &str =
    "insert into dead_letter (dead_letter_id, queue, message_id, attempt, attempts,
                              message_type, consumer, cause, detail, exchange, routing_key,
                              headers, body, subject, booking_id, trace_id, first_at, last_at,
                              addressee, supplier, step, error, parked_at)
     select dead_letter_id, queue, message_id, attempt + more, attempts + more, message_type,
            consumer, cause, detail, exchange, routing_key, headers::json, body, subject,
            booking_id, trace_id, coalesce(first_at, now), coalesce(last_at, now), addressee,
            supplier, step, error, now
       from unnest($1::uuid[], $2::text[], $3::uuid[], $4::integer[], $5::integer[], $6::text[],
                   $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
                   $13::bytea[], $14::uuid[], $15::uuid[], $16::text[], $17::timestamptz[],
                   $18::timestamptz[], $19::text[], $20::text[], $21::text[], $22::text[],
                   $23::boolean[])
            with ordinality
            as n (dead_letter_id, queue, message_id, attempt, attempts, message_type, consumer,
                  cause, detail, exchange, routing_key, headers, body, subject, booking_id,
                  trace_id, first_at, last_at, addressee, supplier, step, error, fresh, place),
            (select holdfast_now() as now) as clock,
            lateral (
                select case when fresh then
                    greatest(coalesce((select max(d.attempt) + 1 - n.attempt
                                         from dead_letter as d
                                        where d.queue = n.queue
                                          and d.message_id = n.message_id), 0), 0)
                    -- The others of this batch come before it.
                    + (select count(*)::integer
                         from unnest($2::text[], $3::uuid[], $23::boolean[]) with ordinality
                              as o (queue, message_id, fresh, place)
                        where o.fresh and o.queue = n.queue and o.message_id = n.message_id
                          and o.place < n.place)
                else 0 end as more
            ) as recurring
     on conflict do nothing";

/// Two instances would give two letters without an id the same number.
async fn alone(conn: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("select pg_advisory_xact_lock(3, 0)")
        .execute(conn)
        .await
        .map_err(database("waiting for other dead letters without an id"))
        .map(drop)
}

/// Keeps dead letters; one that is here already stays as it is. What came without an id is one
/// attempt more than the last one of the same bytes.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    letters: &[DeadLetter],
) -> Result<(), StoreError> {
    let mut tx = conn.begin().await.map_err(database("beginning a transaction"))?;
    if letters.iter().any(|letter| letter.fresh) {
        alone(&mut tx).await?;
    }
    let headers = letters.iter().map(|letter| {
        serde_json::to_string(&letter.headers).map_err(|source| StoreError::Corrupt {
            table: "dead_letter",
            id: letter.dead_letter_id.to_string(),
            source: Box::new(source),
        })
    });
    let headers = headers.collect::<Result<Vec<_>, _>>()?;
    let text = |of: fn(&DeadLetter) -> &str| letters.iter().map(of).collect::<Vec<_>>();
    let maybe = |of: fn(&DeadLetter) -> Option<&str>| letters.iter().map(of).collect::<Vec<_>>();
    sqlx::query(INSERT)
        .bind(letters.iter().map(|letter| letter.dead_letter_id).collect::<Vec<_>>())
        .bind(text(|letter| &letter.queue))
        .bind(letters.iter().map(|letter| letter.message_id).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.attempt).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.attempts).collect::<Vec<_>>())
        .bind(maybe(|letter| letter.message_type.as_deref()))
        .bind(maybe(|letter| letter.consumer.as_deref()))
        .bind(text(|letter| &letter.cause))
        .bind(maybe(|letter| letter.detail.as_deref()))
        .bind(text(|letter| &letter.exchange))
        .bind(text(|letter| &letter.routing_key))
        .bind(headers)
        .bind(letters.iter().map(|letter| letter.body.as_slice()).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.subject).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.booking_id).collect::<Vec<_>>())
        .bind(maybe(|letter| letter.trace_id.as_deref()))
        .bind(letters.iter().map(|letter| letter.first_at).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.last_at).collect::<Vec<_>>())
        .bind(maybe(|letter| letter.addressee.as_deref()))
        .bind(text(|letter| &letter.fault.supplier))
        .bind(text(|letter| &letter.fault.step))
        .bind(text(|letter| &letter.fault.error))
        .bind(letters.iter().map(|letter| letter.fresh).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await
        .map_err(database("parking dead letters"))?;
    tx.commit().await.map_err(database("committing dead letters"))
}

const LETTERS: &str =
    "select dead_letter_id, queue, consumer, addressee, cause, detail, message_id,
            message_type, attempt, attempts, exchange, routing_key, subject, booking_id, trace_id,
            first_at, last_at, parked_at, version, state, state_at, restorable_until,
            replay_attempt, next_dead_letter_id, letter_cause_id
       from letter where true";

impl Filter {
    /// Adds a condition for each thing that is given and none for what is not: a plan is made once
    /// for each text of a statement, and one that has to do for whatever may be given looks at all
    /// letters to find the few of one booking.
    fn narrow(&self, query: &mut QueryBuilder<Postgres>) {
        if let Some(consumer) = &self.consumer {
            query.push(" and consumer = ").push_bind(consumer.clone());
        }
        if let Some(cause) = &self.cause {
            query.push(" and cause = ").push_bind(cause.clone());
        }
        if let Some(booking_id) = self.booking_id {
            query.push(" and booking_id = ").push_bind(booking_id);
        }
        if let Some(letter_cause_id) = self.letter_cause_id {
            query.push(" and letter_cause_id = ").push_bind(letter_cause_id);
        }
        if let Some(state) = self.state {
            query.push(" and state = ").push_bind(state.as_str());
        }
        // Few have the rarer states, and these are found by the events and not among all letters.
        let event = match self.state {
            None | Some(State::Parked) => return,
            Some(State::Replaying) => "replayed",
            Some(state @ (State::Succeeded | State::FailedAgain | State::Discarded)) => {
                state.as_str()
            }
        };
        query
            .push(" and dead_letter_id in (select dead_letter_id from letter_event where event = ")
            .push_bind(event)
            .push(")");
    }
}

/// Goes on after the last row of the page before, in a list of which the newest come first.
fn go_on(query: &mut QueryBuilder<Postgres>, by: &'static str, after: Option<After>) {
    if let Some(After { at, id }) = after {
        query.push(" and (").push(by).push(") < (").push_bind(at).push(", ");
        query.push_bind(id).push(")");
    }
}

/// Lists dead letters, the newest first.
pub(crate) async fn list(
    conn: &mut PgConnection,
    filter: &Filter,
    after: Option<After>,
    at_most: i64,
) -> Result<Vec<Summary>, StoreError> {
    let mut query = QueryBuilder::new(LETTERS);
    filter.narrow(&mut query);
    go_on(&mut query, "parked_at, dead_letter_id", after);
    query.push(" order by parked_at desc, dead_letter_id desc limit ").push_bind(at_most);
    query.build_query_as().fetch_all(conn).await.map_err(database("listing dead letters"))
}

/// Reads one dead letter.
pub(crate) async fn load(conn: &mut PgConnection, id: Uuid) -> Result<Option<Whole>, StoreError> {
    Ok(load_many(conn, &[id]).await?.pop())
}

/// Reads dead letters; those that are not there are left out.
pub(crate) async fn load_many(
    conn: &mut PgConnection,
    ids: &[Uuid],
) -> Result<Vec<Whole>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "select l.dead_letter_id, l.queue, l.consumer, l.addressee, l.cause, l.detail, l.message_id,
                l.message_type, l.attempt, l.attempts, l.exchange, l.routing_key, l.subject,
                l.booking_id, l.trace_id, l.first_at, l.last_at, l.parked_at, l.version, l.state,
                l.state_at, l.restorable_until, l.replay_attempt, l.next_dead_letter_id,
                l.letter_cause_id, d.headers::text, d.body, holdfast_now() as now
           from letter as l join dead_letter as d using (dead_letter_id)
          where d.dead_letter_id = any($1)",
    )
    .bind(ids)
    .fetch_all(conn)
    .await
    .map_err(database("reading dead letters"))?;
    rows.into_iter()
        .map(|Row { summary, headers, body, now }| {
            let headers = parsed(&headers, summary.dead_letter_id)?;
            Ok(Whole { summary, headers, body, now })
        })
        .collect()
}

/// A letter as it is read whole.
#[derive(FromRow)]
struct Row {
    #[sqlx(flatten)]
    summary: Summary,
    headers: String,
    body: Vec<u8>,
    now: DateTime<Utc>,
}

fn parsed(headers: &str, id: Uuid) -> Result<Map<String, Value>, StoreError> {
    serde_json::from_str(headers).map_err(|source| StoreError::Corrupt {
        table: "dead_letter",
        id: id.to_string(),
        source: Box::new(source),
    })
}

/// The letters of a booking, or those that an id or a trace names, their own or a replay's, oldest
/// first.
pub(crate) async fn named(
    conn: &mut PgConnection,
    id: Option<Uuid>,
    trace_id: Option<&str>,
) -> Result<Vec<Summary>, StoreError> {
    sqlx::query_as(
        "select dead_letter_id, queue, consumer, addressee, cause, detail, message_id, message_type,
                attempt, attempts, exchange, routing_key, subject, booking_id, trace_id, first_at,
                last_at, parked_at, version, state, state_at, restorable_until, replay_attempt,
                next_dead_letter_id, letter_cause_id
           from letter
          where booking_id = $1 or message_id = $1 or dead_letter_id = $1 or trace_id = $2
             or dead_letter_id = any (array(select dead_letter_id from letter_event
                                             where trace_id = $2))
          order by parked_at, dead_letter_id
          limit 200",
    )
    .bind(id)
    .bind(trace_id)
    .fetch_all(conn)
    .await
    .map_err(database("finding dead letters"))
}
