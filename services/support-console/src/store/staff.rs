//! Members of staff, their sessions, and tries to sign in.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use messaging::{StoreError, database};
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A member of staff, for signing in.
#[derive(FromRow)]
pub(crate) struct StaffRow {
    pub(crate) staff_id: Uuid,
    pub(crate) password_hash: String,
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub(crate) struct SessionRow {
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) now: DateTime<Utc>,
}

/// Whom a session is opened for.
pub(crate) enum Whose<'a> {
    /// A member of staff with a password.
    Staffs(Uuid),
    /// Somebody of whom an issuer says that they may do this: for as long as the session lasts.
    Issuers { name: &'a str, role: &'static str },
}

/// How many tries to sign in may fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignInLimits {
    /// Over this long.
    pub(crate) within: Duration,
    /// With one name from one place.
    pub(crate) of_name_here: i64,
    /// With one name from everywhere.
    pub(crate) of_name: i64,
    /// With any name from one place.
    pub(crate) here: i64,
}

/// Adds a member of staff; says whether the name was free.
pub(crate) async fn add_staff(
    conn: &mut PgConnection,
    staff_id: Uuid,
    name: &str,
    password_hash: &str,
    role: &str,
) -> Result<bool, StoreError> {
    let added = sqlx::query(
        "insert into staff (staff_id, name, password_hash, role, made_at)
         values ($1, $2, $3, $4, holdfast_now()) on conflict (name) do nothing",
    )
    .bind(staff_id)
    .bind(name)
    .bind(password_hash)
    .bind(role)
    .execute(conn)
    .await
    .map_err(database("adding a member of staff"))?;
    Ok(added.rows_affected() == 1)
}

/// Gives a new password and ends all sessions; says whether there is such a member of staff.
pub(crate) async fn change_password(
    conn: &mut PgConnection,
    name: &str,
    password_hash: &str,
) -> Result<bool, StoreError> {
    let changed = sqlx::query(
        "with changed as (update staff set password_hash = $2 where name = $1 returning staff_id),
              ended as (update session set ended_at = holdfast_now()
                         where staff_id in (select staff_id from changed) and ended_at is null)
         select from changed",
    )
    .bind(name)
    .bind(password_hash)
    .execute(conn)
    .await
    .map_err(database("changing a password"))?;
    Ok(changed.rows_affected() == 1)
}

/// Ends a member of staff, or whom an issuer sent, and all sessions; says whether there was one.
pub(crate) async fn end_staff(conn: &mut PgConnection, name: &str) -> Result<bool, StoreError> {
    let ended = sqlx::query(
        "with sessions as (update session set ended_at = holdfast_now()
                            where name = $1 and ended_at is null returning name),
              staffs as (update staff set ended_at = coalesce(ended_at, holdfast_now())
                          where name = $1 returning name)
         select name from sessions union all select name from staffs",
    )
    .bind(name)
    .execute(conn)
    .await
    .map_err(database("ending a member of staff"))?;
    Ok(ended.rows_affected() > 0)
}

/// The member of staff of a name.
pub(crate) async fn staff_named(
    conn: &mut PgConnection,
    name: &str,
) -> Result<Option<StaffRow>, StoreError> {
    sqlx::query_as("select staff_id, password_hash from staff where name = $1 and ended_at is null")
        .bind(name)
        .fetch_optional(conn)
        .await
        .map_err(database("reading a member of staff"))
}

