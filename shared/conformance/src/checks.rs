//! The checks, one function each: what is done, and what must be seen.

mod door;

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use contracts::supplier::Supplier;
use futures::future::{self, Either};
use suppliers::{Answer, Ask, Operation, SeenReservation, SeenState, Unclear};

use crate::{
    Subject,
    desk::{Desk, Made, travellers},
    judge, ledger,
    line::{Line, now},
    report::{Check, Outcome, Report},
    said::{Fault, Said},
};

/// Collects what the checks come to.
struct Book {
    checks: Vec<Check>,
}

impl Book {
    fn note(&mut self, name: &'static str, expected: &'static str, began: Instant, said: Said) {
        let (outcome, seen) = match said {
            Ok(seen) => (Outcome::Passed, seen),
            Err(Fault::Seen(seen)) => (Outcome::Failed, seen),
            Err(Fault::Skipped(why)) => (Outcome::Skipped, why),
            Err(Fault::NotTested(why)) => (Outcome::NotTested, why),
        };
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.checks.push(Check { name, expected, outcome, seen, took_ms });
    }
}

/// Every check until somebody wants it to stop; what was made by then is given back.
pub(crate) async fn all(
    subject: &Subject,
    line: &Line,
    stop: impl Future<Output = ()> + Send,
) -> Report {
    let desk = Desk::new(subject, line);
    let mut book = Book { checks: Vec::new() };
    let stopped = {
        let checks = pin!(each(subject, &desk, &mut book));
        matches!(future::select(checks, pin!(stop)).await, Either::Right(_))
    };
    let began = Instant::now();
    if stopped {
        let said = Err(Fault::NotTested("not tested: what comes after it was stopped".to_owned()));
        book.note("stopped", "Every check is made.", began, said);
    }
    let said = given_back(&desk).await;
    book.note("given_back", "Nothing that was made is left standing.", began, said);
    Report { dialect: subject.dialect, url: subject.url.clone(), checks: book.checks }
}

async fn given_back(desk: &Desk<'_>) -> Said {
    match ledger::give_back(desk).await {
        (0, left) if left.is_empty() => Err(Fault::Skipped("nothing was made".to_owned())),
        (found, left) if left.is_empty() => Ok(format!("{found} were made, and none stands")),
        (_, left) => Err(Fault::Seen(format!("could not be given back: {}", left.join("; ")))),
    }
}

/// Every check, in order.
#[expect(clippy::too_many_lines, reason = "a list of all checks, with what each expects")]
async fn each(subject: &Subject, desk: &Desk<'_>, book: &mut Book) {
    let mut began = Instant::now();
    let mut note = |name, expected, said: Said| {
        // Without an offer and its price there is nothing to order.
        if said.is_err() && matches!(name, "search" | "price_check") {
            desk.stop(name);
        }
        book.note(name, expected, began, said);
        began = Instant::now();
    };
    note(
        "signature",
        "A request that is signed with a wrong secret is turned away.",
        door::signature(desk).await,
    );
    note(
        "clock",
        "A request whose signature is an hour old is turned away.",
        door::clock(desk).await,
    );
    note(
        "search",
        "Something is on sale, and the answer keeps the published contract.",
        door::search(desk).await,
    );
    note(
        "price_check",
        "An offer can be asked about again, and is still there or says what changed.",
        door::price_check(desk).await,
    );
    note(
        "unknown_reference",
        "A look-up by a reference that was never used finds nothing.",
        door::unknown_reference(desk).await,
    );
    note(
        "broken_request",
        "Half a request is refused, and nothing is booked by it.",
        door::broken_request(desk).await,
    );
    let held = desk.held().await;
    note(
        "hold",
        "A hold gets a reference, and stands for a while from now.",
        hold(desk, held.as_ref()),
    );
    note(
        "look_up",
        "What is held is found by our reference: one, as it was ordered.",
        look_up(desk, held.as_ref().ok()).await,
    );
    note(
        "repeat",
        "The very same request again makes no second reservation.",
        repeat(desk, held.as_ref().ok()).await,
    );
    note(
        "reference_taken",
        "Another request under a reference that is taken is refused as one, and changes nothing.",
        reference_taken(desk, held.as_ref().ok()).await,
    );
    let mut held = held.ok();
    note("confirm", "What is held becomes bought.", confirm(desk, held.as_mut()).await);
    note("cancel", "What is cancelled is gone.", cancel(desk, held.as_mut()).await);
    note(
        "cancel_twice",
        "A second cancellation changes nothing.",
        cancel_twice(desk, held.as_ref()).await,
    );
    note(
        "lost_answer",
        "A reservation whose answer never arrived is found by our reference: one.",
        lost_answer(desk).await,
    );
    note(
        "limits",
        "Of many look-ups at once each is answered, or turned away as one over the limit.",
        door::limits(desk).await,
    );
    note(
        "expiry",
        "A hold that is not bought is gone when its time is over.",
        expiry(desk, subject.patience, held.is_some()).await,
    );
}

