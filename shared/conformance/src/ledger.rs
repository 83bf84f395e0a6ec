//! What was ever ordered, so that it can be given back however a run ends.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use suppliers::{Answer, Ask, Known, SeenReservation, SeenState};

use crate::{
    desk::{Desk, LOOK_EVERY},
    line::Heard,
};

/// How often what still stands is cancelled before it is left.
const TRIES: usize = 4;

/// Our references that went out with an order, and what was seen under each.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<BTreeMap<String, Ordered>>);

/// What went out under one reference.
#[derive(Clone)]
struct Ordered {
    /// When it went out last.
    at: Instant,
    /// What was seen, each as it was seen last.
    seen: BTreeMap<String, SeenReservation>,
}

impl Ledger {
    /// An order goes out under a reference.
    pub(crate) fn sends(&self, client_reference: &str) {
        let at = Instant::now();
        self.with(|all| {
            let new = || Ordered { at, seen: BTreeMap::new() };
            all.entry(client_reference.to_owned()).or_insert_with(new).at = at;
        });
    }

    /// Something is seen under a reference; nothing where it was never ordered.
    pub(crate) fn sees(&self, client_reference: &str, heard: &Heard) {
        let seen = heard.seen().into_iter().map(|one| (one.reference.clone(), one));
        self.with(|all| {
            if let Some(ordered) = all.get_mut(client_reference) {
                ordered.seen.extend(seen);
            }
        });
    }

    fn all(&self) -> BTreeMap<String, Ordered> {
        self.with(|all| all.clone())
    }

    fn of(&self, client_reference: &str) -> Option<Ordered> {
        self.with(|all| all.get(client_reference).cloned())
    }

    fn with<R>(&self, work: impl FnOnce(&mut BTreeMap<String, Ordered>) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Looks up every reference that was ever sent, and cancels what is found: how many there were, and
/// what is left.
pub(crate) async fn give_back(desk: &Desk<'_>) -> (usize, Vec<String>) {
    let (mut found, mut left) = (0, Vec::new());
    for client_reference in desk.ledger.all().into_keys() {
        let of_one = one_back(desk, &client_reference).await;
        found += desk.ledger.of(&client_reference).map_or(0, |ordered| ordered.seen.len());
        left.extend(of_one);
    }
    (found, left)
}

/// Gives back what stands under one reference: what is left of it.
async fn one_back(desk: &Desk<'_>, client_reference: &str) -> Vec<String> {
    let mut said = String::new();
    for _ in 0..TRIES {
        let heard = whole(desk, client_reference).await;
        let ordered = desk.ledger.of(client_reference);
        let all = ordered.into_iter().flat_map(|ordered| ordered.seen.into_values());
        let standing: Vec<_> = all.filter(|one| one.state != SeenState::Gone).collect();
        let is_told = matches!(heard.answer, Answer::Seen(_) | Answer::NotFound);
        if standing.is_empty() && is_told {
            return Vec::new();
        }
        said = if is_told { String::new() } else { format!("; a look-up: {}", heard.told()) };
        for one in &standing {
            let known = Known {
                client_reference,
                reference: Some(&one.reference),
                handle: one.handle.as_deref(),
            };
            let heard = desk.line.exchange(&Ask::Cancel(known)).await;
            desk.ledger.sees(client_reference, &heard);
            // What is not shown by any look-up is as its cancellation says.
            if heard.answer == Answer::Accepted {
                let gone = SeenReservation { state: SeenState::Gone, ..one.clone() };
                desk.ledger.sees(client_reference, &Heard::of(Answer::Seen(vec![gone])));
            }
            said = format!("; a cancellation: {}", heard.told());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let ordered = desk.ledger.of(client_reference);
    let all = ordered.into_iter().flat_map(|ordered| ordered.seen.into_values());
    let standing = all.filter(|one| one.state != SeenState::Gone);
    let mut left: Vec<_> = standing
        .map(|one| format!("{} {} ({client_reference}{said})", one.reference, one.state.word()))
        .collect();
    if left.is_empty() && !said.is_empty() && !said.starts_with("; a cancellation") {
        left.push(format!("perhaps something under {client_reference}{said}"));
    }
    left
}

/// Everything under a reference. Something that nobody has seen yet may be missing for a while.
async fn whole(desk: &Desk<'_>, client_reference: &str) -> Heard {
    let known = Known { client_reference, reference: None, handle: None };
    loop {
        let heard = desk.line.exchange(&Ask::LookUp(known)).await;
        desk.ledger.sees(client_reference, &heard);
        let ordered = desk.ledger.of(client_reference);
        let may_come = ordered.is_some_and(|ordered| {
            ordered.seen.is_empty() && ordered.at.elapsed() <= desk.visible_within()
        });
        if !may_come {
            return heard;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
