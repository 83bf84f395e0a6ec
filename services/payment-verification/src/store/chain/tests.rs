//! A transfer belongs to one payment, whatever is claimed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is a failed test")]

use chrono::DateTime;
use contracts::{
    asset::{AssetAmount, AssetId, Units},
    ids::BookingId,
    money::{Currency, Money},
};
use payment_verification_core::{
    Event,
    chain::BlockRef,
    command::Terms,
    evolve_all,
    fact::Sighted,
    state::{Deposit, Request},
};

use super::*;
use crate::MIGRATOR;

fn payment(n: u128, events: &[Event]) -> Payment {
    let asset = AssetId::parse("eth").unwrap();
    let request = Event::Prepared(Request {
        terms: Terms {
            amount: AssetAmount { units: Units::parse("5").unwrap(), decimals: 18, asset },
            price: Money::new(1, Currency::Eur),
            pay_by: DateTime::UNIX_EPOCH,
        },
        chain: "eip155:31337".to_owned(),
        contract: None,
        scheme: None,
        deposit: Deposit { address: String::new(), index: 0 },
        confirmations: 3,
        finalized: false,
        deeper: vec![],
        dust: Units::ZERO,
        grace_ms: 0,
        away_for_max_ms: 0,
    });
    let new = Payment::new(PaymentId(Uuid::from_u128(n)), BookingId(Uuid::from_u128(n)));
    evolve_all(evolve_all(new, &[request]), events)
}

fn seen() -> Event {
    Event::TransferSeen(Sighted {
        key: TransferKey { transaction: Hash32([1; 32]), position: String::new() },
        units: Units::parse("5").unwrap(),
        block: BlockRef { height: 7, hash: Hash32([7; 32]) },
        look: 1,
        stamped_at: DateTime::UNIX_EPOCH,
        rests: 0,
    })
}

async fn write(conn: &mut PgConnection, payment: &Payment) -> Result<(), StoreError> {
    let touched = payment.transfers.keys().map(|key| Touched { payment, key: key.clone() });
    save_transfers(conn, &touched.collect::<Vec<_>>()).await
}

async fn owner(conn: &mut PgConnection) -> (Uuid, bool) {
    sqlx::query_as("select payment_id, stands from transfer").fetch_one(conn).await.unwrap()
}

/// Row: C7
#[tokio::test]
async fn a_transfer_that_pays_one_request_cannot_pay_another() {
    let database = testkit::Database::new("payment_verification", &MIGRATOR).await;
    let pool = database.pool().await;
    let mut conn = pool.acquire().await.unwrap();
    let (first, second) = (payment(1, &[seen()]), payment(2, &[seen()]));

    write(&mut conn, &first).await.unwrap();
    write(&mut conn, &first).await.unwrap();
    for _try in 0..2 {
        let refused = write(&mut conn, &second).await.unwrap_err();
        assert!(matches!(refused, StoreError::Corrupt { table: "transfer", .. }), "{refused:?}");
        assert_eq!(owner(&mut conn).await, (first.payment_id.0, true));
    }

    // Once it left the chain nobody has it, and a token's log at its place may pay somebody else
    // when it is mined again.
    let left = Event::BlockLeft { block: Hash32([7; 32]), look: 2 };
    write(&mut conn, &payment(1, &[seen(), left])).await.unwrap();
    assert_eq!(owner(&mut conn).await, (first.payment_id.0, false));
    write(&mut conn, &second).await.unwrap();
    assert_eq!(owner(&mut conn).await, (second.payment_id.0, true));
    drop(conn);
    pool.close().await;
}