fn hold(desk: &Desk<'_>, held: Result<&Made, &Fault>) -> Said {
    let made = held.map_err(Clone::clone)?;
    let seen = made.seen.as_ref().ok_or_else(|| "nothing was shown".to_owned())?;
    if let Some(odd) = &made.odd {
        return Err(Fault::Seen(format!("the answer to a hold shows {odd}")));
    }
    let reference = &seen.reference;
    match seen.state {
        SeenState::Held { until: Some(until) } if until <= now() => {
            Err(Fault::Seen(format!("{reference} is held until {until}, which is over")))
        }
        SeenState::Held { until: Some(until) } => Ok(format!("{reference} is held until {until}")),
        SeenState::Held { until: None } => Ok(format!("{reference} is held")),
        SeenState::Confirmed if desk.line.dialect.holds_by_purchase() => {
            Ok(format!("{reference} is bought, and can be given back free"))
        }
        state @ (SeenState::Confirmed
        | SeenState::NoShow
        | SeenState::Gone
        | SeenState::Unclear) => Err(Fault::Seen(format!("{reference} is {}", state.word()))),
    }
}

/// What a check needs of one before it.
fn needed<T>(desk: &Desk<'_>, made: Option<T>) -> Result<T, Fault> {
    made.ok_or_else(|| Fault::see(desk.stopped_by().unwrap_or("hold")))
}

/// The one reservation that a look-up by our reference shows.
async fn only(
    desk: &Desk<'_>,
    made: &Made,
    enough: fn(&Answer) -> bool,
) -> Result<SeenReservation, Fault> {
    let heard = desk.look_up(&made.known(), enough).await;
    <[SeenReservation; 1]>::try_from(heard.seen()).map(|[seen]| seen).map_err(|seen| {
        Fault::Seen(match seen.len() {
            0 => format!("a look-up: {}", heard.told()),
            several => format!("{several} reservations under one reference"),
        })
    })
}

fn seen(answer: &Answer) -> bool {
    matches!(answer, Answer::Seen(seen) if seen.iter().all(|it| it.state != SeenState::Unclear))
}

fn all_in(answer: &Answer, state: SeenState) -> bool {
    matches!(answer, Answer::Seen(seen) if seen.iter().all(|it| it.state == state))
}

fn bought(answer: &Answer) -> bool {
    all_in(answer, SeenState::Confirmed)
}

fn gone(answer: &Answer) -> bool {
    all_in(answer, SeenState::Gone)
}

async fn look_up(desk: &Desk<'_>, held: Option<&Made>) -> Said {
    let made = needed(desk, held)?;
    let shown = only(desk, made, seen).await?;
    as_ordered(desk, made, &shown)?;
    Ok(format!("{} {}, as it was ordered", shown.reference, shown.state.word()))
}

/// Whether a reservation is the one that was made, as it was ordered.
fn as_ordered(desk: &Desk<'_>, made: &Made, shown: &SeenReservation) -> Result<(), Fault> {
    if made.seen.as_ref().is_some_and(|seen| seen.reference != shown.reference) {
        return Err(Fault::Seen("another reference than it was made under".to_owned()));
    }
    judge::as_ordered(desk.line.dialect, &made.order, shown).map_err(Fault::Seen)
}

async fn repeat(desk: &Desk<'_>, held: Option<&Made>) -> Said {
    let dialect = desk.line.dialect;
    if !judge::promises_one(dialect) {
        let why = "the supplier does not promise it, and nothing of ours relies on it";
        return Err(Fault::Skipped(why.to_owned()));
    }
    let made = needed(desk, held)?;
    let again = desk.hold(&made.order, &made.client_reference).await;
    // Ours answers with the reservation; the others say so, or that the reference is taken.
    let is_ours = dialect.supplier() == Supplier::Neutral;
    match (&again.answer, again.seen().as_slice()) {
        (_, [seen]) => as_ordered(desk, made, seen)?,
        (Answer::Unknown { why: Unclear::Duplicate }, _) if !is_ours => {}
        _ if judge::waits(dialect, Operation::Reserve, &again) => {}
        _ if is_ours => {
            return Err(judge::expected("200 with the reservation that there is", &again));
        }
        _ => return Err(judge::expected("that the reference is taken", &again)),
    }
    let shown = only(desk, made, seen).await?;
    as_ordered(desk, made, &shown)?;
    Ok(format!("{}; still one", again.told()))
}

