//! The comparison counts what it must.

use e2e::{
    Options, Profile, Stack,
    traveller::{Traveller, some_stay},
    truth::{World, plant},
};

use crate::stage::{SOON, until};

#[tokio::test(flavor = "multi_thread")]
async fn one_of_each_wrong_is_counted_and_turns_the_exit_code() {
    let options = Options { profile: Profile::Demo, ..Options::test("truth") };
    let stack = Stack::start(options).await.unwrap();
    let world = World::of(&stack).await.unwrap();
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    let (trip, shown) = traveller.travel(&some_stay(), SOON).await.unwrap();
    let mut accepted = vec![trip.accepted()];
    let found = world.compare_within(&accepted, SOON).await.unwrap();
    assert!(found.is_right(), "{:?}", found.wrong);
    assert_eq!((found.bookings, found.confirmed), (1, 1));

    accepted.push(plant::one_of_each(&stack, &traveller, &trip, &shown).await.unwrap());
    let found = until("a second charge", async || {
        let found = world.compare(&accepted).await.unwrap();
        (found.overcharged > 0).then_some(found)
    })
    .await;
    let counts = (found.lost, found.double, found.orphaned, found.overcharged);
    assert_eq!(counts, (1, 1, 1, 1), "{:?}", found.wrong);
    assert!(!found.is_right());

    // A confirmed booking whose reservation is gone is lost as well.
    stack.double().act(&shown.references()[0], "cancel").await.unwrap();
    let found = world.compare(&accepted).await.unwrap();
    assert_eq!(found.lost, 2, "{:?}", found.wrong);

    // The demo says the same, and fails.
    let demo = tokio::process::Command::new(stack.bin().join("demo"))
        .args(["--once", "--json", "--plant", "--stack", "truth", "--only", "paid in ether"])
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&demo.stdout).into_owned();
    assert!(!demo.status.success(), "{said}");
    let summary: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    for wrong in ["lost", "double", "orphaned", "overcharged"] {
        assert_eq!(summary[wrong], 1, "{said}");
    }
    assert_eq!(summary["confirmed"], 1, "{said}");

    // Money for a booking that ended, seen by no service and shown by none.
    let world = World::of(&stack).await.unwrap();
    let trip = traveller.book(&some_stay()).await.unwrap();
    let payable = traveller.until_payable(&trip, SOON).await.unwrap();
    traveller.gateway.cancel(&trip.booking_id).await.unwrap();
    let shown = traveller.until_ended(&trip, SOON).await.unwrap();
    assert_eq!((shown.status(), shown.address()), ("cancelled", None), "{}", shown.0);
    let found = world.compare_within(&[trip.accepted()], SOON).await.unwrap();
    assert!(found.is_right(), "{:?}", found.wrong);
    stack.kill("payment-verification");
    traveller.pay(&payable).await.unwrap();
    until("the money is missed", async || {
        let found = world.compare(&[trip.accepted()]).await.unwrap();
        (found.overcharged == 1).then_some(())
    })
    .await;
    stack.stop().await.unwrap();
}
