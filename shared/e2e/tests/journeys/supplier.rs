//! A supplier that keeps silent, acts late, calls back as it likes, and a process that dies over
//! it: each reservation is found, and is the booking's or gone.

use std::time::Duration;

use e2e::{
    Stack,
    double::{Double, Request, Reservation, SupplierTruth},
    gateway::Shown,
    traveller::{Traveller, Trip, some_stay},
};
use http::StatusCode;
use sqlx::Connection as _;

use crate::stage::{self, SOON, until};

/// One system, and one traveller who meets all of it.
struct Stage {
    stack: Stack,
    double: Double,
    ada: Traveller,
}

impl Stage {
    async fn truth(&self) -> SupplierTruth {
        self.double.truth().await.unwrap()
    }

    /// Books while a fault waits for the reserve, and waits until it struck; our reference of the
    /// reserve that it struck.
    async fn book_struck_by(&self, fault: &str, after: Option<Duration>) -> (Trip, String) {
        let quote = self.ada.gateway.quote(&some_stay()).await.unwrap();
        let before = self.truth().await.requests_of("reserve").len();
        let after = after.map(|after| u64::try_from(after.as_millis()).unwrap());
        self.double.arm("reserve", fault, 1, after).await.unwrap();
        let trip = self.ada.book_quote(quote, |_| {}).await.unwrap();
        let reference = until("a reserve", async || {
            let truth = self.truth().await;
            let struck = truth.requests_of("reserve").into_iter().nth(before)?;
            struck.client_reference.clone()
        })
        .await;
        (trip, reference)
    }

    async fn reservations(&self, trip: &Trip) -> Vec<Reservation> {
        let all = self.truth().await.reservations.into_iter();
        all.filter(|reservation| reservation.guests.contains(&trip.guest)).collect()
    }

    async fn confirmed(&self, trip: &Trip) -> Shown {
        let payable = self.ada.until_payable(trip, SOON).await.unwrap();
        self.ada.pay(&payable).await.unwrap();
        let shown = self.ada.until_ended(trip, SOON).await.unwrap();
        assert_eq!(shown.status(), "confirmed", "{}", shown.0);
        shown
    }

    async fn cancelled(&self, trip: &Trip) -> Shown {
        let answer = self.ada.gateway.cancel(&trip.booking_id).await.unwrap();
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", e2e::gateway::describe(&answer));
        let shown = self.ada.until_ended(trip, SOON).await.unwrap();
        assert_eq!(shown.status(), "cancelled", "{}", shown.0);
        shown
    }

    /// The look-ups of one reservation by the supplier's reference so far.
    async fn lookups(&self, reference: &str) -> usize {
        let truth = self.truth().await;
        about(truth.requests_of("lookup"), reference).count()
    }
}

fn about<'a>(requests: Vec<&'a Request>, reference: &str) -> impl Iterator<Item = &'a Request> {
    requests.into_iter().filter(move |request| request.reference.as_deref() == Some(reference))
}

/// Row: A5
/// Row: A7
/// Row: A8
/// Row: B2
/// Row: B4
/// Row: B5
/// Row: B6
/// Row: B11
#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_supplier_does_late_twice_or_unasked_ends_as_one_reservation_or_none() {
    let stack = stage::patient("supplier").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let stage = Stage { double: stack.double(), ada, stack };
    callbacks_in_any_order_are_hints(&stage).await;
    a_forged_callback_leaves_nothing_and_one_about_nobody_is_kept(&stage).await;
    // From here on the supplier announces nothing by itself.
    stage.double.arm("callback", "callback_missing", 10_000, None).await.unwrap();
    a_cancelled_booking_stays_so_when_a_callback_says_otherwise(&stage).await;
    what_was_not_booked_is_booked_again_once_it_is_proven_dead(&stage).await;
    what_the_first_attempt_made_late_is_released_by_its_own_reference(&stage).await;
    what_is_made_after_the_end_is_found_by_the_sweep(&stage).await;
    an_answer_that_died_with_its_process_is_looked_for(&stage).await;
    stage.stack.stop().await.unwrap();
}

