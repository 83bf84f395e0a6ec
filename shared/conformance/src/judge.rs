//! Whether an answer is what the contract says of its call, and shows what was ordered.

use contracts::{offer::LegOrder, supplier::Supplier};
use suppliers::{
    Answer, Dialect, Guest, Odd, Operation, SeenReservation, SeenState, Unclear,
    outcomes::{TABLES, Verdict},
};

use crate::{desk::travellers, line::Heard, said::Fault};

/// Another answer came than the contract says.
pub(crate) fn expected(what: &str, heard: &Heard) -> Fault {
    Fault::Seen(format!("expected {what}; what came: {}", heard.told()))
}

/// Whether an answer says to wait, where the supplier publishes that it may.
pub(crate) fn waits(dialect: &dyn Dialect, operation: Operation, heard: &Heard) -> bool {
    let accepted = matches!(heard.answer, Answer::Unknown { why: Unclear::AcceptedOnly });
    let word = dialect.supplier().word();
    let mut rules =
        TABLES.iter().filter(|table| table.supplier == word).flat_map(|table| table.rules);
    accepted
        && rules.any(|rule| {
            let waits = rule.status == 202 || rule.code == Some("processing");
            rule.operation == operation && rule.verdict == Verdict::Unknown && waits
        })
}

/// Whether a second request under one reference is told apart, as the supplier publishes.
pub(crate) fn promises_one(dialect: &dyn Dialect) -> bool {
    let word = dialect.supplier().word();
    let mut rules =
        TABLES.iter().filter(|table| table.supplier == word).flat_map(|table| table.rules);
    rules.any(|rule| rule.operation == Operation::Reserve && rule.verdict == Verdict::Taken)
}

/// Whether an answer says that a reservation is now as was asked, or will be.
pub(crate) fn done(
    dialect: &dyn Dialect,
    operation: Operation,
    reference: &str,
    heard: &Heard,
) -> Result<(), Fault> {
    let (wanted, what) = match operation {
        Operation::Cancel => (SeenState::Gone, "that it is cancelled"),
        _ => (SeenState::Confirmed, "that it is bought"),
    };
    let is_it = |seen: &[SeenReservation]| match seen {
        [one] => one.reference == reference && one.state == wanted,
        _ => false,
    };
    match &heard.answer {
        Answer::Accepted => Ok(()),
        Answer::Seen(seen) if is_it(seen) => Ok(()),
        _ if waits(dialect, operation, heard) => Ok(()),
        _ => Err(expected(what, heard)),
    }
}

/// Whether an answer to a second cancellation says so in order.
///
/// Few say what they answer then: a refusal is as good as a yes, and what cannot be read is
/// neither. Ours says that it is answered as it stands.
pub(crate) fn cancelled_twice(
    dialect: &dyn Dialect,
    reference: &str,
    heard: &Heard,
) -> Result<(), Fault> {
    let refused = match &heard.answer {
        Answer::Refused(_) | Answer::NotFound => true,
        Answer::Unknown { why: Unclear::Status { status, code } } => {
            (400..500).contains(status) || (*status == 200 && code.is_some())
        }
        Answer::Unknown { .. } | Answer::Seen(_) | Answer::Accepted | Answer::NotSent => false,
    };
    if dialect.supplier() == Supplier::Neutral {
        let what = "200 with the reservation as it stands";
        return done(dialect, Operation::Cancel, reference, heard)
            .map_err(|_| expected(what, heard));
    }
    if refused { Ok(()) } else { done(dialect, Operation::Cancel, reference, heard) }
}

/// Whether a reservation is what was ordered, as far as it says.
pub(crate) fn as_ordered(
    dialect: &dyn Dialect,
    order: &LegOrder,
    shown: &SeenReservation,
) -> Result<(), String> {
    let (check_in, check_out) = (order.check_in, order.check_out);
    if shown.check_in.is_some_and(|day| day != check_in)
        || shown.check_out.is_some_and(|day| day != check_out)
    {
        let day = |day: Option<chrono::NaiveDate>| day.map_or("?".to_owned(), |it| it.to_string());
        let (from, until) = (day(shown.check_in), day(shown.check_out));
        return Err(format!(
            "other days than were ordered: {from} to {until}, not {check_in} to {check_out}"
        ));
    }
    if let Some(price) = shown.price.filter(|price| *price != order.price) {
        let what = if price.currency == order.price.currency { "price" } else { "currency" };
        return Err(format!("another {what} than was ordered: {price}, not {}", order.price));
    }
    let room = dialect.room(order);
    if shown.room.as_ref().zip(room.as_ref()).is_some_and(|(shown, ordered)| shown != ordered) {
        return Err("another room than was ordered".to_owned());
    }
    match &shown.odd {
        Some(Odd::Contract { what }) => return Err(format!("not as documented: {what}")),
        Some(Odd::Status { ours, theirs }) => return Err(format!("{theirs}, not {ours}")),
        Some(Odd::Names { .. }) => return Err(OTHERS.to_owned()),
        None if !is_for_those(&shown.guests) => return Err(OTHERS.to_owned()),
        None => {}
    }
    match shown.state {
        SeenState::Gone | SeenState::Unclear => {
            Err(format!("another state than was ordered: {}", shown.state.word()))
        }
        SeenState::Held { .. } | SeenState::Confirmed | SeenState::NoShow => Ok(()),
    }
}

const OTHERS: &str = "other guests than it was ordered for";

/// Whether these are of those whom everything is ordered for, as many from the first on, where any
/// are shown. Case, spaces and hyphens do not count.
fn is_for_those(shown: &[Guest]) -> bool {
    let plain = |given: &str, family: &str| -> String {
        let of = |name: &str| -> String {
            name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        format!("{} {}", of(given), of(family))
    };
    let all = travellers().travellers;
    let ours: Vec<_> = all.iter().map(|it| plain(&it.given_name, &it.family_name)).collect();
    let theirs: Vec<_> = shown.iter().map(|it| plain(&it.given_name, &it.family_name)).collect();
    theirs.iter().all(|one| ours.contains(one))
        && ours.iter().take(shown.len()).all(|own| theirs.contains(own))
}
