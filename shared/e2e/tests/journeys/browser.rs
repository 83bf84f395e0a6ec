//! The support console in a real browser, on the running system.

use contracts::{message::Message as _, messages::BookingConfirmed};
use e2e::{
    broker::{Broker, Letter},
    chromium,
    console::Console,
    traveller::{Traveller, some_stay},
};
use serde_json::{Value, json};

use crate::stage::{self, SOON, until};

const SPOILT: &str = "after breakfast";

/// What people have put into names and messages to make a browser run it.
const EVIL: [&str; 12] = [
    "<script>window.__xss=1</script>",
    "<img src=x onerror=window.__xss=1>",
    "<svg onload=window.__xss=1>",
    "\"><script>window.__xss=1</script>",
    "'><img src=x onerror='window.__xss=1'>",
    "</pre><script>window.__xss=1</script>",
    "</textarea><script>window.__xss=1</script>",
    "</title><script>window.__xss=1</script>",
    "<iframe srcdoc='<script>parent.__xss=1</script>'></iframe>",
    "<a href=\"javascript:window.__xss=1\">x</a>",
    "{{constructor.constructor('window.__xss=1')()}}",
    "\u{1b}[2J\u{1b}]0;x\u{7}<body onpageshow=window.__xss=1>",
];

/// Row: G1
/// Row: G6
/// Row: G7
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn a_support_person_looks_and_acts_in_a_browser_and_no_message_runs_in_it() {
    let stack = stage::patient("browser").await;
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    let broker = Broker::of(&stack).await.unwrap();
    let queue = broker.routing().queue("rewards");
    for evil in EVIL {
        broker.put(&queue, &Letter::garbage(evil.as_bytes())).await.unwrap();
    }
    let all = json!({ "all": EVIL }).to_string();
    broker.put(&queue, &Letter::garbage(all.as_bytes())).await.unwrap();
    let staff = Console::of(&stack, "support_operator");
    let letters = until("the garbage parked", async || {
        let letters = staff.list("").await.unwrap();
        (letters.len() > EVIL.len()).then_some(letters)
    })
    .await;
    let evil = letters.last().unwrap();

    // A booking that is confirmed, and its news for rewards spoilt on the way.
    let trip = ada.book(&some_stay()).await.unwrap();
    stack.pause("rewards").await.unwrap();
    ada.pay(&ada.until_payable(&trip, SOON).await.unwrap()).await.unwrap();
    assert_eq!(ada.until_ended(&trip, SOON).await.unwrap().status(), "confirmed");
    let ours = |letter: &Letter| {
        letter.header("cloudEvents:type") == BookingConfirmed::TYPE
            && letter.header("cloudEvents:subject") == trip.booking_id
    };
    let letter = broker.take(&queue, SOON, ours).await.unwrap();
    let mut body: Value = serde_json::from_slice(&letter.body).unwrap();
    body["over_at"] = json!(SPOILT);
    let mut spoilt = letter.clone();
    spoilt.body = serde_json::to_vec(&body).unwrap();
    broker.send(&spoilt).await.unwrap();
    stack.restart("rewards").await.unwrap();
    let dead = until("the spoilt letter parked", async || {
        staff.of_booking(&trip.booking_id).await.unwrap().into_iter().next()
    })
    .await;

    // A guest whose name is a script, which the supplier quotes when it refuses to take it.
    stack.double().arm("reserve", "quoting_400", 1, None).await.unwrap();
    let quote = ada.gateway.quote(&some_stay()).await.unwrap();
    let named = |request: &mut Value| {
        request["travellers"][0]["family_name"] = json!(EVIL[0]);
        request["special_requests"] = json!(EVIL[1..8].join("\n"));
    };
    let named = ada.book_quote(quote, named).await.unwrap();
    until("its supplier asked", async || {
        let timeline = staff.get(&format!("/v1/bookings/{}/timeline", named.booking_id)).await;
        let timeline = timeline.unwrap().json();
        let mut entries = timeline["entries"].as_array()?.iter();
        entries.any(|entry| entry["kind"] == "exchange").then_some(())
    })
    .await;

    let sign_in = stack.staff().await.unwrap();
    let task = json!({
        "console": stack.url("support-console"),
        "shots": chromium::shots("console"),
        "operator": sign_in["support_operator"],
        "viewer": sign_in["support_viewer"],
        "approver": sign_in["support_approver"],
        "booking": trip.booking_id,
        "letter": dead["dead_letter_id"],
        "named": named.booking_id,
        "spoilt": SPOILT,
        "mended": String::from_utf8(letter.body).unwrap(),
        "evil": evil["dead_letter_id"],
        "group": evil["letter_cause_id"],
        "parked": letters[0]["dead_letter_id"],
    });
    let said = chromium::run("console.cjs", &task).await.unwrap();
    assert!(said.contains("a viewer looks and does nothing"), "{said}");
    stack.stop().await.unwrap();
}
