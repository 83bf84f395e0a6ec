//! Repairs of a booking that waits for a person: offered when its owner calls them safe, said before
//! they are done, and in the audit however they end.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};
use support_console::App;
use uuid::Uuid;

use crate::{
    browser::Browser,
    console::{APPROVER, Console, OPERATOR, VIEWER, id},
    owner::{BROUGHT_IT, Owner},
};

const OTHER: &str = "0x00000000000000000000000000000000000000000000000000000000000000bb";

async fn with_an_owner() -> (Console, Owner) {
    let mut console = Console::closed().await;
    let owner = Owner::start(&console).await;
    console.app = console.beside_an_owner(&owner.url).await;
    (console, owner)
}

/// What the audit has of a booking, oldest first: the act and how it ended.
async fn audit(console: &Console, booking: Uuid) -> Vec<String> {
    let (_, page) = console.get(&format!("/v1/acts?booking_id={booking}"), VIEWER).await;
    let acts = page["acts"].as_array().unwrap().iter().rev();
    let word = |act: &Value, name: &str| act[name].as_str().unwrap().to_owned();
    acts.map(|act| format!("{} {}", word(act, "act"), word(act, "outcome"))).collect()
}

/// Row: G8
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_taken_by_an_operator_and_a_refund_proven_by_an_approver_once_it_is_safe() {
    let (console, owner) = with_an_owner().await;
    let booking = id().0;
    let review = format!("/v1/bookings/{booking}/review");
    // A booking that its owner does not know is not an owner that does not answer.
    let (status, _) = console.get(&format!("/v1/bookings/{}/review", Uuid::nil()), VIEWER).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let take = json!({ "reason": "my shift", "act": "take" });
    assert_eq!(console.post(&review, VIEWER, &take).await.0, StatusCode::FORBIDDEN);
    let (status, body) = console.post(&review, OPERATOR, &take).await;
    assert_eq!((status, &body["review"]["owner"]), (StatusCode::OK, &json!("ada")), "{body}");
    assert_eq!(owner.told(), [json!({ "staff": "ada", "why": "my shift", "act": "take" })]);

    // A leg that its supplier keeps is left there; booking says whether that is safe.
    let leg = id().0;
    let leave = json!({ "reason": "they told me", "act": "leave_leg", "leg_id": leg });
    assert_eq!(console.post(&review, VIEWER, &leave).await.0, StatusCode::FORBIDDEN);
    assert_eq!(console.post(&review, OPERATOR, &leave).await.0, StatusCode::OK);
    let left = json!({ "staff": "ada", "why": "they told me", "act": "leave_leg", "leg_id": leg });
    assert_eq!(owner.told().last(), Some(&left));

    owner.sent();
    let proof = |refund: Uuid| format!("/v1/bookings/{booking}/refunds/{refund}/proof");
    let named = |transaction: &str| json!({ "reason": "by hand", "transaction": transaction });
    let ours = proof(owner.refund);
    let (status, _) = console.post(&ours, OPERATOR, &named(BROUGHT_IT)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    // A refund of which booking asks no proof: its owner is not told of one.
    let (status, body) = console.post(&proof(id().0), APPROVER, &named(BROUGHT_IT)).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("not_safe_now")), "{body}");
    assert_eq!(owner.told().len(), 2);
    // A transaction that brought nothing proves nothing, whoever says so.
    let (status, body) = console.post(&ours, APPROVER, &named(OTHER)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(body["detail"].as_str().unwrap().contains("no transfer"), "{body}");
    let (status, body) = console.post(&ours, APPROVER, &named(BROUGHT_IT)).await;
    assert_eq!((status, &body["missing"]), (StatusCode::ACCEPTED, &json!("40")), "{body}");
    let told = json!({ "staff": "ada", "why": "by hand", "transaction": BROUGHT_IT });
    assert_eq!(owner.told().last(), Some(&told));
    let expected = [
        "take_review denied",
        "take_review begun",
        "take_review done",
        "leave_leg denied",
        "leave_leg begun",
        "leave_leg done",
        "prove_refund denied",
        "prove_refund refused",
        "prove_refund begun",
        "prove_refund refused",
        "prove_refund begun",
        "prove_refund done",
    ];
    assert_eq!(audit(&console, booking).await, expected);
    console.close().await;
}