/// Late, twice, crossing, forged, contradicting: the booking is what the supplier says when asked.
async fn callbacks_in_any_order_are_hints(stage: &Stage) {
    for fault in ["callback_reordered", "callback_duplicate", "callback_forged"] {
        stage.double.arm("callback", fault, 1, None).await.unwrap();
    }
    stage.double.arm("callback", "callback_contradicting", 1, Some(1_500)).await.unwrap();
    let trip = stage.ada.book(&some_stay()).await.unwrap();
    let shown = stage.confirmed(&trip).await;
    let [reference] = <[String; 1]>::try_from(shown.references()).unwrap();

    let before = stage.lookups(&reference).await;
    let kinds = [
        "itinerary.supplier.cancel",
        "itinerary.agent.create",
        "itinerary.agent.cancel",
        "itinerary.supplier.confirm",
        "itinerary.agent.change",
        "itinerary.supplier.cancel",
    ];
    let pushed = kinds.map(|kind| stage.double.notify(&reference, kind));
    futures::future::try_join_all(pushed).await.unwrap();
    until("looked up", async || (stage.lookups(&reference).await > before).then_some(())).await;
    // Those that come while the look-up is under way are followed by one more, and no others.
    let other = stage.ada.book(&some_stay()).await.unwrap();
    stage.confirmed(&other).await;
    let asked = stage.lookups(&reference).await - before;
    assert!(asked <= 2, "{asked} look-ups for callbacks that came together");

    let shown = stage.ada.gateway.booking(&trip.booking_id).await.unwrap();
    assert_eq!((shown.status(), shown.references()), ("confirmed", vec![reference]));
    assert_eq!(stage.reservations(&trip).await.len(), 1);
    stage.double.clear_faults().await.unwrap();
}

/// The double pushes what is about one reference after the other, and these two share a lane.
async fn a_forged_callback_leaves_nothing_and_one_about_nobody_is_kept(stage: &Stage) {
    let (forged, genuine) = ("8000000000016", "8000000000032");
    stage.double.forge(forged, "itinerary.supplier.cancel").await.unwrap();
    stage.double.notify(genuine, "itinerary.supplier.cancel").await.unwrap();
    let url = stage.stack.database_url("supplier-sync");
    let mut conn = sqlx::PgConnection::connect(&url).await.unwrap();
    let kept = until("kept", async || {
        let kept: Vec<(String, bool)> = sqlx::query_as(
            "select reference, joined_at is not null from callback_hint
              where reference = any($1)",
        )
        .bind(vec![forged, genuine])
        .fetch_all(&mut conn)
        .await
        .unwrap();
        (!kept.is_empty()).then_some(kept)
    })
    .await;
    assert_eq!(kept, [(genuine.to_owned(), false)]);
    conn.close().await.unwrap();
}

async fn a_cancelled_booking_stays_so_when_a_callback_says_otherwise(stage: &Stage) {
    let trip = stage.ada.book(&some_stay()).await.unwrap();
    stage.ada.until_payable(&trip, SOON).await.unwrap();
    stage.cancelled(&trip).await;
    let reference = stage.double.reservation_of(&trip.guest).await.unwrap().reference;
    let told = stage.ada.gateway.history(&trip.booking_id).await.unwrap();
    let before = stage.lookups(&reference).await;
    stage.double.notify(&reference, "itinerary.supplier.confirm").await.unwrap();
    until("looked up", async || (stage.lookups(&reference).await > before).then_some(())).await;

    until("the fact in the history", async || {
        let now = stage.ada.gateway.history(&trip.booking_id).await.unwrap();
        assert_eq!(now[..told.len()], told);
        (now.len() > told.len()).then_some(())
    })
    .await;
    let shown = stage.ada.gateway.booking(&trip.booking_id).await.unwrap();
    assert_eq!(shown.status(), "cancelled", "{}", shown.0);
    let truth = stage.truth().await;
    assert_eq!(about(truth.requests_of("cancel"), &reference).count(), 1);
    assert!(stage.reservations(&trip).await.iter().all(|reservation| !reservation.lives()));
}

async fn what_was_not_booked_is_booked_again_once_it_is_proven_dead(stage: &Stage) {
    let (trip, first) = stage.book_struck_by("timeout_before_commit", None).await;
    let shown = stage.confirmed(&trip).await;
    let [only] = <[Reservation; 1]>::try_from(stage.reservations(&trip).await).unwrap();
    let second = only.client_reference.clone().unwrap();
    assert_ne!(first, second, "another numbered attempt has a reference of its own");
    assert_eq!(shown.references(), [only.reference]);

    let truth = stage.truth().await;
    let at = |request: &Request| request.at.parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    let of = |operation: &str, reference: &str| -> Vec<chrono::DateTime<chrono::Utc>> {
        let all = truth.requests_of(operation).into_iter();
        let own = all.filter(|r| r.client_reference.as_deref() == Some(reference));
        own.map(at).collect()
    };
    let (sent, again) = (of("reserve", &first), of("reserve", &second));
    assert_eq!((sent.len(), again.len()), (1, 1));
    let misses: Vec<_> = of("lookup", &first).into_iter().filter(|miss| *miss < again[0]).collect();
    assert!(misses.len() >= 2, "{misses:?} before {}", again[0]);
    // An answer takes two seconds at most here, and what was made shows after one more.
    let visible = sent[0] + chrono::TimeDelta::seconds(3);
    assert!(misses.iter().any(|miss| *miss >= visible), "{misses:?} after {}", sent[0]);
}

