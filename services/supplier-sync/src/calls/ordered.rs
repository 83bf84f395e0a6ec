//! Who travels, and whether what a supplier shows is in their names and of the room that was
//! ordered. What differs is a case with both values, and changes nothing else.
//!
//! Names are kept nowhere. Booking is asked for them when there are some to compare that were not
//! found to be right before; where it does not answer at once, the next look-up compares.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chassis::metrics::{self, Counter};
use contracts::{
    ids::LegId,
    internal::{Traveller, TravellersReply},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use supplier_sync_core::{Call, Doing, DriftKind};
use suppliers::{Answer, Dialect, Guest, SeenReservation, SeenState};
use uuid::Uuid;

use crate::{App, sample, store::NewCase};

/// How long booking gets at least to say who travels, of a lease that allows it.
const WITHIN_MIN: Duration = Duration::from_secs(5);
/// What was learnt waits no longer than this for names to compare it with.
const COMPARE_WITHIN: Duration = Duration::from_secs(1);

/// Names that were found to be right and are remembered; then all are forgotten.
const RIGHT_MAX: usize = 100_000;

/// Legs that were ordered and not looked up yet whose names are remembered.
const ORDERED_MAX: usize = 10_000;

/// What was shown of reservations that was found to be in the right names, and whom legs were
/// ordered for lately: digests, and no name. What is bought is looked up until its end, and shows
/// the same each time.
#[derive(Clone, Default)]
pub(crate) struct Right(Arc<Mutex<Names>>);

#[derive(Default)]
struct Names {
    shown: BTreeSet<[u8; 32]>,
    ordered: BTreeMap<LegId, Vec<[u8; 32]>>,
}

impl Right {
    /// Whether a reservation is surely in the names of its leg.
    fn knows(&self, call: &Call, seen: &SeenReservation) -> bool {
        let shown = shown(call, seen);
        self.with(|names| {
            if names.shown.contains(&shown) {
                return true;
            }
            let ordered = names.ordered.get(&call.leg_id);
            let is_right = ordered.is_some_and(|ordered| are_shown(call.leg_id, ordered, seen));
            if is_right {
                names.ordered.remove(&call.leg_id);
                names.learn(shown);
            }
            is_right
        })
    }

    fn learns(&self, call: &Call, seen: &SeenReservation) {
        self.with(|names| names.learn(shown(call, seen)));
    }

    /// Notes whom a leg is ordered for, so that what is shown of it needs no question.
    fn orders(&self, call: &Call, travellers: &[Traveller]) {
        let ordered = travellers.iter().map(|one| named(call.leg_id, &guest(one))).collect();
        self.with(|names| {
            if names.ordered.len() >= ORDERED_MAX {
                names.ordered.clear();
            }
            names.ordered.insert(call.leg_id, ordered);
        });
    }

    fn with<R>(&self, work: impl FnOnce(&mut Names) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Names {
    fn learn(&mut self, shown: [u8; 32]) {
        if self.shown.len() >= RIGHT_MAX {
            self.shown.clear();
        }
        self.shown.insert(shown);
    }
}

/// Whether those are shown whom a leg was ordered for, as many from the first on, and nobody else;
/// names that are spelled otherwise are for a closer look.
fn are_shown(leg_id: LegId, ordered: &[[u8; 32]], seen: &SeenReservation) -> bool {
    let shown: Vec<_> = seen.guests.iter().map(|one| named(leg_id, one)).collect();
    !ordered.is_empty()
        && !shown.is_empty()
        && shown.iter().all(|one| ordered.contains(one))
        && ordered.iter().take(shown.len()).all(|one| shown.contains(one))
}

/// A digest of a name on a leg, however it is spelled.
fn named(leg_id: LegId, one: &Guest) -> [u8; 32] {
    let name = format!("{}\u{1f}{}", plain(&one.given_name), plain(&one.family_name));
    Sha256::new_with_prefix(leg_id.0).chain_update(name).finalize().into()
}

/// A digest of who is shown on which reservation of which leg.
fn shown(call: &Call, seen: &SeenReservation) -> [u8; 32] {
    let mut digest = Sha256::new_with_prefix(call.leg_id.0);
    digest.update(seen.reference.as_bytes());
    for Guest { given_name, family_name } in &seen.guests {
        digest.update(format!("\u{1e}{given_name}\u{1f}{family_name}"));
    }
    digest.finalize().into()
}

/// Something else did not answer; the same may be sent later.
pub(super) struct NotYet;

/// Asks booking who travels, where that goes along. They are asked for when they are needed and
/// never kept but sealed in the journal.
pub(super) async fn travellers(app: &App, call: &Call) -> Result<TravellersReply, NotYet> {
    let others = match call.doing {
        Doing::Reserve { .. } => None,
        // Without a wish there is nobody to put on it.
        Doing::Amend => Some(call.naming.ok_or(NotYet)?.party),
        Doing::Confirm | Doing::Cancel | Doing::LookUp { .. } => {
            return Ok(TravellersReply::default());
        }
    };
    // A booking that is only busy is waited for: what is asked again at once makes it busier. Half
    // of the time before the call would be too late is left to the lane and to Redis.
    let lease = (call.lease_until - call.began_at).to_std().unwrap_or_default();
    let asked = ask(app, call, others, (lease / 8).max(WITHIN_MIN)).await?;
    if others.is_none() {
        app.right.orders(call, &asked.travellers);
    }
    Ok(asked)
}

/// Those on the leg, or those who were named for it under an id.
async fn ask(
    app: &App,
    call: &Call,
    others: Option<Uuid>,
    within: Duration,
) -> Result<TravellersReply, NotYet> {
    let (booking_id, leg_id) = (call.booking_id, call.leg_id);
    let others = others.map_or_else(String::new, |party| format!("&party={party}"));
    let base = &app.booking_url;
    let url = format!("{base}/internal/bookings/{booking_id}/travellers?leg={leg_id}{others}");
    let asked = app.http.get_json(&url, Some(&app.internal_token), within).await;
    asked.map_err(|error| {
        tracing::warn!(
            error = %chassis::chain(&error), booking.id = %call.booking_id,
            "booking did not say who travels"
        );
        NotYet
    })
}

/// What an answer shows of what was ordered.
pub(super) struct Compared {
    /// What is not as ordered.
    pub(super) cases: Vec<NewCase>,
    /// While others are wanted on the leg: of each reservation, whether it is in their names.
    pub(super) names: BTreeMap<String, bool>,
    /// Of each that is held, whether it is in the names of nobody who travels.
    pub(super) strangers: BTreeMap<String, bool>,
}

/// Holds what is there against what was ordered. `sent` are those who were named in this very call.
pub(super) async fn compare(
    app: &App,
    dialect: &dyn Dialect,
    call: &Call,
    sent: TravellersReply,
    answer: &Answer,
) -> Compared {
    let nobody = BTreeMap::new;
    let mut found = Compared { cases: Vec::new(), names: nobody(), strangers: nobody() };
    let Answer::Seen(seen) = answer else { return found };
    let there = || seen.iter().filter(|one| one.state != SeenState::Gone);
    let ordered = dialect.room(&call.order);
    found.cases.extend(there().filter_map(|one| room(call, ordered.as_deref()?, one)));
    // Who is named for the leg anew may be somebody else than was right before.
    let is_right = |one: &SeenReservation| call.naming.is_none() && app.right.knows(call, one);
    let is_held = |one: &SeenReservation| matches!(one.state, SeenState::Held { .. });
    if let Doing::LookUp { .. } = call.doing {
        // What was somebody else's before is not any more.
        let right = there().filter(|one| is_held(one) && !one.guests.is_empty() && is_right(one));
        found.strangers.extend(right.map(|one| (one.reference.clone(), false)));
    }
    if there().any(|one| !one.guests.is_empty() && !is_right(one)) {
        let others = others(app, call).await;
        let asked = match call.doing {
            Doing::Reserve { .. } => sent,
            Doing::Confirm | Doing::Cancel | Doing::Amend | Doing::LookUp { .. } => {
                ask(app, call, None, COMPARE_WITHIN).await.unwrap_or(sent)
            }
        };
        for one in there() {
            let wanted = is_for(&others, &one.guests);
            let decides = call.naming.is_some_and(|naming| naming.decides);
            let is_new = wanted.filter(|_| decides).map(|wanted| (one.reference.clone(), wanted));
            found.names.extend(is_new);
            let whose = is_strangers(&asked.travellers, &one.guests).filter(|_| is_held(one));
            found.strangers.extend(whose.map(|whose| (one.reference.clone(), whose)));
            if wanted != Some(true) {
                let odd = names(call, &asked.travellers, one);
                if odd.is_none() && call.naming.is_none() && !asked.travellers.is_empty() {
                    app.right.learns(call, one);
                }
                found.cases.extend(odd);
            }
        }
    }
    for case in &found.cases {
        let labels = [("supplier", case.supplier), ("kind", case.kind)];
        metrics::add(Counter::DriftCases, &labels, 1);
    }
    found
}

/// Those who are wanted on the leg instead, or are on it since; nobody where booking does not say.
async fn others(app: &App, call: &Call) -> Vec<Traveller> {
    let Some(naming) = call.naming else { return Vec::new() };
    let asked = ask(app, call, Some(naming.party), COMPARE_WITHIN).await;
    asked.map_or_else(|_| Vec::new(), |reply| reply.travellers)
}

/// Whether these, from the first on, are shown; nothing where that cannot be told: names that are
/// written with other letters may be anybody's.
fn is_for(travellers: &[Traveller], shown: &[Guest]) -> Option<bool> {
    let ours = travellers.iter().map(guest);
    let pairs: Vec<(Guest, &Guest)> = ours.zip(shown).collect();
    let spelled = |(ours, theirs): &(Guest, &Guest)| {
        plain(&ours.given_name) == plain(&theirs.given_name)
            && plain(&ours.family_name) == plain(&theirs.family_name)
    };
    match pairs.as_slice() {
        [] => None,
        pairs if pairs.iter().all(spelled) => Some(true),
        pairs if pairs.iter().all(|(ours, theirs)| is_same(ours, theirs)) => None,
        _ => Some(false),
    }
}

/// Whether none of those who are shown has a name of anybody who travels: then it is somebody
/// else's, however suppliers cut and turn names. Nothing where there is nobody to compare.
fn is_strangers(travellers: &[Traveller], shown: &[Guest]) -> Option<bool> {
    let related = |ours: &str, theirs: &str| {
        let other_letters = !ours.is_ascii() || !theirs.is_ascii();
        let (ours, theirs) = (plain(ours), plain(theirs));
        other_letters || ours.starts_with(&theirs) || theirs.starts_with(&ours)
    };
    let knows = |own: &Traveller, one: &Guest| {
        let ours = [&own.given_name, &own.family_name];
        let theirs = [&one.given_name, &one.family_name];
        ours.iter().any(|ours| theirs.iter().any(|theirs| related(ours, theirs)))
    };
    let known = |one: &Guest| travellers.iter().any(|own| knows(own, one));
    (!travellers.is_empty() && !shown.is_empty()).then(|| !shown.iter().any(known))
}

fn room(call: &Call, ours: &str, seen: &SeenReservation) -> Option<NewCase> {
    let theirs = seen.room.as_deref()?;
    let values = || (json!({ "room": ours }), json!({ "room": theirs }));
    (ours != theirs).then(|| differs(call, DriftKind::Room, seen, values()))
}

/// Not every supplier is told of everybody, and some want a name for each of more people than we
/// know: whoever is shown has to be one of those who travel, and as many of these, from the first
/// on, have to be shown.
fn names(call: &Call, travellers: &[Traveller], seen: &SeenReservation) -> Option<NewCase> {
    let (theirs, shown) = (seen.guests.as_slice(), seen.guests.len());
    let ours: Vec<Guest> = travellers.iter().map(guest).collect();
    let expected = || ours.iter().take(shown);
    let is_one = |one: &Guest| ours.iter().any(|own| is_same(own, one));
    let is_shown = |own: &Guest| theirs.iter().any(|one| is_same(own, one));
    if ours.is_empty() || shown == 0 || (theirs.iter().all(is_one) && expected().all(is_shown)) {
        return None;
    }
    let value = |of: &[&Guest]| masked(&call.client_reference, of);
    let values =
        (value(&expected().collect::<Vec<_>>()), value(&theirs.iter().collect::<Vec<_>>()));
    Some(differs(call, DriftKind::Names, seen, values))
}

fn guest(traveller: &Traveller) -> Guest {
    let Traveller { given_name, family_name, .. } = traveller;
    Guest { given_name: given_name.clone(), family_name: family_name.clone() }
}

fn is_same(ours: &Guest, theirs: &Guest) -> bool {
    let same = |ours: &str, theirs: &str| {
        // Written with other letters, there is nothing to compare.
        let other_letters = !ours.is_ascii() && theirs.is_ascii();
        other_letters || plain(ours) == plain(theirs)
    };
    same(&ours.given_name, &theirs.given_name) && same(&ours.family_name, &theirs.family_name)
}

/// Case, spaces and hyphens do not count: suppliers write names as they like.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The shapes of names, and a digest of them that is bound to our reference.
fn masked(reference: &str, guests: &[&Guest]) -> Value {
    let shape = |one: &&Guest| sample::shape(&format!("{} {}", one.given_name, one.family_name));
    let mut names: Vec<String> = guests
        .iter()
        .map(|one| format!("{}\u{1f}{}", plain(&one.given_name), plain(&one.family_name)))
        .collect();
    names.sort();
    let digest = Sha256::digest(format!("{reference}\u{1e}{}", names.join("\u{1e}")));
    json!({ "guests": guests.iter().map(shape).collect::<Vec<_>>(), "digest": hex::encode(digest) })
}

fn differs(
    call: &Call,
    kind: DriftKind,
    seen: &SeenReservation,
    (ours, theirs): (Value, Value),
) -> NewCase {
    let leg = Some((call.leg_id, call.booking_id));
    let (supplier, subject) = (call.supplier.word(), seen.reference.clone());
    NewCase { supplier, kind: kind.word(), subject, leg, ours, theirs }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(given_name: &str, family_name: &str) -> Guest {
        Guest { given_name: given_name.to_owned(), family_name: family_name.to_owned() }
    }

    #[test]
    fn names_are_the_same_however_they_are_spelled() {
        let ada = one("Ada Mary", "King-Noel");
        for (given, family) in [("ADA MARY", "KING NOEL"), ("Adamary", "KingNoel")] {
            assert!(is_same(&ada, &one(given, family)), "{given} {family}");
        }
        assert!(!is_same(&ada, &one("Ada", "King-Noel")));
        assert!(is_same(&one("Zoë", "Müller"), &one("Zoe", "Mueller")));
        assert!(!is_same(&one("Zoë", "Quill"), &one("Zoe", "Else")));
    }

    #[test]
    fn those_are_right_whom_it_was_ordered_for_from_the_first_on() {
        let leg_id = LegId(Uuid::from_u128(1));
        let ordered =
            [one("Ada", "King-Noel"), one("Bob", "Babbage")].map(|one| named(leg_id, &one));
        let shown = |guests: &[Guest]| {
            let bare = SeenReservation::bare("r", SeenState::Confirmed);
            are_shown(leg_id, &ordered, &SeenReservation { guests: guests.to_vec(), ..bare })
        };
        assert!(shown(&[one("ADA", "KING NOEL")]));
        assert!(shown(&[one("Bob", "Babbage"), one("Ada", "King-Noel")]));
        // For people whose names nobody knows the first one's stands.
        assert!(!shown(&[one("Ada", "King-Noel"), one("Ada", "King-Noel")]));
        for other in [one("Bob", "Babbage"), one("Eve", "King-Noel")] {
            assert!(!shown(&[other]), "not the first, or nobody of them");
        }
        assert!(!shown(&[]));
        assert_ne!(ordered.first(), Some(&named(LegId(Uuid::nil()), &one("Ada", "King-Noel"))));
    }

    #[test]
    fn only_names_that_are_spelled_so_are_taken_for_those_that_were_put_on() {
        let person = |given: &str, family: &str| Traveller {
            given_name: given.to_owned(),
            family_name: family.to_owned(),
            born_on: None,
            gender: None,
        };
        let wanted = [person("Ada", "King-Noel"), person("Bob", "Babbage")];
        assert_eq!(is_for(&wanted, &[one("ADA", "KING NOEL")]), Some(true));
        assert_eq!(is_for(&wanted, &[one("Bob", "Babbage")]), Some(false), "the lead is another");
        assert_eq!(is_for(&wanted, &[]), None);
        assert_eq!(is_for(&[], &[one("Ada", "King")]), None);
        assert_eq!(is_for(&[person("李", "小龙")], &[one("Bob", "Babbage")]), None);
    }

    #[test]
    fn only_names_that_nobody_who_travels_has_are_somebody_elses() {
        let person = |given: &str, family: &str| Traveller {
            given_name: given.to_owned(),
            family_name: family.to_owned(),
            born_on: None,
            gender: None,
        };
        let ours = [person("Ada", "King-Noel"), person("Bob", "Babbage")];
        let shown = |given: &str, family: &str| is_strangers(&ours, &[one(given, family)]);
        assert_eq!(shown("Somebody", "Else"), Some(true));
        for (given, family) in
            [("KINGNOEL", "ADA"), ("A", "King Noel"), ("Babbage", ""), ("李", "小龙")]
        {
            assert_eq!(shown(given, family), Some(false), "{given} {family}");
        }
        assert_eq!(is_strangers(&ours, &[]), None);
        assert_eq!(is_strangers(&[], &[one("Ada", "King")]), None);
    }

    /// Row: B7
    #[test]
    fn what_differs_is_shown_by_shape_and_digest_and_no_name() {
        let (ours, theirs) = (one("Ada", "Lovelace"), one("Bob", "Babbages"));
        let (ours, theirs) = (masked("r", &[&ours]), masked("r", &[&theirs]));
        assert_eq!(ours["guests"], json!(["xxx xxxxxxxx"]));
        assert_eq!(ours["guests"], theirs["guests"]);
        assert_ne!(ours["digest"], theirs["digest"]);
        assert_ne!(ours["digest"], masked("q", &[&one("Ada", "Lovelace")])["digest"]);
    }
}