/// The same reference, and others who travel. Only ours says what that comes to.
async fn reference_taken(desk: &Desk<'_>, held: Option<&Made>) -> Said {
    if desk.line.dialect.supplier() != Supplier::Neutral {
        let why = "the supplier does not say what that comes to";
        return Err(Fault::Skipped(why.to_owned()));
    }
    let made = needed(desk, held)?;
    let mut others = travellers();
    others.travellers.reverse();
    let other = desk.hold_for(&made.order, &made.client_reference, &others).await;
    if !matches!(other.answer, Answer::Unknown { why: Unclear::Duplicate }) {
        return Err(judge::expected("409 `reference_taken`", &other));
    }
    let shown = only(desk, made, seen).await?;
    as_ordered(desk, made, &shown)?;
    Ok(format!("{}; still one", other.told()))
}

async fn confirm(desk: &Desk<'_>, held: Option<&mut Made>) -> Said {
    if desk.line.dialect.holds_by_purchase() {
        return Err(Fault::Skipped("a hold is a purchase already".to_owned()));
    }
    let made = needed(desk, held)?;
    let answer = desk.line.exchange(&Ask::Confirm(made.known())).await;
    let told = judge::done(desk.line.dialect, Operation::Confirm, made.reference(), &answer);
    let shown_in_answer = answer.seen().iter().try_for_each(|one| as_ordered(desk, made, one));
    let found = only(desk, made, bought).await;
    // However it was told: what is to be given back is how it stands now.
    if let Ok(shown) = &found {
        made.seen = Some(shown.clone());
    }
    told?;
    shown_in_answer?;
    let shown = found?;
    as_ordered(desk, made, &shown)?;
    if shown.state != SeenState::Confirmed {
        let seen = format!("{}; then it is {}", answer.told(), shown.state.word());
        return Err(Fault::Seen(seen));
    }
    Ok(format!("{} is bought", shown.reference))
}

async fn cancel(desk: &Desk<'_>, held: Option<&mut Made>) -> Said {
    let made = needed(desk, held)?;
    let answer = desk.line.exchange(&Ask::Cancel(made.known())).await;
    judge::done(desk.line.dialect, Operation::Cancel, made.reference(), &answer)?;
    let shown = only(desk, made, gone).await?;
    if shown.state != SeenState::Gone {
        let seen = format!("{}; then it is {}", answer.told(), shown.state.word());
        return Err(Fault::Seen(seen));
    }
    Ok(format!("{} is gone", shown.reference))
}

async fn cancel_twice(desk: &Desk<'_>, held: Option<&Made>) -> Said {
    let made = needed(desk, held)?;
    let answer = desk.line.exchange(&Ask::Cancel(made.known())).await;
    judge::cancelled_twice(desk.line.dialect, made.reference(), &answer)?;
    let shown = only(desk, made, gone).await?;
    match shown.state {
        SeenState::Gone => Ok(format!("{}; still gone", answer.told())),
        state => Err(Fault::Seen(format!("{}; then it is {}", answer.told(), state.word()))),
    }
}

/// Holds something, throws the answer away, finds it by our reference alone, and gives it back.
async fn lost_answer(desk: &Desk<'_>) -> Said {
    let order = desk.holdable().await?;
    let mut made = Made { client_reference: desk.client_reference(), order, seen: None, odd: None };
    let lost = desk.hold(&made.order, &made.client_reference).await;
    if let Answer::Refused(_) | Answer::NotSent = lost.answer {
        return Err(Fault::Seen(lost.told()));
    }
    let shown = only(desk, &made, seen).await?;
    as_ordered(desk, &made, &shown)?;
    let reference = shown.reference.clone();
    made.seen = Some(shown);
    let _given_back = desk.line.exchange(&Ask::Cancel(made.known())).await;
    let after = only(desk, &made, gone).await?;
    match after.state {
        SeenState::Gone => Ok(format!("{reference} was found, and given back")),
        state => Err(Fault::Seen(format!("{reference} cannot be given back: {}", state.word()))),
    }
}

async fn expiry(desk: &Desk<'_>, patience: Duration, can_hold: bool) -> Said {
    needed(desk, can_hold.then_some(()))?;
    let made = desk.held().await?;
    let state = made.seen.as_ref().map(|seen| seen.state);
    let Some(SeenState::Held { until: Some(until) }) = state else {
        give_back(desk, &made).await;
        return Err(Fault::Skipped("the answer does not say until when it is held".to_owned()));
    };
    let wait = (until - now()).to_std().unwrap_or_default();
    if wait > patience {
        give_back(desk, &made).await;
        let why = format!("held until {until}, longer than we wait");
        return Err(Fault::Skipped(why));
    }
    tokio::time::sleep(wait).await;
    match only(desk, &made, gone).await?.state {
        SeenState::Gone => Ok(format!("held until {until}, and gone then")),
        state => Err(Fault::Seen(format!("held until {until}, and then {}", state.word()))),
    }
}

async fn give_back(desk: &Desk<'_>, made: &Made) {
    let _whatever = desk.line.exchange(&Ask::Cancel(made.known())).await;
}
