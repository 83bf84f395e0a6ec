//! A member of staff names the transaction that brought a refund, which the chain proves or nothing
//! does; or answers for what is missing of it.

use axum::extract::State;
use chassis::{
    ApiError, FieldError,
    http::{Json, Path},
};
use contracts::{
    asset::Units,
    ids::PaymentId,
    internal::{RefundProofRequest, RefundSettlementRequest, RefundStanding, Versions},
    messages::RefundState,
};
use http::StatusCode;
use messaging::StoreError;
use payment_verification_core::{
    Fact,
    chain::Hash32,
    refund::ending::{NotSettled, may_settle},
};
use uuid::Uuid;

use super::support::failed;
use crate::{
    App,
    handle::Desk,
    store::{
        card::now,
        chain::lock_cursor,
        payout,
        refund::{self, Wanted},
    },
};

const STAFF_MAX: usize = 200;
const WHY_MAX: usize = 500;

/// What naming a transaction came to.
enum Named {
    Proven(RefundStanding),
    NoSuchRefund,
    /// It is not under way.
    Ended(RefundState),
    /// Nobody knows yet how much is to be sent.
    NotPriced,
    ProvesNothing,
    /// What it brought was known; so much is missing still.
    KnownAlready(Units),
}

pub(super) async fn prove(
    State(app): State<App>,
    Path(refund_id): Path<Uuid>,
    Json(asked): Json<RefundProofRequest>,
) -> Result<(StatusCode, Json<RefundStanding>), ApiError> {
    let transaction = read(&asked)?;
    match name(&app, refund_id, transaction, &asked).await.map_err(|error| failed(&error))? {
        Named::Proven(standing) => Ok((StatusCode::ACCEPTED, Json(standing))),
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
        Named::KnownAlready(missing) => {
            let detail = format!(
                "what that transaction brought is known and not all of it: {missing} of its \
                 smallest units are missing still, or lie not deep enough"
            );
            Err(ApiError::conflict("known_already", detail))
        }
    }
}

/// Answers for what is missing.
pub(super) async fn settle(
    State(app): State<App>,
    Path(refund_id): Path<Uuid>,
    Json(RefundSettlementRequest { staff, why }): Json<RefundSettlementRequest>,
) -> Result<Json<RefundStanding>, ApiError> {
    let wrong = who_and_why(&staff, &why);
    if !wrong.is_empty() {
        return Err(ApiError::invalid(wrong));
    }
    let answer = answer_for(&app, refund_id, staff, why).await.map_err(|error| failed(&error))?;
    answer.map(Json).map_err(|why| match why {
        NotSettled::NoSuchRefund => ApiError::not_found(),
        NotSettled::Ended => ApiError::conflict("refund_ended", why.to_string()),
        NotSettled::Waits => ApiError::conflict("not_let_go", why.to_string()),
        NotSettled::NotPriced => ApiError::conflict("not_priced", why.to_string()),
        NotSettled::OnItsWay => ApiError::conflict("refund_under_way", why.to_string()),
    })
}

async fn answer_for(
    app: &App,
    refund_id: Uuid,
    by: String,
    why: String,
) -> Result<Result<RefundStanding, NotSettled>, StoreError> {
    let mut tx = app.messaging.begin().await?;
    let Some((id, _)) = refund::chain_of(tx.conn(), refund_id).await? else {
        return Ok(Err(NotSettled::NoSuchRefund));
    };
    let mut desk = Desk::open(app, tx.conn(), &[id]).await?;
    let Some(payment) = desk.payment(id) else { return Ok(Err(NotSettled::NoSuchRefund)) };
    if let Err(why) = may_settle(payment, refund_id) {
        return Ok(Err(why));
    }
    let before = payment.seq;
    let now = now(tx.conn()).await?;
    desk.tell(id, &Fact::RefundSettled { refund_id, by, why }, now)?;
    let standing = standing_in(&desk, id, refund_id, before).ok_or(NotSettled::NoSuchRefund);
    desk.save(&mut tx).await?;
    tx.commit().await?;
    Ok(standing)
}

/// How a refund stands after an act, and what that made of its payment.
fn standing_in(
    desk: &Desk<'_>,
    id: PaymentId,
    refund_id: Uuid,
    before: u64,
) -> Option<RefundStanding> {
    let payment = desk.payment(id)?;
    let refund = payment.refunds.get(&refund_id)?;
    let ended = refund.state == RefundState::Confirmed;
    let missing = refund.missing().filter(|_| !ended).unwrap_or(Units::ZERO);
    let versions = Some(Versions { before, after: payment.seq });
    Some(RefundStanding { state: refund.state, missing, versions })
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
    let Some(payment) = desk.payment(id) else { return Ok(Named::NoSuchRefund) };
    let before = payment.seq;
    let Some(refund) = payment.refunds.get(&refund_id) else { return Ok(Named::NoSuchRefund) };
    if matches!(refund.state, RefundState::Confirmed | RefundState::Failed) {
        return Ok(Named::Ended(refund.state));
    }
    let Some(missing) = refund.missing() else { return Ok(Named::NotPriced) };
    if refund.payouts.keys().any(|key| key.transaction == transaction) {
        return Ok(Named::KnownAlready(missing));
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
    let standing = standing_in(&desk, id, refund_id, before);
    let named = standing.map_or(Named::NoSuchRefund, Named::Proven);
    desk.save(&mut tx).await?;
    tx.commit().await?;
    Ok(named)
}
