//! Much behind the console: dead letters of many causes, and at each owner the journals of bookings
//! that are like one that was made.

use anyhow::Context as _;
use contracts::{envelope::header, message::Message as _, messages::BookingFailed};
use sqlx::{Connection as _, PgConnection};

use crate::Stack;

/// How much there is to be.
#[derive(Debug, Clone, Copy)]
pub struct Filled {
    /// Dead letters that wait.
    pub letters: i64,
    /// Rows of journals, over all owners.
    pub events: i64,
}

/// The cause of the letters that are replayed: what they ask for can be done.
pub(super) const REPLAYABLE: &str = "exhausted";
const CAUSES: i64 = 200;
const CONSUMER: &str = "rewards";

/// Fills the databases of a stack in which one booking was made.
pub(super) async fn fill(stack: &Stack, filled: Filled, group: u32) -> anyhow::Result<()> {
    letters(stack, filled.letters, group).await?;
    let each = journal_rows(stack).await?;
    let copies = filled.events / each.max(1);
    for (service, statements) in COPIES {
        let mut conn = PgConnection::connect(&stack.database_url(service)).await?;
        for statement in *statements {
            let done = sqlx::query(*statement).bind(copies).execute(&mut conn).await;
            done.with_context(|| format!("{service}: {statement}"))?;
        }
    }
    for service in
        ["support-console", "booking", "supplier-sync", "payment-verification", "rewards"]
    {
        let mut conn = PgConnection::connect(&stack.database_url(service)).await?;
        sqlx::query("vacuum analyze").execute(&mut conn).await?;
    }
    Ok(())
}

async fn letters(stack: &Stack, count: i64, group: u32) -> anyhow::Result<()> {
    let mut conn = PgConnection::connect(&stack.database_url("support-console")).await?;
    let events = crate::broker::Broker::of(stack).await?.routing().events();
    // The ones that can be replayed are the oldest, and so the first that a run takes.
    for (from, to, cause) in
        [(1, i64::from(group), REPLAYABLE), (i64::from(group) + 1, count, "rejected")]
    {
        sqlx::query(
            "insert into dead_letter (dead_letter_id, queue, message_id, attempt, attempts,
                                      message_type, consumer, cause, detail, exchange, routing_key,
                                      headers, body, subject, booking_id, trace_id, first_at,
                                      last_at, addressee, supplier, step, error, parked_at)
             select md5('letter-' || n)::uuid, $3 || '.dead', message, 1, 8, $4, $3, $5,
                    'a handler failed', $6, $4,
                    json_build_object($7::text, '1.0', $8::text, message, $9::text, $4,
                                      $10::text, 'booking', $11::text, booking,
                                      $12::text, '2026-01-01T00:00:00Z'),
                    convert_to(json_build_object('booking_id', booking, 'account_id',
                                                 'bench-' || n % 1000, 'version', 3,
                                                 'at', '2026-01-01T00:00:00Z')::text,
                               'UTF8'),
                    booking, booking, md5('trace-' || n), at, at, null, '', $4,
                    'fault ' || n % $13, at
               from (select n, md5('message-' || n)::uuid as message,
                            md5('booking-' || n)::uuid as booking,
                            holdfast_now() - interval '30 days' + n * interval '2 seconds' as at
                       from generate_series($1::bigint, $2::bigint) as n) as made",
        )
        .bind(from)
        .bind(to)
        .bind(CONSUMER)
        .bind(BookingFailed::TYPE)
        .bind(cause)
        .bind(&events)
        .bind(header::SPEC)
        .bind(header::ID)
        .bind(header::TYPE)
        .bind(header::SOURCE)
        .bind(header::SUBJECT)
        .bind(header::TIME)
        .bind(if cause == REPLAYABLE { 1 } else { CAUSES })
        .execute(&mut conn)
        .await
        .context("filling the table of dead letters")?;
    }
    Ok(())
}

/// How many of the replayed messages took effect at their consumer.
pub(super) async fn effects(stack: &Stack) -> anyhow::Result<i64> {
    let mut conn = PgConnection::connect(&stack.database_url(CONSUMER)).await?;
    let count = sqlx::query_scalar(
        "select count(*)
           from generate_series(1, 20000) as n
           join lateral (select from inbox
                          where message_id = md5('message-' || n)::uuid and state = 'done'
                          limit 1) as done on true",
    )
    .fetch_one(&mut conn)
    .await?;
    Ok(count)
}