/// Notes a try to sign in, unless there were too many; says whether there were not.
///
/// A try counts as failed until it is known better. Whoever counts the same name or place waits
/// for the transaction that did so before, so that of many tries at once no more than the limits
/// say are let through.
pub(crate) async fn begin_sign_in(
    conn: &mut PgConnection,
    try_id: Uuid,
    name_digest: &[u8],
    from_where: &str,
    limits: &SignInLimits,
) -> Result<bool, StoreError> {
    // Names before places, always: two that wait for each other cannot be.
    for (class, key) in [(1, name_digest), (2, from_where.as_bytes())] {
        sqlx::query("select pg_advisory_xact_lock($1, hashtext(encode($2, 'hex')))")
            .bind(class)
            .bind(key)
            .execute(&mut *conn)
            .await
            .map_err(database("waiting for other tries to sign in"))?;
    }
    let noted = sqlx::query(
        "with lately as (select (name_digest = $2) as of_name, (from_where = $3) as here
                           from sign_in
                          where not well and (name_digest = $2 or from_where = $3)
                            and at > holdfast_now() - $4)
         insert into sign_in (sign_in_id, at, name_digest, from_where, well)
         select $1, holdfast_now(), $2, $3, false
           from (select count(*) filter (where of_name and here) as of_name_here,
                        count(*) filter (where of_name) as of_name,
                        count(*) filter (where here) as here from lately) as failed
          where of_name_here < $5 and of_name < $6 and here < $7",
    )
    .bind(try_id)
    .bind(name_digest)
    .bind(from_where)
    .bind(TimeDelta::from_std(limits.within).unwrap_or(TimeDelta::zero()))
    .bind(limits.of_name_here)
    .bind(limits.of_name)
    .bind(limits.here)
    .execute(conn)
    .await
    .map_err(database("noting a try to sign in"))?;
    Ok(noted.rows_affected() == 1)
}

/// Notes that the password of a try was right.
pub(crate) async fn signed_in_well(
    conn: &mut PgConnection,
    try_id: Uuid,
) -> Result<(), StoreError> {
    sqlx::query("update sign_in set well = true where sign_in_id = $1")
        .bind(try_id)
        .execute(conn)
        .await
        .map(drop)
        .map_err(database("noting that somebody signed in"))
}

/// Opens a session.
pub(crate) async fn open_session(
    conn: &mut PgConnection,
    digest: &[u8],
    whose: &Whose<'_>,
    from_where: &str,
) -> Result<(), StoreError> {
    let (staff_id, name, role) = match whose {
        Whose::Staffs(id) => (Some(*id), None, None),
        Whose::Issuers { name, role } => (None, Some(*name), Some(*role)),
    };
    sqlx::query(
        "insert into session (session_digest, staff_id, name, role, from_where, made_at, seen_at)
         select $1, $2, $3, $4, $5, now, now from (select holdfast_now() as now) as clock",
    )
    .bind(digest)
    .bind(staff_id)
    .bind(name)
    .bind(role)
    .bind(from_where)
    .execute(conn)
    .await
    .map(drop)
    .map_err(database("opening a session"))
}

/// Whose a session is, if it is good now; that somebody used it is noted once a minute.
pub(crate) async fn session(
    conn: &mut PgConnection,
    digest: &[u8],
    idle: Duration,
    longest: Duration,
    used: bool,
) -> Result<Option<SessionRow>, StoreError> {
    let span = |limit| TimeDelta::from_std(limit).unwrap_or(TimeDelta::zero());
    sqlx::query_as(
        "with clock as (select holdfast_now() as now),
              good as (select s.session_digest, s.seen_at, coalesce(f.name, s.name) as name,
                              coalesce(f.role, s.role) as role, clock.now
                         from session as s left join staff as f using (staff_id)
                        cross join clock
                        where s.session_digest = $1 and s.ended_at is null and f.ended_at is null
                          and s.seen_at > clock.now - $2 and s.made_at > clock.now - $3),
              seen as (update session as s set seen_at = good.now from good
                        where $4 and s.session_digest = good.session_digest
                          and good.seen_at < good.now - interval '1 minute')
         select name, role, now from good",
    )
    .bind(digest)
    .bind(span(idle))
    .bind(span(longest))
    .bind(used)
    .fetch_optional(conn)
    .await
    .map_err(database("reading a session"))
}

/// Ends a session.
pub(crate) async fn end_session(conn: &mut PgConnection, digest: &[u8]) -> Result<(), StoreError> {
    sqlx::query(
        "update session set ended_at = holdfast_now()
          where session_digest = $1 and ended_at is null",
    )
    .bind(digest)
    .execute(conn)
    .await
    .map(drop)
    .map_err(database("ending a session"))
}
