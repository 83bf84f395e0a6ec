//! A member of staff names the transaction that brought a refund. The chain proves it, or nothing.

use axum::extract::State;
use chassis::{
    ApiError, FieldError,
    http::{Json, Path},
};
use contracts::{internal::RefundProofRequest, messages::RefundState};
use http::StatusCode;
use messaging::StoreError;
use payment_verification_core::{Fact, chain::Hash32};
use uuid::Uuid;

use super::support::failed;
use crate::{
    App,
    handle::Desk,
    store::{
        chain::lock_cursor,
        payout,
        refund::{self, Wanted},
    },
};

const STAFF_MAX: usize = 200;
const WHY_MAX: usize = 500;

/// What naming a transaction came to.
enum Named {
    Proven,
    NoSuchRefund,
    /// It is not under way.
    Ended(RefundState),
    /// Nobody knows yet how much is to be sent.
    NotPriced,
    ProvesNothing,
}

pub(super) async fn prove(
    State(app): State<App>,
    Path(refund_id): Path<Uuid>,
    Json(asked): Json<RefundProofRequest>,
) -> Result<StatusCode, ApiError> {
    let transaction = read(&asked)?;
    match name(&app, refund_id, transaction, &asked).await.map_err(|error| failed(&error))? {
        Named::Proven => Ok(StatusCode::ACCEPTED),
        Named::NoSuchRefund => Err(ApiError::not_found()),
        Named::Ended(state) => {
            let detail = format!("the refund is {state:?} already").to_lowercase();
            Err(ApiError::conflict("refund_ended", detail))
        }
        Named::NotPriced => {
            let detail = "it waits for a rate: how much is to be sent is not known yet";
            Err(ApiError::conflict("not_priced", detail))
        }
        Named::ProvesNothing => {
            let detail = "no transfer of its asset to its address stands in that transaction, as \
                          far as blocks were read, that is not another refund's";
            Err(ApiError::conflict("proves_nothing", detail))
        }
    }
}

fn read(asked: &RefundProofRequest) -> Result<Hash32, ApiError> {
    let mut wrong = who_and_why(&asked.staff, &asked.why);
    let transaction = asked.transaction.trim().parse::<Hash32>();
    if transaction.is_err() {
        let detail = "must be the hash of a transaction";
        wrong.push(FieldError::new("/transaction", "invalid", detail));
    }
    match transaction {
        Ok(transaction) if wrong.is_empty() => Ok(transaction),
        Ok(_) | Err(_) => Err(ApiError::invalid(wrong)),
    }
}

/// What is wrong with who acts and why.
pub(super) fn who_and_why(staff: &str, why: &str) -> Vec<FieldError> {
    let fits = |text: &str, most: usize| {
        (1..=most).contains(&text.trim().chars().count()) && !text.contains('\0')
    };
    let fields = [("/staff", staff, STAFF_MAX), ("/why", why, WHY_MAX)];
    let wrong = fields.into_iter().filter(|(_, text, most)| !fits(text, *most));
    let said = |most| format!("must have 1 to {most} characters");
    wrong.map(|(field, _, most)| FieldError::new(field, "invalid", said(most))).collect()
}

/// Claims what the transaction brought for the refund, in one transaction that holds the chain
/// still; nothing is kept of one that proves nothing.
async fn name(
    app: &App,
    refund_id: Uuid,
    transaction: Hash32,
    asked: &RefundProofRequest,
) -> Result<Named, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let Some((id, chain)) = refund::chain_of(tx.conn(), refund_id).await? else {
        return Ok(Named::NoSuchRefund);
    };
    let Some(cursor) = lock_cursor(tx.conn(), &chain).await? else {
        return Ok(Named::ProvesNothing);
    };
    let mut desk = Desk::open(app, tx.conn(), &[id]).await?;
    let refunds = desk.payment(id).map(|payment| &payment.refunds);
    let Some(refund) = refunds.and_then(|all| all.get(&refund_id)) else {
        return Ok(Named::NoSuchRefund);
    };
    if matches!(refund.state, RefundState::Confirmed | RefundState::Failed) {
        return Ok(Named::Ended(refund.state));
    }
    if refund.sends().is_none() {
        return Ok(Named::NotPriced);
    }
    refund::add_named(tx.conn(), refund_id, transaction, cursor.now).await?;
    payout::claim(tx.conn(), &Wanted { refund_id, transaction }).await?;
    let claimed = payout::claimed_in(tx.conn(), &chain, vec![transaction.0.to_vec()]).await?;
    let own: Vec<_> = claimed.into_iter().filter(|one| one.refund_id == refund_id).collect();
    if own.is_empty() {
        return Ok(Named::ProvesNothing);
    }
    let (by, why) = (asked.staff.clone(), asked.why.clone());
    let mut facts = vec![Fact::ProofNamed { refund_id, transaction, by, why }];
    facts.extend(own.into_iter().map(|one| Fact::PayoutSeen { refund_id, sighted: one.sighted }));
    facts.push(Fact::HeadMoved { head: cursor.at.height, look: cursor.look, finalized: None });
    for fact in &facts {
        desk.tell(id, fact, cursor.now)?;
    }
    desk.save(&mut tx).await?;
    tx.commit().await?;
    Ok(Named::Proven)
}
