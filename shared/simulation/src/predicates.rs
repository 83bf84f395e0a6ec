//! What must hold after every step, of the aggregate that the step changed.

use booking_core::{Booking, Event, Leg, Phase, Recorded, evolve};
use contracts::{asset::Units, instruction::SignedInstruction, messages::WantedLeg};
use payment_verification_core::{Payment, ledger::Account as Book, state::Posted};
use rewards_core::{Account, postings};

/// The most events of one booking; more is a circle.
const EVENTS_MAX: usize = 500;

/// What is wrong with a booking's newest step, each with the predicate it breaks.
pub(crate) fn booking(
    before: Option<&Booking>,
    after: &Booking,
    recorded: &[Recorded],
) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    let mut state = before.cloned().map(Box::new);
    for entry in recorded {
        let version = state.as_ref().map_or(0, |booking| booking.version);
        if entry.version != version + 1 {
            wrong.push(("S1", format!("version {} after {version}", entry.version)));
        }
        let from = state.as_ref().map(|booking| booking.phase);
        wrong.extend(state.as_deref().and_then(|booking| too_much_at_risk(booking, entry)));
        state = evolve(state, entry);
        wrong.extend(state.as_deref().and_then(|booking| too_early(booking, &entry.event)));
        wrong.extend(state.as_deref().and_then(|booking| given_up(booking, &entry.event)));
        wrong.extend(state.as_deref().and_then(|booking| adds_up(booking, &entry.event)));
        let to = state.as_ref().map(|booking| booking.phase);
        if let (Some(from), Some(to)) = (from, to)
            && from != to
            && !may_move(from, to)
        {
            wrong.push(("S1", format!("{from:?} became {to:?}")));
        }
        if let Event::InvariantBroken { what } = &entry.event {
            wrong.push(("S1", what.clone()));
        }
    }
    if state.as_deref() != Some(after) {
        wrong.push(("S12", "the row is not the fold of its events".to_owned()));
    }
    if after.version > u64::try_from(EVENTS_MAX).unwrap() {
        wrong.push(("S18", format!("{} events", after.version)));
    }
    wrong.extend(money(before, after));
    wrong.extend(after.legs.iter().find_map(too_dear));
    wrong
}

/// What a leg costs us more than its price is within what its order bears.
fn too_dear(leg: &Leg) -> Option<(&'static str, String)> {
    let reprice = leg.order.reprice.as_ref()?;
    let most = leg.order.price.minor + reprice.bears.minor;
    let cost = leg.order.cost().minor;
    (cost > most).then(|| ("S6", format!("{} costs {cost}, and may {most}", leg.leg_id)))
}

/// An amount that was shown never changes, and is not more than was quoted. Whoever gives a leg up
/// before paying is shown another payment; this one stays what it was.
fn money(before: Option<&Booking>, after: &Booking) -> Option<(&'static str, String)> {
    // Nobody is shown anything before it is payable.
    let payable = before.filter(|booking| booking.phase > Phase::Holding);
    let shown = payable.and_then(|booking| booking.payment.instruction.as_ref());
    let known = |told: &SignedInstruction| {
        after.payments().any(|payment| payment.instruction.as_ref() == Some(told))
    };
    if shown.is_some_and(|told| !known(told)) {
        return Some(("S6", "what to pay changed after it was shown".to_owned()));
    }
    let asked = after.payment.asked.as_ref()?;
    let instruction = after.payment.instruction.as_ref().map(|signed| &signed.instruction);
    if before.is_none_or(|b| b.payment.asked.is_none()) && !covers(after, asked.units) {
        return Some(("S6", format!("{} does not cover the price", asked.units)));
    }
    let differs = instruction.is_some_and(|instruction| instruction.amount != *asked);
    (differs || asked.units > after.payment.quoted.units)
        .then(|| ("S6", "another amount than was quoted".to_owned()))
}

/// Whether the amount covers the price at the locked rate, and by less than one unit.
fn covers(booking: &Booking, units: Units) -> bool {
    let units: u128 = units.to_string().parse().unwrap();
    let minor = u128::try_from(booking.paid_in_money().minor).unwrap();
    let per_coin = u128::from(booking.payment.rate.micro_minor_per_coin);
    let price = minor * 1_000_000 * 10_u128.pow(u32::from(booking.payment.rate.decimals));
    (price..price + per_coin).contains(&(units * per_coin))
}

/// What can only be bought for good is bought while nothing else is being bought.
fn too_much_at_risk(before: &Booking, entry: &Recorded) -> Option<(&'static str, String)> {
    let Event::LegWished { leg_id, wanted: WantedLeg::Confirmed, .. } = &entry.event else {
        return None;
    };
    if matches!(before.phase, Phase::Amending | Phase::Confirmed) {
        // It is bought alone, in the place of one that is bought already, or taken as the supplier
        // has it now.
        return None;
    }
    let costs = |leg: &Leg| !leg.cancels_free(entry.at);
    let this = before.legs.iter().find(|leg| leg.leg_id == *leg_id)?;
    let buying = |leg: &&Leg| leg.wanted == WantedLeg::Confirmed && !leg.is_confirmed();
    let beside = before.legs.iter().filter(buying).any(|other| costs(this) || costs(other));
    beside.then(|| ("S1", format!("{leg_id} is bought beside another one, at a cost")))
}