async fn what_the_first_attempt_made_late_is_released_by_its_own_reference(stage: &Stage) {
    let late = Duration::from_secs(7);
    let (trip, first) = stage.book_struck_by("commit_late", Some(late)).await;
    let shown = stage.confirmed(&trip).await;
    let (late, kept) = until("both reservations, one of them gone", async || {
        let both = <[Reservation; 2]>::try_from(stage.reservations(&trip).await).ok()?;
        let ours = |r: &Reservation| r.client_reference.as_deref() == Some(first.as_str());
        let (late, kept): (Vec<_>, Vec<_>) = both.into_iter().partition(ours);
        let (late, kept) = (late.into_iter().next()?, kept.into_iter().next()?);
        (!late.lives()).then_some((late, kept))
    })
    .await;
    assert_eq!(kept.state, "confirmed");
    assert_eq!(shown.references(), std::slice::from_ref(&kept.reference));
    let truth = stage.truth().await;
    assert_eq!(about(truth.requests_of("cancel"), &late.reference).count(), 1);
    assert_eq!(about(truth.requests_of("cancel"), &kept.reference).count(), 0);
    let shown = stage.ada.gateway.booking(&trip.booking_id).await.unwrap();
    assert_eq!(shown.status(), "confirmed");
}

async fn what_is_made_after_the_end_is_found_by_the_sweep(stage: &Stage) {
    let late = Duration::from_secs(9);
    let (trip, first) = stage.book_struck_by("commit_late", Some(late)).await;
    stage.cancelled(&trip).await;
    assert!(stage.reservations(&trip).await.is_empty(), "the booking ended before it was made");
    let made = until("made, found and released", async || {
        let [made] = <[Reservation; 1]>::try_from(stage.reservations(&trip).await).ok()?;
        (!made.lives()).then_some(made)
    })
    .await;
    assert_eq!(made.client_reference, Some(first));
    let shown = stage.ada.gateway.booking(&trip.booking_id).await.unwrap();
    assert_eq!(shown.status(), "cancelled");
}

/// Two bookings: one goes on, one was cancelled while nobody could undo it.
async fn an_answer_that_died_with_its_process_is_looked_for(stage: &Stage) {
    for wanted in [true, false] {
        let (trip, reference) = stage.book_struck_by("timeout_after_commit", None).await;
        until("made", async || stage.reservations(&trip).await.pop()).await;
        stage.stack.kill("supplier-sync");
        if wanted {
            stage.stack.restart("supplier-sync").await.unwrap();
            stage.confirmed(&trip).await;
        } else {
            let answer = stage.ada.gateway.cancel(&trip.booking_id).await.unwrap();
            assert_eq!(answer.status, StatusCode::ACCEPTED);
            stage.stack.restart("supplier-sync").await.unwrap();
            let shown = stage.ada.until_ended(&trip, SOON).await.unwrap();
            assert_eq!(shown.status(), "cancelled", "{}", shown.0);
        }
        let [only] = <[Reservation; 1]>::try_from(stage.reservations(&trip).await).unwrap();
        assert_eq!(only.client_reference, Some(reference));
        assert_eq!(only.state, if wanted { "confirmed" } else { "cancelled" });
    }
}

/// Row: A6
#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_the_supplier_refuses_is_loud_and_never_shown_as_done() {
    let stack = stage::patient("a6").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let double = stack.double();
    let trip = ada.book(&some_stay()).await.unwrap();
    ada.until_payable(&trip, SOON).await.unwrap();
    double.arm("cancel", "cancel_refused", 10_000, None).await.unwrap();
    let answer = ada.gateway.cancel(&trip.booking_id).await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED);

    let stuck = ada.until(&trip, "in review", SOON, Shown::in_review).await.unwrap();
    assert_eq!(stuck.status(), "cancelling", "{}", stuck.0);
    let review = &stuck.0["review"];
    assert_eq!(review["why"], "stuck", "{review}");
    assert_eq!(review["stuck"]["step"], "release_leg", "{review}");
    // It said no, and a look-up shows the room.
    assert_eq!(review["stuck"]["reason"], "refused", "{review}");
    assert!(review["stuck"]["attempts"].as_u64().unwrap() >= 1, "{review}");

    // Everybody else goes on, and it is still not done.
    let (other, _) = ada.travel(&some_stay(), SOON).await.unwrap();
    let still = ada.gateway.booking(&trip.booking_id).await.unwrap();
    assert_eq!(still.status(), "cancelling", "{}", still.0);
    assert!(double.reservation_of(&trip.guest).await.unwrap().lives());
    assert!(double.reservation_of(&other.guest).await.unwrap().lives());

    // Once the supplier gives in, it ends, and nobody has to look any more.
    double.clear_faults().await.unwrap();
    let ended = ada.until_ended(&trip, SOON).await.unwrap();
    assert_eq!(ended.status(), "cancelled");
    assert!(!ended.in_review(), "{}", ended.0);
    assert!(!double.reservation_of(&trip.guest).await.unwrap().lives());
    stack.stop().await.unwrap();
}
