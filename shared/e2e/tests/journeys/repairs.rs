//! Every repair, by a support person in a real browser, on what is broken in a running system.

use std::path::Path;

use contracts::asset::Units;
use e2e::{
    Stack, chromium,
    console::Console,
    gateway::Shown,
    traveller::{Traveller, Trip, some_stay, stay_in},
};
use http::StatusCode;
use serde_json::{Value, json};

use crate::stage::{self, SOON, until};

/// Worth more than one person may let go.
const NIGHTS: u64 = 26;

async fn books(ada: &Traveller, nights: u64, refund_to: &str) -> Trip {
    let stay = if nights == 2 { some_stay() } else { stay_in(60, nights) };
    let quote = ada.gateway.quote(&stay).await.unwrap();
    ada.book_quote(quote, |request| request["refund_to"] = json!(refund_to)).await.unwrap()
}

async fn cancelled_after_paying(ada: &Traveller, nights: u64, refund_to: &str) -> Trip {
    let trip = books(ada, nights, refund_to).await;
    ada.pay(&ada.until_payable(&trip, SOON).await.unwrap()).await.unwrap();
    assert_eq!(ada.until_ended(&trip, SOON).await.unwrap().status(), "confirmed");
    stage::cancelled(ada, &trip).await;
    trip
}

async fn shown(
    ada: &Traveller,
    trip: &Trip,
    what: &str,
    is: impl Fn(&Shown) -> bool + Send + Sync,
) -> Shown {
    until(what, async || {
        let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
        is(&shown).then_some(shown)
    })
    .await
}

fn tell(folder: &Path, name: &str, what: &Value) {
    // As a whole: whoever waits for it reads it at once.
    let (draft, whole) = (folder.join(format!("{name}.draft")), folder.join(name));
    std::fs::write(&draft, what.to_string()).unwrap();
    std::fs::rename(draft, whole).unwrap();
}

/// Row: G8
#[tokio::test(flavor = "multi_thread")]
async fn a_support_person_does_every_repair_in_a_browser() {
    let stack = stage::patient("repairs").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let (confirmed, _) = ada.travel(&some_stay(), SOON).await.unwrap();
    let folder = stack.dir().join("told");
    std::fs::create_dir_all(&folder).unwrap();
    let sign_in = stack.staff().await.unwrap();
    let task = json!({
        "console": stack.url("support-console"),
        "folder": folder,
        "operator": sign_in["support_operator"],
        "approver": sign_in["support_approver"],
        "confirmed": confirmed.booking_id,
    });
    let walk = tokio::spawn(async move { chromium::run("repairs.cjs", &task).await });
    until("signed in", async || folder.join("ready").exists().then_some(())).await;

    // Two that were bought, and that their supplier says are dearer since.
    let (adopt, _) = ada.travel(&some_stay(), SOON).await.unwrap();
    let (cancel, _) = ada.travel(&some_stay(), SOON).await.unwrap();
    stack.double().arm("lookup", "wrong_price", 10_000, None).await.unwrap();
    for trip in [&adopt, &cancel] {
        found_dearer(&stack, trip).await;
    }
    let dearer = json!({ "adopt": adopt.booking_id, "cancel": cancel.booking_id });
    tell(&folder, "dearer.json", &dearer);
    until("adopted", async || {
        let leg = standing(&stack, &adopt).await;
        (leg["attempts"][0]["reservations"][0]["adopted"] == true).then_some(())
    })
    .await;
    let cancelled_there = |shown: &Shown| {
        let leg = &shown.0["legs"][0];
        leg["state"] == "changed_by_supplier" && leg["change"]["theirs"].is_null()
    };
    shown(&ada, &cancel, "cancelled at the supplier", cancelled_there).await;
    stack.double().clear_faults().await.unwrap();

    // A refund that never comes, one that is too large for one person, and an attempt of which the
    // supplier says nothing any more.
    let treasury = format!("{}/treasury/faults", stack.url("doubles"));
    let never = json!({ "fault": "never", "times": 1 });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert!(http.post(treasury).json(&never).send().await.unwrap().status().is_success());
    let wallet = ada.new_wallet();
    let late = cancelled_after_paying(&ada, 2, &wallet).await;
    let large = cancelled_after_paying(&ada, NIGHTS, &ada.new_wallet()).await;
    let review = |shown: &Shown| shown.in_review();
    let due = shown(&ada, &late, "late", review).await.0["payment"]["refunds"][0]["units"].take();
    let due: Units = serde_json::from_value(due).unwrap();
    let node = stack.node();
    let payers = node.accounts().await.unwrap();
    let transaction = node.pay(&payers[0], &wallet, due).await.unwrap();
    stack.double().arm("lookup", "http_503", 10_000, None).await.unwrap();
    stack.double().arm("reserve", "timeout_before_commit", 1, None).await.unwrap();
    let absent = books(&ada, 2, &ada.new_wallet()).await;
    absence_is_not_taken_without_evidence(&stack, &absent).await;
    let broken = json!({
        "absent": absent.booking_id, "late": late.booking_id, "transaction": transaction,
    });
    tell(&folder, "broken.json", &broken);

    let said = walk.await.unwrap().unwrap();
    assert!(said.contains("proved a refund"), "{said}");
    shown(&ada, &late, "refunded", Shown::is_refunded).await;
    shown(&ada, &large, "refunded", Shown::is_refunded).await;
    each_is_recorded(&stack).await;
    stack.stop().await.unwrap();
}