/// Payable only when everything is held; closed only when nothing is there any more.
fn too_early(after: &Booking, event: &Event) -> Option<(&'static str, String)> {
    let wanted = |leg: &&Leg| leg.wanted != WantedLeg::Released;
    let early = match event {
        Event::Payable => !after.legs.iter().filter(wanted).all(Leg::is_held),
        Event::Failed | Event::Cancelled => {
            !after.legs.iter().all(|leg| leg.left_there || leg.is_gone())
        }
        _ => false,
    };
    early.then(|| ("S1", format!("{event:?} too early")))
}

/// Who is asked to pay is asked for what the legs cost.
fn adds_up(after: &Booking, event: &Event) -> Option<(&'static str, String)> {
    let sum: i64 = after.standing().map(|leg| leg.order.price.minor).sum();
    let wrong = matches!(event, Event::Payable) && sum != after.price.minor;
    wrong.then(|| ("S6", format!("the legs cost {sum}, the booking {}", after.price.minor)))
}

/// What was bought is given up for another one only once that one is bought.
fn given_up(after: &Booking, event: &Event) -> Option<(&'static str, String)> {
    let leg = |leg_id| after.legs.iter().find(|leg| leg.leg_id == leg_id);
    let old = after.amendment.and_then(|amendment| leg(amendment.leg_id));
    if old.is_some_and(|old| old.wanted == WantedLeg::Released) {
        return Some(("S1", "given up before another one is bought".to_owned()));
    }
    let Event::LegReplaced { by, .. } = event else { return None };
    let bought = leg(*by).is_some_and(Leg::is_confirmed);
    (!bought).then(|| ("S1", format!("replaced by {by}, which is not bought")))
}

/// Every move of a phase there is.
fn may_move(from: Phase, to: Phase) -> bool {
    match from {
        Phase::Pending => matches!(to, Phase::Holding | Phase::Unwinding),
        Phase::Holding => {
            matches!(to, Phase::AwaitingPayment | Phase::Committing | Phase::Unwinding)
        }
        Phase::AwaitingPayment => matches!(to, Phase::Committing | Phase::Unwinding),
        Phase::Committing => matches!(to, Phase::Confirmed | Phase::Unwinding),
        Phase::Confirmed => matches!(to, Phase::Amending | Phase::Completed | Phase::Unwinding),
        Phase::Amending => matches!(to, Phase::Confirmed | Phase::Unwinding),
        Phase::Unwinding => matches!(to, Phase::Failed | Phase::Cancelled),
        Phase::Completed | Phase::Failed | Phase::Cancelled => false,
    }
}

/// What is wrong with a payment.
pub(crate) fn payment(payment: &Payment) -> Vec<String> {
    let mut wrong = Vec::new();
    if payment.refunded() > ever_final(payment) {
        wrong.push("more goes back than came".to_owned());
    }
    let customer = payment.book.0.get(&Book::Customer).copied().unwrap_or_default();
    let decided = payment.settled || payment.closing.is_some();
    if decided && customer.debit != customer.credit {
        wrong.push("money lies about that nobody has a claim on".to_owned());
    }
    let (mut debit, mut credit) = (Units::ZERO, Units::ZERO);
    for sides in payment.book.0.values() {
        debit = debit.checked_add(sides.debit).unwrap();
        credit = credit.checked_add(sides.credit).unwrap();
    }
    if debit != credit {
        wrong.push(format!("the ledger is out of balance: {debit}, {credit}"));
    }
    wrong
}

/// All that was ever final, also what left its chain later: by then it may be on its way back.
pub(crate) fn ever_final(payment: &Payment) -> Units {
    let units = payment.transfers.values().map(|transfer| match transfer.posted {
        Posted::Final(units) | Posted::Reversed(units) => units,
        Posted::Nothing => Units::ZERO,
    });
    units.fold(Units::ZERO, |sum, units| sum.checked_add(units).unwrap())
}

/// What is wrong with an account of points after `events`.
pub(crate) fn account(account: &Account, events: &[rewards_core::Event]) -> Vec<String> {
    let mut wrong = Vec::new();
    let sum: i64 = events.iter().flat_map(postings).map(|posting| posting.points).sum();
    if sum != 0 {
        wrong.push(format!("points out of balance by {sum}"));
    }
    if account.debt > 0 && account.balances().available > 0 {
        wrong.push("a debt while points are available".to_owned());
    }
    wrong
}

/// Whether events are such that the whole journal of their leg has to be looked at.
pub(crate) fn needs_whole_journal(recorded: &[supplier_sync_core::Recorded]) -> bool {
    use supplier_sync_core::Event::{AttemptMade, InvariantBroken};
    recorded.iter().any(|entry| match &entry.event {
        AttemptMade { attempt, .. } => *attempt > 1,
        InvariantBroken { .. } => true,
        _ => false,
    })
}