/// Row: C10
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_of_a_refund_is_answered_for_by_an_approver_with_a_reason_and_is_in_the_audit()
 {
    let (console, owner) = with_an_owner().await;
    let booking = id().0;
    owner.sent();
    let settle = |refund: Uuid| format!("/v1/bookings/{booking}/refunds/{refund}/settlement");
    let ours = settle(owner.refund);
    let because = json!({ "reason": "paid by bank" });
    assert_eq!(console.post(&ours, OPERATOR, &because).await.0, StatusCode::FORBIDDEN);
    let (status, _) = console.post(&ours, APPROVER, &json!({ "reason": " " })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, body) = console.post(&settle(id().0), APPROVER, &because).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("not_safe_now")), "{body}");
    assert_eq!(owner.told(), [] as [Value; 0]);
    let (status, body) = console.post(&ours, APPROVER, &because).await;
    assert_eq!((status, &body["state"]), (StatusCode::OK, &json!("confirmed")), "{body}");
    assert_eq!(owner.told(), [json!({ "staff": "ada", "why": "paid by bank" })]);
    assert_eq!(console.post(&ours, APPROVER, &because).await.0, StatusCode::CONFLICT);

    // The same by its page, which says what it does.
    let page = format!("/bookings/{booking}/refunds/{}/settlement", owner.refund);
    let otto = Browser::signed_in(&console, "otto", "support_operator").await;
    assert_eq!(otto.get(&page).await.status, StatusCode::FORBIDDEN);
    let bo = Browser::signed_in(&console, "bo", "support_approver").await;
    assert!(bo.get(&format!("/bookings/{booking}")).await.text.contains("Answer for what is"));
    let said = bo.get(&page).await.text;
    for part in ["No money is sent.", "107460000000000000", "owed no more"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let done = bo.submit(&page, &page, &[("reason", "in cash")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    assert_eq!(owner.told().last(), Some(&json!({ "staff": "bo", "why": "in cash" })));
    let expected = [
        "settle_refund denied",
        "settle_refund refused",
        "settle_refund begun",
        "settle_refund done",
        "settle_refund begun",
        "settle_refund refused",
        "settle_refund begun",
        "settle_refund done",
    ];
    assert_eq!(audit(&console, booking).await, expected);
    console.close().await;
}

/// Row: G8
#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_what_a_repair_would_do_and_only_then_its_form_does_it() {
    let (console, owner) = with_an_owner().await;
    let booking = id().0;
    let path = format!("/bookings/{booking}");
    let viewer = Browser::signed_in(&console, "eve", "support_viewer").await;
    let page = viewer.get(&path).await;
    assert!(page.text.contains("It waits for a person"), "{}", page.text);
    assert!(!page.text.contains("Look into it …") && !page.text.contains("brought the refund"));
    let take = format!("{path}/review?act=take");
    assert_eq!(viewer.get(&take).await.status, StatusCode::FORBIDDEN);

    let ada = Browser::signed_in(&console, "ada", "support_approver").await;
    let page = ada.get(&path).await;
    assert!(page.text.contains("Look into it …"), "{}", page.text);
    let page = ada.get(&take).await;
    assert!(page.text.contains("nobody else can take it"), "{}", page.text);
    let fields = [("act", "take"), ("reason", "my shift")];
    let page = ada.submit(&take, &format!("{path}/review"), &fields).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, path.as_str()));
    assert!(ada.get(&path).await.text.contains("Leave it to others …"));

    let proof = format!("{path}/refunds/{}", owner.refund);
    let page = ada.get(&proof).await;
    for said in ["107460000000000000", "No money is sent.", "counts as sent by it"] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    let fields = [("transaction", OTHER), ("reason", "by hand")];
    let page = ada.submit(&proof, &proof, &fields).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(page.text.contains("no transfer of it stands there"), "{}", page.text);
    let fields = [("transaction", BROUGHT_IT), ("reason", "by hand")];
    let page = ada.submit(&proof, &proof, &fields).await;
    assert!(page.text.contains("40 of its smallest units"), "{}", page.text);

    // A repair of a leg: what is known of what it is about, and whether it is safe now.
    let leg = format!("{path}/legs/{}", owner.leg);
    let page = ada.get(&format!("{leg}?act=adopt&reference=R1")).await;
    for said in ["R1", "125.00 EUR", "2027-03-01", "no: other dates, or dearer"] {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    assert!(!page.text.contains("this is not safe"), "{}", page.text);
    let page = ada.get(&format!("{leg}?act=cancel_at_supplier&reference=R1")).await;
    assert!(page.text.contains("this is not safe"), "{}", page.text);
    console.close().await;
}