fn legs(trip: &Trip) -> String {
    format!("/v1/bookings/{}/legs", trip.booking_id)
}

/// How the leg of a trip stands at its supplier, as support sees it.
async fn standing(stack: &Stack, trip: &Trip) -> Value {
    let viewer = Console::of(stack, "support_viewer");
    viewer.get(&legs(trip)).await.unwrap().json()["legs"][0].take()
}

/// Looks until what the supplier says otherwise is believed: not by one look alone.
async fn found_dearer(stack: &Stack, trip: &Trip) {
    let operator = Console::of(stack, "support_operator");
    until("found dearer", async || {
        let leg = standing(stack, trip).await;
        if leg["safe"].as_array()?.iter().any(|act| act["is"] == "adopt") {
            return Some(());
        }
        let path = format!("{}/{}/acts", legs(trip), leg["leg_id"].as_str()?);
        let look = json!({ "reason": "it looks odd", "act": { "is": "look_up" } });
        // One that is on its way already refuses another.
        operator.post(&path, &look).await.unwrap();
        None
    })
    .await;
}

/// Although it would be safe by then, and whoever asks may do it.
async fn absence_is_not_taken_without_evidence(stack: &Stack, trip: &Trip) {
    let approver = Console::of(stack, "support_approver");
    let is_absence = |act: &Value| act["is"] == "declare_absent";
    let (leg, act) = until("safe to declare absent", async || {
        let leg = standing(stack, trip).await;
        let act = leg["safe"].as_array()?.iter().find(|act| is_absence(act))?.clone();
        Some((leg, act))
    })
    .await;
    let path = format!("{}/{}/acts", legs(trip), leg["leg_id"].as_str().unwrap());
    for evidence in [Value::Null, json!("  ")] {
        let wanted = json!({ "reason": "no answer", "evidence": evidence, "act": act });
        let answer = approver.post(&path, &wanted).await.unwrap();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.json());
        assert_eq!(answer.json()["errors"][0]["pointer"], "/evidence", "{}", answer.json());
    }
    let after = standing(stack, trip).await;
    assert!(after["safe"].as_array().unwrap().iter().any(is_absence), "nothing changed: {after}");
}

async fn each_is_recorded(stack: &Stack) {
    let viewer = Console::of(stack, "support_viewer");
    let listed = viewer.get("/v1/acts?limit=200").await.unwrap().json();
    let done = |act: &str| {
        let mut all = listed["acts"].as_array().unwrap().iter();
        all.any(|one| one["act"] == act && one["outcome"] == "done")
    };
    for act in [
        "adopt",
        "cancel_at_supplier",
        "look_up",
        "close_case",
        "declare_absent",
        "reset_breaker",
        "approve_refund",
        "take_review",
        "prove_refund",
    ] {
        assert!(done(act), "{act}: {listed}");
    }
}
