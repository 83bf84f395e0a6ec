//! Every fault does what its name says: whether the deed was done, and what the caller got.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::partner::{Partner, booking, day, href, price_check_href};

#[tokio::test]
async fn what_does_not_exist_cannot_be_armed_and_what_does_is_listed() {
    let partner = Partner::new().await;
    for body in [
        json!({ "operation": "reserve", "fault": "meteor", "times": 1 }),
        json!({ "operation": "dance", "fault": "slow", "times": 1 }),
        json!({ "operation": "search", "fault": "callback_late", "times": 1 }),
        json!({ "fault": "slow" }),
    ] {
        let response = partner.steer("/rapid/faults", &body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["faults"].as_object().unwrap().len(), 41);
        assert!(problem["faults"]["slow"].as_array().unwrap().contains(&json!("reserve")));
    }
    let extra = json!({ "operation": "reserve", "fault": "slow", "when": "now" });
    let response = partner.steer("/rapid/faults", &extra).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

/// Every fault that is promised, and the tests here that show what it does.
const PROMISED: [(&str, &str); 41] = [
    ("timeout_before_commit", MADE_OR_NOT),
    ("timeout_after_commit", MADE_OR_NOT),
    ("reset_after_commit", MADE_OR_NOT),
    ("http_500_before", MADE_OR_NOT),
    ("http_500_after", MADE_OR_NOT),
    ("http_503", MADE_OR_NOT),
    ("http_504_after", MADE_OR_NOT),
    ("http_429", MADE_OR_NOT),
    ("accepted_202", MADE_OR_NOT),
    ("malformed_body", MADE_OR_NOT),
    ("truncated_body", MADE_OR_NOT),
    ("html_200", MADE_OR_NOT),
    ("huge_body", "a_huge_body_is_valid_and_larger_than_anyone_should_read"),
    ("wrong_dates", TOLD_OR_MADE),
    ("wrong_guest", TOLD_OR_MADE),
    ("wrong_room", TOLD_OR_MADE),
    ("wrong_price", TOLD_OR_MADE),
    ("wrong_currency", TOLD_OR_MADE),
    ("sold_out", MADE_OR_NOT),
    ("price_changed", "a_changed_price_stays_changed_and_binds"),
    ("new_field", "one_rate_of_a_search_can_have_what_is_not_published"),
    ("lookup_lag", LOOKED),
    ("lookup_empty", LOOKED),
    ("cancel_refused", DEEDS),
    ("amend_refused", "a_room_is_put_in_another_name_or_not_as_the_fault_is_named"),
    ("slow", "a_request_that_sleeps_holds_up_no_other"),
    ("redirect", "who_follows_a_redirect_is_found_out"),
    ("commit_late", "a_late_commit_answers_504_and_is_there_afterwards"),
    ("created_twice", MADE_OR_NOT),
    ("lookup_stale", LOOKED),
    ("wrong_reference", TOLD_OR_MADE),
    ("hold_lapses", DEEDS),
    ("confirm_refused", DEEDS),
    ("duplicate_reference_400", MADE_OR_NOT),
    ("quoting_400", MADE_OR_NOT),
    ("callback_duplicate", PUSHED),
    ("callback_late", "callbacks_come_late_or_overtaken_on_demand"),
    ("callback_reordered", "callbacks_come_late_or_overtaken_on_demand"),
    ("callback_contradicting", PUSHED),
    ("callback_forged", PUSHED),
    ("callback_missing", PUSHED),
];
const MADE_OR_NOT: &str = "a_reservation_is_made_or_not_exactly_as_the_fault_is_named";
const TOLD_OR_MADE: &str = "what_is_made_wrong_exists_wrong_and_what_is_told_wrong_does_not";
const LOOKED: &str = "a_look_up_can_be_empty_behind_or_early";
const DEEDS: &str = "resuming_and_cancelling_happen_or_not_as_the_fault_is_named";
const PUSHED: &str = "callbacks_are_doubled_forged_turned_round_and_lost_on_demand";

#[tokio::test]
async fn every_fault_that_is_promised_can_be_armed_and_has_a_test_and_there_is_no_other() {
    let partner = Partner::new().await;
    let url = format!("{}/rapid/faults", partner.base);
    let listed: Value = partner.http.get(url).send().await.unwrap().json().await.unwrap();
    let listed: BTreeSet<_> = listed["faults"].as_object().unwrap().keys().cloned().collect();
    let promised: BTreeSet<_> = PROMISED.iter().map(|(fault, _)| (*fault).to_owned()).collect();
    assert_eq!(listed, promised);
    let tests = concat!(include_str!("faults.rs"), include_str!("callbacks.rs"));
    for (fault, test) in PROMISED {
        let (_, rest) = tests.split_once(&format!("async fn {test}()")).expect(test);
        let (body, _) = rest.split_once("\n}").unwrap();
        assert!(body.contains(&format!("\"{fault}\"")), "{test} does not arm {fault}");
    }
}

#[tokio::test]
async fn one_rate_of_a_search_can_have_what_is_not_published() {
    let partner = Partner::new().await;
    let new = |rate: &Value| rate.get("loyalty_clawback").is_some();
    let rates = async || {
        let search = Partner::search_href("1100001", day(30), day(33));
        let found: Value = partner.get(&search).await.json().await.unwrap();
        let rooms = found[0]["rooms"].as_array().unwrap();
        let rates = rooms.iter().flat_map(|room| room["rates"].as_array().unwrap());
        rates.cloned().collect::<Vec<Value>>()
    };
    let whole = rates().await;
    partner.arm("search", "new_field", None).await;
    let odd = rates().await;
    assert_eq!((odd.len(), odd.iter().filter(|rate| new(rate)).count()), (whole.len(), 1));
    assert!(!whole.iter().any(new) && !rates().await.iter().any(new));
}

#[tokio::test]
async fn a_room_is_put_in_another_name_or_not_as_the_fault_is_named() {
    let partner = Partner::new().await;
    let made = partner.reserve("named-1", true).await;
    partner.call(Method::PUT, &href(&made["links"], "resume")).send().await.unwrap();
    let room = partner.look_up("named-1").await[0]["rooms"][0].clone();
    let link = href(&room["links"], "change");
    for (fault, name, status, shown) in [
        ("amend_refused", "Bea", 400, "Ada"),
        ("http_500_before", "Bea", 500, "Ada"),
        ("http_500_after", "Bea", 500, "Bea"),
        ("accepted_202", "Cid", 202, "Cid"),
    ] {
        partner.arm("amend", fault, None).await;
        let asked = partner.call(Method::PUT, &link).json(&json!({ "given_name": name }));
        assert_eq!(got(asked).await, Got::Status(status), "{fault}");
        let room = &partner.look_up("named-1").await[0]["rooms"][0];
        assert_eq!(room["given_name"], shown, "{fault}");
    }
}

/// What the caller gets: a status, an unreadable body, or nothing.
#[derive(Debug, PartialEq)]
enum Got {
    Status(u16),
    BadBody(u16),
    Nothing,
}

async fn got(request: reqwest::RequestBuilder) -> Got {
    let Ok(response) = request.timeout(Duration::from_millis(1500)).send().await else {
        return Got::Nothing;
    };
    let status = response.status().as_u16();
    match response.bytes().await {
        Ok(body) if body.is_empty() || serde_json::from_slice::<Value>(&body).is_ok() => {
            Got::Status(status)
        }
        Ok(_) | Err(_) => Got::BadBody(status),
    }
}

#[tokio::test]
async fn a_reservation_is_made_or_not_exactly_as_the_fault_is_named() {
    let partner = Partner::new().await;
    let checked = partner.check("1100001", true).await;
    let none: &[&str] = &[];
    let cases = [
        ("timeout_before_commit", none, Got::Nothing, json!("no_answer")),
        ("timeout_after_commit", &["held"], Got::Nothing, json!("no_answer")),
        ("reset_after_commit", &["held"], Got::Nothing, json!("no_answer")),
        ("http_500_before", none, Got::Status(500), json!(500)),
        ("http_500_after", &["held"], Got::Status(500), json!(500)),
        ("http_503", none, Got::Status(503), json!(503)),
        ("http_504_after", &["held"], Got::BadBody(504), json!(504)),
        ("http_429", none, Got::Status(429), json!(429)),
        ("accepted_202", &["held"], Got::Status(202), json!(202)),
        ("malformed_body", &["held"], Got::BadBody(201), json!(201)),
        ("truncated_body", &["held"], Got::BadBody(201), json!(201)),
        ("html_200", &["held"], Got::BadBody(200), json!(200)),
        ("redirect", none, Got::Status(307), json!(307)),
        ("created_twice", &["held", "held"], Got::Status(201), json!(201)),
        ("wrong_reference", &["held"], Got::Status(201), json!(201)),
        ("duplicate_reference_400", &["held"], Got::Status(400), json!(400)),
        ("quoting_400", none, Got::Status(400), json!(400)),
        ("sold_out", none, Got::Status(410), json!(410)),
        ("hold_lapses", &["cancelled"], Got::Status(201), json!(201)),
    ];
    for (fault, states, answer, status) in cases {
        let client_reference = format!("f-{fault}").chars().take(28).collect::<String>();
        partner.arm("reserve", fault, None).await;
        let request =
            partner.call(Method::POST, &checked.book()).json(&booking(&client_reference, true));
        assert_eq!(got(request).await, answer, "{fault}");
        assert_eq!(partner.states(&client_reference).await, states, "{fault}");
        assert_eq!(partner.last_status("reserve").await, status, "{fault}");
    }
    // Only after all others: this stay is dearer from here on.
    partner.arm("reserve", "price_changed", None).await;
    let request = partner.call(Method::POST, &checked.book()).json(&booking("f-price", true));
    assert_eq!(got(request).await, Got::Status(409));
    assert_eq!(partner.states("f-price").await, none);
}

#[tokio::test]
async fn a_huge_body_is_valid_and_larger_than_anyone_should_read() {
    let partner = Partner::new().await;
    let checked = partner.check("1100001", true).await;
    partner.arm("reserve", "huge_body", None).await;
    let response = partner.post(&checked.book(), &booking("huge-1", true)).await;
    let bytes = response.bytes().await.unwrap();
    assert!(bytes.len() > 32 * 1024 * 1024);
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    assert!(body["itinerary_id"].is_string());
    partner.arm("lookup", "huge_body", None).await;
    let found = partner.look_up("huge-1").await;
    assert_eq!(found.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn every_armable_fault_can_strike_and_the_server_goes_on() {
    let partner = Partner::new().await;
    let listed: Value = partner
        .http
        .get(format!("{}/rapid/faults", partner.base))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut struck = 0;
    for (fault, operations) in listed["faults"].as_object().unwrap() {
        for operation in operations.as_array().unwrap().iter().map(|it| it.as_str().unwrap()) {
            if operation == "callback" || fault == "huge_body" {
                continue;
            }
            struck += 1;
            let client_reference = format!("s-{struck}");
            let search = Partner::search_href("1100101", day(60), day(61));
            if operation == "search" {
                partner.arm(operation, fault, Some(1)).await;
                got(partner.call(Method::GET, &search)).await;
                continue;
            }
            let (_, rate) = partner.find("1100001", true).await;
            if operation == "price_check" {
                partner.arm(operation, fault, Some(1)).await;
                got(partner.call(Method::GET, &price_check_href(&rate))).await;
                continue;
            }
            let checked: Value = partner.get(&price_check_href(&rate)).await.json().await.unwrap();
            if operation == "reserve" {
                partner.arm(operation, fault, Some(1)).await;
            }
            let request = partner
                .call(Method::POST, &href(&checked["links"], "book"))
                .json(&booking(&client_reference, true));
            if operation == "reserve" {
                got(request).await;
                continue;
            }
            let made: Value = request.send().await.unwrap().json().await.unwrap();
            if operation == "amend" {
                partner.call(Method::PUT, &href(&made["links"], "resume")).send().await.unwrap();
                let room = partner.look_up(&client_reference).await[0]["rooms"][0].clone();
                partner.arm(operation, fault, Some(1)).await;
                let named = json!({ "given_name": "Bea" });
                let change = href(&room["links"], "change");
                got(partner.call(Method::PUT, &change).json(&named)).await;
                continue;
            }
            partner.arm(operation, fault, Some(1)).await;
            let (method, link) = match operation {
                "confirm" => (Method::PUT, "resume"),
                "cancel" => (Method::DELETE, "cancel"),
                "lookup" => (Method::GET, "retrieve"),
                other => panic!("{other} is not exercised"),
            };
            got(partner.call(method, &href(&made["links"], link))).await;
        }
    }
    assert!(struck > 100, "{struck}");
    let left: Value = partner
        .http
        .get(format!("{}/rapid/faults", partner.base))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let armed = left["armed"].as_array().unwrap();
    assert!(armed.iter().all(|it| it["times"] == 0), "{armed:?}");
    partner.reserve("after-all", true).await;
}

#[tokio::test]
async fn resuming_and_cancelling_happen_or_not_as_the_fault_is_named() {
    let partner = Partner::new().await;
    let cases = [
        ("confirm", "http_500_before", "held", 500),
        ("confirm", "http_500_after", "confirmed", 500),
        ("confirm", "accepted_202", "confirmed", 202),
        ("confirm", "confirm_refused", "cancelled", 404),
        ("confirm", "hold_lapses", "cancelled", 400),
        ("cancel", "http_500_before", "held", 500),
        ("cancel", "http_500_after", "cancelled", 500),
        ("cancel", "accepted_202", "cancelled", 202),
        ("cancel", "cancel_refused", "held", 400),
    ];
    for (at, (operation, fault, state, status)) in cases.into_iter().enumerate() {
        let client_reference = format!("deed-{at}");
        let made = partner.reserve(&client_reference, true).await;
        partner.arm(operation, fault, None).await;
        let (method, link) = match operation {
            "confirm" => (Method::PUT, "resume"),
            _ => (Method::DELETE, "cancel"),
        };
        let answer = got(partner.call(method, &href(&made["links"], link))).await;
        assert_eq!(answer, Got::Status(status), "{operation} {fault}");
        assert_eq!(partner.states(&client_reference).await, [state], "{operation} {fault}");
    }
}

#[tokio::test]
async fn a_late_commit_answers_504_and_is_there_afterwards() {
    let partner = Partner::new().await;
    let checked = partner.check("1100001", true).await;
    partner.arm("reserve", "commit_late", Some(300)).await;
    let response = partner.post(&checked.book(), &booking("late-1", true)).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(partner.look_up("late-1").await, json!([]));
    partner.until_states("late-1", &["held"]).await;
    let found = partner.look_up("late-1").await;
    partner.arm("confirm", "accepted_202", Some(300)).await;
    let resume =
        partner.call(Method::PUT, &href(&found[0]["links"], "resume")).send().await.unwrap();
    assert_eq!(resume.status(), StatusCode::ACCEPTED);
    assert_eq!(partner.states("late-1").await, ["held"]);
    partner.until_states("late-1", &["confirmed"]).await;
}

#[tokio::test]
async fn what_is_made_wrong_exists_wrong_and_what_is_told_wrong_does_not() {
    let partner = Partner::new().await;
    let room = |found: &Value| found[0]["rooms"][0].clone();
    let price =
        |room: &Value| room["rate"]["pricing"]["totals"]["inclusive"]["billable_currency"].clone();
    let reserve = |fault: &'static str| {
        let partner = &partner;
        async move {
            let checked = partner.check("1100001", true).await;
            partner.arm("reserve", fault, None).await;
            partner.post(&checked.book(), &booking(fault, true)).await;
            partner.look_up(fault).await
        }
    };
    assert_eq!(room(&reserve("wrong_dates").await)["checkin"], day(31).to_string());
    assert_eq!(room(&reserve("wrong_guest").await)["family_name"], "Else");
    assert_eq!(price(&room(&reserve("wrong_currency").await))["currency"], "USD");
    let expected = partner.check("1100001", true).await.total().to_owned();
    assert_ne!(price(&room(&reserve("wrong_price").await))["value"], expected.as_str());

    partner.reserve("told-1", true).await;
    partner.arm("lookup", "wrong_dates", None).await;
    assert_eq!(room(&partner.look_up("told-1").await)["checkin"], day(31).to_string());
    assert_eq!(room(&partner.look_up("told-1").await)["checkin"], day(30).to_string());
    let rate = room(&partner.look_up("told-1").await)["rate"]["id"].clone();
    partner.arm("lookup", "wrong_room", None).await;
    assert_ne!(room(&partner.look_up("told-1").await)["rate"]["id"], rate);
    partner.arm("lookup", "wrong_reference", None).await;
    let told = partner.look_up("told-1").await;
    assert_ne!(told[0]["affiliate_reference_id"], "told-1");
    let truth = partner.truth().await;
    let wrong = truth["reservations"].as_array().unwrap();
    assert_eq!(wrong[0]["check_in"], day(31).to_string());
    assert_eq!(wrong[1]["guests"], json!(["Somebody Else"]));
    assert_eq!(wrong[4]["check_in"], day(30).to_string());
}

#[tokio::test]
async fn a_look_up_can_be_empty_behind_or_early() {
    let partner = Partner::new().await;
    let made = partner.reserve("look-1", true).await;
    partner.arm("lookup", "lookup_empty", None).await;
    assert_eq!(partner.look_up("look-1").await, json!([]));
    partner.arm("lookup", "lookup_lag", None).await;
    assert_eq!(partner.look_up("look-1").await, json!([]));
    assert_eq!(partner.look_up("look-1").await[0]["rooms"][0]["status"], "pending");
    partner.call(Method::PUT, &href(&made["links"], "resume")).send().await.unwrap();
    partner.arm("lookup", "lookup_stale", None).await;
    assert_eq!(partner.look_up("look-1").await[0]["rooms"][0]["status"], "pending");
    assert_eq!(partner.look_up("look-1").await[0]["rooms"][0]["status"], "booked");
}

#[tokio::test]
async fn a_changed_price_stays_changed_and_binds() {
    let partner = Partner::new().await;
    let (_, rate) = partner.find("1100001", true).await;
    let before: Value = partner.get(&price_check_href(&rate)).await.json().await.unwrap();
    partner.arm("price_check", "price_changed", None).await;
    let after: Value = partner.get(&price_check_href(&rate)).await.json().await.unwrap();
    assert_eq!(after["status"], "price_changed");
    assert_ne!(before["occupancy_pricing"], after["occupancy_pricing"]);
    let old = partner.post(&href(&before["links"], "book"), &booking("old-price", true)).await;
    assert_eq!(old.status(), StatusCode::CONFLICT);
    assert_eq!(old.json::<Value>().await.unwrap()["type"], "price_mismatch");
    let new = partner.post(&href(&after["links"], "book"), &booking("new-price", true)).await;
    assert_eq!(new.status(), StatusCode::CREATED);
    let again: Value =
        partner.get(&href(&after["links"], "additional_rates")).await.json().await.unwrap();
    assert_eq!(again[0]["property_id"], "1100001");
    partner.arm("price_check", "sold_out", None).await;
    let sold: Value = partner.get(&price_check_href(&rate)).await.json().await.unwrap();
    assert_eq!(sold["status"], "sold_out");
    partner.arm("search", "sold_out", None).await;
    let search = Partner::search_href("1100001", day(30), day(33));
    let found: Value = partner.get(&search).await.json().await.unwrap();
    assert_eq!(found, json!([]));
}

#[tokio::test]
async fn who_follows_a_redirect_is_found_out() {
    let partner = Partner::new().await;
    partner.arm("search", "redirect", None).await;
    let search = Partner::search_href("1100001", day(30), day(33));
    let response = partner.get(&search).await;
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    partner.http.get(format!("{}{location}", partner.base)).send().await.unwrap();
    assert_eq!(partner.last_status("redirected").await, 200);
}

#[tokio::test]
async fn a_request_that_sleeps_holds_up_no_other() {
    let partner = Partner::new().await;
    let checked = partner.check("1100001", true).await;
    partner.arm("reserve", "slow", Some(60_000)).await;
    let slow = partner.call(Method::POST, &checked.book()).json(&booking("slow-1", true));
    let sleeping = tokio::spawn(slow.send());
    partner.until_states("slow-1", &["held"]).await;
    let began = Instant::now();
    for n in 0..20 {
        let answer = partner.post(&checked.book(), &booking(&format!("quick-{n}"), true)).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
    }
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(!sleeping.is_finished());
    sleeping.abort();
}

#[tokio::test]
async fn disarmed_faults_do_not_strike() {
    let partner = Partner::new().await;
    partner.arm("reserve", "http_503", None).await;
    let url = format!("{}/rapid/faults", partner.base);
    let cleared = partner.http.delete(url).send().await.unwrap();
    assert_eq!(cleared.status(), StatusCode::NO_CONTENT);
    partner.reserve("calm-1", true).await;
}

#[tokio::test]
async fn what_happens_outside_the_api_is_in_the_truth() {
    let partner = Partner::new().await;
    let plant = json!({ "client_reference": "stray-1", "check_in": day(9), "check_out": day(10) });
    assert_eq!(partner.steer("/rapid/plant", &plant).await.status(), StatusCode::CREATED);
    assert_eq!(partner.states("stray-1").await, ["confirmed"]);
    let act = json!({ "client_reference": "stray-1", "act": "cancel" });
    assert_eq!(partner.steer("/rapid/act", &act).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(partner.states("stray-1").await, ["cancelled"]);
}