/// Row: C10
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn a_large_refund_is_let_go_by_an_approver_who_did_not_look_into_its_booking() {
    let (console, owner) = with_an_owner().await;
    let booking = Uuid::from_u128(1);
    let path = format!("/v1/bookings/{booking}/refunds/{}/approval", owner.refund);
    let agreed = json!({ "reason": "agreed" });
    let (_, waiting) = console.get("/v1/refunds", VIEWER).await;
    assert_eq!(waiting["refunds"][0]["amount_decimal"], "1.5", "{waiting}");
    assert_eq!(console.post(&path, OPERATOR, &agreed).await.0, StatusCode::FORBIDDEN);
    let others = format!("/v1/bookings/{}/refunds/{}/approval", Uuid::from_u128(9), owner.refund);
    let (status, body) = console.post(&others, APPROVER, &agreed).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("not_waiting")), "{body}");
    assert_eq!(owner.told(), [] as [Value; 0]);

    // Nobody was asked to send it yet: it is not for one person to say that it came.
    let (_, review) = console.get(&format!("/v1/bookings/{booking}/review"), VIEWER).await;
    let safe = json!([{ "is": "take" }, { "is": "approve_refund", "refund_id": owner.refund }]);
    assert_eq!(review["safe"], safe);
    let settle = path.replace("approval", "settlement");
    let (status, body) = console.post(&settle, APPROVER, &agreed).await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("not_safe_now")), "{body}");
    assert_eq!(owner.told(), [] as [Value; 0]);

    // Whoever looked into the booking is kept from it by the page and by the owner.
    let page = format!("/bookings/{booking}/refunds/{}/approval", owner.refund);
    let otto = Browser::signed_in(&console, "otto", "support_approver").await;
    let list = otto.get("/refunds").await;
    assert!(list.text.contains("1.5 eth") && list.text.contains("3750.00 EUR"), "{}", list.text);
    assert!(list.text.contains("somebody else has to"), "{}", list.text);
    let refused = otto.submit(&page, &page, &[("reason", "agreed")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("they looked into the booking"), "{}", refused.text);

    let ada = Browser::signed_in(&console, "ada", "support_approver").await;
    assert!(ada.get("/refunds").await.text.contains("Let it go …"));
    let said = ada.get(&page).await.text;
    for part in ["That cannot be taken back.", "as many units as were paid", "otto"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let done = ada.submit(&page, &page, &[("reason", "agreed")]).await;
    assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/refunds"));
    assert_eq!(owner.told().last(), Some(&json!({ "staff": "ada", "why": "agreed" })));
    assert!(ada.get("/refunds").await.text.contains("No refund waits for anybody."));
    let (status, _) = console.post(&path, APPROVER, &agreed).await;
    assert_eq!(status, StatusCode::CONFLICT, "it went already");
    let expected = [
        "approve_refund denied",
        "settle_refund refused",
        "approve_refund begun",
        "approve_refund refused",
        "approve_refund begun",
        "approve_refund done",
        "approve_refund refused",
    ];
    assert_eq!(audit(&console, booking).await, expected);
    console.close().await;
}

/// Row: C10
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn whoever_acted_on_a_booking_does_not_let_its_refund_go_whatever_its_owner_was_told() {
    let (console, owner) = with_an_owner().await;
    let booking = Uuid::from_u128(1);
    let path = format!("/v1/bookings/{booking}/refunds/{}/approval", owner.refund);
    let page = format!("/bookings/{booking}/refunds/{}/approval", owner.refund);
    let ada = Browser::signed_in(&console, "ada", "support_approver").await;
    let eve = Browser::signed_in(&console, "eve", "support_approver").await;
    let leg = format!("/bookings/{booking}/legs/{}", owner.leg);
    let fields = [("act", "adopt"), ("reference", "R1"), ("reason", "it is theirs")];
    let done = eve.submit(&format!("{leg}?act=adopt&reference=R1"), &leg, &fields).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let told = owner.told();

    let refused = eve.submit(&page, &page, &[("reason", "agreed")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("acted on this booking before"), "{}", refused.text);
    assert_eq!(owner.told(), told, "its owner is not even asked");
    assert_eq!(audit(&console, booking).await.last().unwrap(), "approve_refund refused");
    let done = ada.submit(&page, &page, &[("reason", "agreed")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    assert_eq!(
        console.post(&path, APPROVER, &json!({ "reason": "x" })).await.0,
        StatusCode::CONFLICT
    );
    console.close().await;
}

/// Row: J3
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn who_travels_is_shown_to_who_may_see_it_for_a_reason_and_each_look_is_recorded() {
    let (console, owner) = with_an_owner().await;
    let booking = id().0;
    let path = format!("/v1/bookings/{booking}/travellers");
    let because = json!({ "reason": "the hotel asks for the name" });
    for roles in [VIEWER, Some(&["guest"][..])] {
        assert_eq!(console.post(&path, roles, &because).await.0, StatusCode::FORBIDDEN);
    }
    let (status, _) = console.post(&path, OPERATOR, &json!({ "reason": " " })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(owner.told(), Vec::<Value>::new(), "nobody was asked");
    let (status, people) = console.post(&path, OPERATOR, &because).await;
    assert_eq!((status, &people["email"]), (StatusCode::OK, &json!("ada@example.org")));
    let denied = "see_travellers denied";
    assert_eq!(audit(&console, booking).await, [denied, denied, "see_travellers done"]);

    let form = format!("/bookings/{booking}/travellers");
    let eve = Browser::signed_in(&console, "eve", "support_viewer").await;
    assert!(!eve.get(&format!("/bookings/{booking}")).await.text.contains("Lovelace"));
    assert_eq!(eve.get(&form).await.status, StatusCode::FORBIDDEN);
    let page = eve.submit("/", &form, &[("reason", "let me")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(!page.text.contains("Lovelace"));
    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    assert!(!ada.get(&form).await.text.contains("Lovelace"), "not before a reason is given");
    let page = ada.submit(&form, &form, &[("reason", "to call them")]).await;
    assert!(page.text.contains("Lovelace") && page.text.contains("recorded"), "{}", page.text);
    assert_eq!(audit(&console, booking).await[3..], [denied, "see_travellers done"]);
    console.close().await;
}

/// Row: J3
#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_who_travels_when_the_look_cannot_be_recorded() {
    let (console, owner) = with_an_owner().await;
    console.service.logs.expect("recording an act");
    let mut admin = console.service.database.admin().await;
    sqlx::raw_sql("revoke insert on act from support_console").execute(&mut admin).await.unwrap();
    let path = format!("/v1/bookings/{}/travellers", id().0);
    let because = json!({ "reason": "to call them" });
    let app: &App = &console.app;
    let (status, body) = console.call(app, Method::POST, &path, OPERATOR, Some(&because)).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!body.to_string().contains("Lovelace"), "{body}");
    assert_eq!(owner.told(), [json!("travellers")]);
    console.close().await;
}

/// Row: G1
/// Row: J3
#[tokio::test(flavor = "multi_thread")]
async fn bookings_are_found_by_an_e_mail_address_by_who_may_and_the_address_is_kept_nowhere() {
    let (console, owner) = with_an_owner().await;
    let path = "/v1/search/contacts";
    let wanted = json!({ "reason": "they call", "email": " ada@example.org" });
    for roles in [VIEWER, Some(&["guest"][..])] {
        assert_eq!(console.post(path, roles, &wanted).await.0, StatusCode::FORBIDDEN);
    }
    for bad in ["ada", "", &format!("{}@example.org", "a".repeat(300))] {
        let bad = json!({ "reason": "they call", "email": bad });
        assert_eq!(console.post(path, OPERATOR, &bad).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let without = json!({ "reason": "", "email": "ada@example.org" });
    assert_eq!(console.post(path, OPERATOR, &without).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(owner.told(), Vec::<Value>::new(), "nobody was asked");
    let (status, found) = console.post(path, OPERATOR, &wanted).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    let ids = found["found"].as_array().unwrap().iter().map(|found| found["booking_id"].clone());
    assert_eq!(ids.collect::<Vec<_>>(), [2, 1].map(|n| json!(Uuid::from_u128(n))));

    // The same by a page; the audit names the booking where it is one.
    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    let search = ada.get("/search?key=nobody").await;
    assert!(search.text.contains("href=\"/search/contacts\""), "{}", search.text);
    let fields = [("email", "bo@example.org"), ("reason", "the bank asks")];
    let page = ada.submit("/search/contacts", "/search/contacts", &fields).await;
    let only = Uuid::from_u128(3);
    assert!(page.text.contains(&format!("/bookings/{only}")), "{}", page.text);
    assert_eq!(audit(&console, only).await, ["find_by_email done"]);
    let eve = Browser::signed_in(&console, "eve", "support_viewer").await;
    assert_eq!(eve.get("/search/contacts").await.status, StatusCode::FORBIDDEN);
    let (_, acts) = console.get("/v1/acts", VIEWER).await;
    assert!(!acts.to_string().contains("example.org"), "{acts}");
    let outcomes = acts["acts"].as_array().unwrap().iter().map(|act| act["outcome"].clone());
    assert_eq!(outcomes.collect::<Vec<_>>(), ["done", "done", "denied", "denied"]);
    console.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_spoilt_is_still_denied_to_who_may_not_and_recorded() {
    let (console, owner) = with_an_owner().await;
    let booking = id().0;
    let form = format!("/bookings/{booking}/travellers");
    let eve = Browser::signed_in(&console, "eve", "support_viewer").await;
    let page = eve.submit("/", &form, &[("reasons", "spoilt")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "{}", page.text);
    assert_eq!(audit(&console, booking).await, ["see_travellers denied"]);
    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    let page = ada.submit(&form, &form, &[("reasons", "spoilt")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", page.text);
    assert_eq!(owner.told(), Vec::<Value>::new());
    console.close().await;
}