/// Rows of journals that one booking has, over all owners.
async fn journal_rows(stack: &Stack) -> anyhow::Result<i64> {
    let mut all = 0;
    for (service, statement) in [
        ("booking", "select count(*) from booking_event"),
        (
            "supplier-sync",
            "select (select count(*) from leg_event) + (select count(*) from exchange)",
        ),
        ("payment-verification", "select count(*) from payment_event"),
        ("rewards", "select count(*) from account_event"),
    ] {
        let mut conn = PgConnection::connect(&stack.database_url(service)).await?;
        all += sqlx::query_scalar::<_, i64>(statement).fetch_one(&mut conn).await?;
    }
    Ok(all)
}

/// Copies of everything that the one booking has, each with ids, messages and a trace of its own.
const COPIES: &[(&str, &[&str])] = &[
    (
        "booking",
        &[
            "insert into booking (booking_id, account_id, quote_id, version, phase, state,
                                  created_at, changed_at)
             select md5('booking-' || n)::uuid, account_id || n, md5('quote-' || n)::uuid, version,
                    phase, state, created_at, changed_at
               from booking, generate_series(1, $1::bigint) as n",
            "insert into booking_event (booking_id, version, at, kind, body, source, actor, cause_id,
                                        trace_id)
             select md5('booking-' || n)::uuid, version, at, kind, body, source, actor,
                    md5(cause_id::text || n)::uuid, md5('trace-' || n)
               from booking_event, generate_series(1, $1::bigint) as n",
        ],
    ),
    (
        "supplier-sync",
        &[
            "insert into leg (leg_id, booking_id, supplier, version, state, changed_at)
             select md5('leg-' || n)::uuid, md5('booking-' || n)::uuid, supplier, version, state,
                    changed_at
               from leg, generate_series(1, $1::bigint) as n",
            "insert into leg_event (leg_id, version, at, event, source, cause_id, trace_id)
             select md5('leg-' || n)::uuid, version, at, event, source,
                    md5(cause_id::text || n)::uuid, md5('trace-' || n)
               from leg_event, generate_series(1, $1::bigint) as n",
            "insert into attempt (supplier, client_reference, leg_id, number)
             select supplier, client_reference || n, md5('leg-' || n)::uuid, number
               from attempt, generate_series(1, $1::bigint) as n",
            "insert into reservation (supplier, reference, leg_id)
             select supplier, reference || n, md5('leg-' || n)::uuid
               from reservation, generate_series(1, $1::bigint) as n",
            "insert into exchange (leg_id, number, supplier, operation, client_reference, status,
                                   outcome, detail, request_sealed, reply_sealed, began_at, took_ms)
             select md5('leg-' || n)::uuid, number, supplier, operation, client_reference || n,
                    status, outcome, detail, request_sealed, reply_sealed, began_at, took_ms
               from exchange, generate_series(1, $1::bigint) as n",
        ],
    ),
    (
        "payment-verification",
        &[
            "insert into payment (payment_id, booking_id, seq, state, created_at, changed_at)
             select md5('payment-' || n)::uuid, md5('booking-' || n)::uuid, seq, state, created_at,
                    changed_at
               from payment, generate_series(1, $1::bigint) as n",
            "insert into payment_event (payment_id, seq, at, kind, body)
             select md5('payment-' || n)::uuid, seq, at, kind, body
               from payment_event, generate_series(1, $1::bigint) as n",
        ],
    ),
    (
        "rewards",
        &[
            "insert into account (account_id, version, state)
             select account_id || n, version, state
               from account, generate_series(1, $1::bigint) as n",
            "insert into account_event (account_id, version, kind, booking_id, points, event, source,
                                        cause_id, trace_id, at)
             select account_id || n, version, kind, md5('booking-' || n)::uuid, points, event,
                    source, md5(cause_id::text || n)::uuid, md5('trace-' || n), at
               from account_event, generate_series(1, $1::bigint) as n",
        ],
    ),
];
