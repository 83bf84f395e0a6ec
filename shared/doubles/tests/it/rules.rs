//! Rapid's rules without faults: a stay's life, strictness, units, holds, the truth.

use std::time::Duration;

use chrono::Utc;
use doubles::{Config, RapidConfig};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::partner::{
    EMAIL, KEY, Partner, SECRET, authorization, booking, day, href, price_check_href,
};

/// The nested error types of a 400.
fn kinds(body: &Value) -> Vec<String> {
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors in {body}"));
    errors.iter().map(|error| error["type"].as_str().unwrap().to_owned()).collect()
}

async fn refused(response: reqwest::Response) -> Vec<String> {
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    kinds(&response.json().await.unwrap())
}

#[tokio::test]
async fn a_stay_is_found_checked_held_resumed_seen_and_cancelled() {
    let partner = Partner::new().await;
    let checked = partner.check("1100001", true).await;
    assert_eq!(checked.body["status"], "available");
    let searched =
        &checked.rate["occupancy_pricing"]["2"]["totals"]["inclusive"]["request_currency"];
    assert_eq!(searched["value"], checked.total());
    assert_eq!(searched["currency"], "EUR");

    let response = partner.post(&checked.book(), &booking("life-1", true)).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers()["rate-limit-minute-remaining"], "100");
    let made: Value = response.json().await.unwrap();
    assert!(made["links"]["resume"]["expires"].is_string());
    let held: Value = partner.get(&href(&made["links"], "retrieve")).await.json().await.unwrap();
    assert_eq!(held["rooms"][0]["status"], "pending");
    assert_eq!(held["affiliate_reference_id"], "life-1");

    let resume = href(&held["links"], "resume");
    let resumed = partner.call(Method::PUT, &resume).send().await.unwrap();
    assert_eq!(resumed.status(), StatusCode::NO_CONTENT);
    let again = partner.call(Method::PUT, &resume).send().await.unwrap();
    assert_eq!(refused(again).await, ["link.invalid"]);

    let booked = partner.look_up("life-1").await;
    assert_eq!(booked[0]["itinerary_id"], made["itinerary_id"]);
    let room = &booked[0]["rooms"][0];
    assert_eq!(room["status"], "booked");
    assert_eq!(room["checkin"], day(30).to_string());
    let totals = &room["rate"]["pricing"]["totals"]["inclusive"]["billable_currency"];
    assert_eq!(totals["value"], checked.total());
    assert!(booked[0]["links"].get("resume").is_none());

    let cancel = href(&room["links"], "cancel");
    let cancelled = partner.call(Method::DELETE, &cancel).send().await.unwrap();
    assert_eq!(cancelled.status(), StatusCode::NO_CONTENT);
    let again = partner.call(Method::DELETE, &cancel).send().await.unwrap();
    assert_eq!(again.status(), StatusCode::BAD_REQUEST);
    let again: Value = again.json().await.unwrap();
    assert_eq!(again["type"], "room_already_cancelled");
    let gone = partner.look_up("life-1").await;
    assert_eq!(gone[0]["rooms"][0]["status"], "canceled");
    assert!(gone[0]["rooms"][0]["rate"]["cancel_refund"]["amount"].is_string());
}

#[tokio::test]
async fn a_booked_room_is_put_in_another_name_and_nothing_else_of_it_changes() {
    let partner = Partner::new().await;
    let held = partner.reserve("other-1", true).await;
    assert!(partner.look_up("other-1").await[0]["rooms"][0]["links"].get("change").is_none());
    partner.call(Method::PUT, &href(&held["links"], "resume")).send().await.unwrap();
    let before = partner.look_up("other-1").await;
    let link = href(&before[0]["rooms"][0]["links"], "change");
    let change =
        async |body: Value| partner.call(Method::PUT, &link).json(&body).send().await.unwrap();
    for (body, kind) in [
        (json!({"given_name": ""}), "given_name.invalid"),
        (json!({"family_name": "x".repeat(61)}), "family_name.invalid"),
        (json!({"checkin": "2027-01-01"}), "body.invalid"),
    ] {
        assert_eq!(refused(change(body).await).await, [kind]);
    }
    let wrong = link.replace("token=", "token=x");
    let wrong = partner.call(Method::PUT, &wrong).json(&json!({})).send().await.unwrap();
    assert_eq!(refused(wrong).await, ["link.invalid"]);
    assert_eq!(partner.look_up("other-1").await, before);

    for _twice in 0..2 {
        let done = change(json!({"given_name": "Bea"})).await;
        assert_eq!(done.status(), StatusCode::NO_CONTENT);
    }
    let after = partner.look_up("other-1").await;
    let mut expected = before.clone();
    expected[0]["rooms"][0]["given_name"] = json!("Bea");
    assert_eq!(after, expected);

    let cancel = href(&after[0]["rooms"][0]["links"], "cancel");
    partner.call(Method::DELETE, &cancel).send().await.unwrap();
    assert_eq!(refused(change(json!({"given_name": "Cid"})).await).await, ["link.invalid"]);
}

#[tokio::test]
async fn the_truth_lists_what_exists_and_what_was_asked() {
    let partner = Partner::new().await;
    let made = partner.reserve("truth-1", true).await;
    partner.call(Method::DELETE, &href(&made["links"], "cancel")).send().await.unwrap();
    let truth = partner.truth().await;
    let reservation = &truth["reservations"][0];
    let keys: Vec<&String> = reservation.as_object().unwrap().keys().collect();
    let mut wanted = [
        "reference",
        "client_reference",
        "state",
        "check_in",
        "check_out",
        "guests",
        "price",
        "created_at",
        "cancelled_at",
    ];
    wanted.sort_unstable();
    assert_eq!(keys, wanted);
    assert_eq!(reservation["reference"], made["itinerary_id"]);
    assert_eq!(reservation["client_reference"], "truth-1");
    assert_eq!(reservation["state"], "cancelled");
    assert_eq!(reservation["check_in"], day(30).to_string());
    assert_eq!(reservation["guests"], json!(["Ada Quill"]));
    assert_eq!(reservation["price"]["currency"], "EUR");
    assert!(reservation["cancelled_at"].is_string());
    let seen: Vec<Value> = truth["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            assert!(it["at"].is_string());
            json!([it["operation"], it["client_reference"], it["reference"], it["status"]])
        })
        .collect();
    let reference = &made["itinerary_id"];
    assert_eq!(
        seen,
        [
            json!(["search", null, null, 200]),
            json!(["price_check", null, null, 200]),
            json!(["reserve", "truth-1", reference, 201]),
            json!(["cancel", "truth-1", reference, 204]),
        ]
    );
}

#[tokio::test]
async fn a_client_reference_is_taken_once() {
    let partner = Partner::new().await;
    partner.reserve("twice-1", true).await;
    let checked = partner.check("1100001", true).await;
    let second = partner.post(&checked.book(), &booking("twice-1", true)).await;
    assert_eq!(refused(second).await, ["duplicate_itinerary"]);
    assert_eq!(partner.states("twice-1").await, ["held"]);
}

#[tokio::test]
async fn two_hundred_holds_of_the_last_unit_make_one() {
    let partner = Partner::new().await;
    let checked = partner.check("1100002", true).await;
    let units = json!({ "property_id": "1100002", "room_id": checked.room, "units": 1 });
    assert_eq!(partner.steer("/rapid/inventory", &units).await.status(), StatusCode::NO_CONTENT);
    let book = checked.book();
    let attempts = (0..200).map(|n| {
        let (partner, book) = (&partner, &book);
        async move { partner.post(book, &booking(&format!("last-{n}"), true)).await }
    });
    let answers = futures::future::join_all(attempts).await;
    let made = answers.iter().filter(|it| it.status() == StatusCode::CREATED).count();
    let sold_out = answers.iter().filter(|it| it.status() == StatusCode::GONE).count();
    assert_eq!((made, sold_out), (1, 199));
    assert_eq!(partner.truth().await["reservations"].as_array().unwrap().len(), 1);
    let again: Value = partner.get(&price_check_href(&checked.rate)).await.json().await.unwrap();
    assert_eq!(again["status"], "sold_out");
    let search = Partner::search_href("1100002", day(30), day(33));
    let found: Value = partner.get(&search).await.json().await.unwrap();
    let rooms = found[0]["rooms"].as_array().unwrap();
    assert!(rooms.iter().all(|room| room["id"] != checked.room.as_str()), "{rooms:?}");
}

#[tokio::test]
async fn a_cancelled_hold_gives_its_unit_back() {
    let partner = Partner::new().await;
    let checked = partner.check("1100001", true).await;
    let units = json!({ "property_id": "1100001", "units": 1 });
    partner.steer("/rapid/inventory", &units).await;
    let made: Value =
        partner.post(&checked.book(), &booking("unit-1", true)).await.json().await.unwrap();
    let second = partner.post(&checked.book(), &booking("unit-2", true)).await;
    assert_eq!(second.status(), StatusCode::GONE);
    assert_eq!(second.json::<Value>().await.unwrap()["type"], "rooms_unavailable");
    partner.call(Method::DELETE, &href(&made["links"], "cancel")).send().await.unwrap();
    let third = partner.post(&checked.book(), &booking("unit-3", true)).await;
    assert_eq!(third.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_hold_that_is_not_resumed_is_rolled_back() {
    let hold_for = Duration::from_millis(150);
    let rapid = RapidConfig { hold_for, ..RapidConfig::default() };
    let partner = Partner::with(Config { rapid, ..Config::default() }).await;
    let checked = partner.check("1100001", true).await;
    partner.steer("/rapid/inventory", &json!({ "property_id": "1100001", "units": 1 })).await;
    let made: Value =
        partner.post(&checked.book(), &booking("lapse-1", true)).await.json().await.unwrap();
    partner.until_states("lapse-1", &["cancelled"]).await;
    let resume = partner.call(Method::PUT, &href(&made["links"], "resume")).send().await.unwrap();
    assert_eq!(refused(resume).await, ["link.expired"]);
    let next = partner.post(&checked.book(), &booking("lapse-2", true)).await;
    assert_eq!(next.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn a_rate_that_cannot_be_held_is_booked_at_once_or_not() {
    let partner = Partner::new().await;
    let checked = partner.check("1100001", false).await;
    let held = partner.post(&checked.book(), &booking("now-1", true)).await;
    assert_eq!(refused(held).await, ["hold.not_supported"]);
    let booked = partner.post(&checked.book(), &booking("now-1", false)).await;
    assert_eq!(booked.status(), StatusCode::CREATED);
    let booked: Value = booked.json().await.unwrap();
    assert!(booked["links"].get("resume").is_none());
    assert_eq!(partner.states("now-1").await, ["confirmed"]);
}

#[tokio::test]
async fn only_a_fresh_signature_of_key_and_secret_is_let_in() {
    let partner = Partner::new().await;
    let now = Utc::now().timestamp();
    let url = format!("{}/rapid/v3/properties/content?language=en-US", partner.base);
    let good = authorization(KEY, SECRET, now);
    let cases = [
        (Some(good.clone()), 200),
        (Some(authorization(KEY, SECRET, now - 295)), 200),
        (Some(authorization(KEY, SECRET, now - 310)), 401),
        (Some(authorization(KEY, SECRET, now + 310)), 401),
        (Some(authorization(KEY, "wrong", now)), 401),
        (Some(authorization("wrong", SECRET, now)), 401),
        (Some(good.replace("EAN ", "Bearer ")), 401),
        (Some(good.replace(&format!("timestamp={now}"), &format!("timestamp={}", now - 1))), 401),
        (Some(good.replace(",timestamp", ",time")), 401),
        (None, 401),
    ];
    for (header, status) in cases {
        let mut request = partner.http.get(&url);
        if let Some(header) = &header {
            request = request.header("Authorization", header);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{header:?}");
        if status == 401 {
            assert!(response.headers().contains_key("www-authenticate"));
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["type"], "request_unauthenticated");
            assert_eq!(body["fields"][3]["name"], "servertimestamp");
        }
    }
}

#[tokio::test]
async fn a_bad_booking_hears_everything_that_is_wrong_at_once() {
    let partner = Partner::new().await;
    let book = partner.check("1100001", true).await.book();
    let mut body = booking("a<b", true);
    body["email"] = json!("nobody");
    body["phone"] = json!({ "number": "12345678901234567890123456" });
    body["rooms"] = json!([{ "given_name": "A".repeat(61) }]);
    body["payments"] = json!([{
        "type": "cash",
        "billing_contact": { "given_name": "A", "family_name": "B", "address": { "country_code": "ABCD" } },
    }]);
    assert_eq!(
        refused(partner.post(&book, &body).await).await,
        [
            "affiliate_reference_id.invalid_characters",
            "email.invalid",
            "phone.country_code.required",
            "phone.invalid_length",
            "rooms[0].given_name.invalid_length",
            "rooms[0].family_name.required",
            "payments.type.invalid",
            "address.country_code.invalid",
        ]
    );
    assert_eq!(
        refused(partner.post(&book, &json!({})).await).await,
        ["email.required", "phone.required", "rooms.required", "payments.required"]
    );
    for (reference, good) in
        [("ab", false), ("abc", true), (&"x".repeat(28), true), (&"x".repeat(29), false)]
    {
        let response = partner.post(&book, &booking(reference, true)).await;
        assert_eq!(response.status() == StatusCode::CREATED, good, "{reference}");
    }
    let unaddressed = partner
        .http
        .post(format!("{}/rapid{book}", partner.base))
        .header("Authorization", authorization(KEY, SECRET, Utc::now().timestamp()))
        .json(&booking("no-address", true));
    assert_eq!(refused(unaddressed.send().await.unwrap()).await, ["customer_ip.required"]);
    assert_eq!(partner.truth().await["reservations"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_bad_search_hears_everything_that_is_wrong_at_once() {
    let partner = Partner::new().await;
    let nothing = partner.get("/v3/properties/availability").await;
    assert_eq!(refused(nothing).await.len(), 10);
    let search = Partner::search_href("1100001", day(30), day(33));
    for (from, to, kind) in [
        (format!("checkin={}", day(30)), "checkin=2026-1-1", "checkin.invalid_date_format"),
        (format!("checkin={}", day(30)), "checkin=2020-01-01", "checkin.invalid_date_in_the_past"),
        ("currency=EUR".to_owned(), "currency=XXX", "currency.not_supported"),
        ("occupancy=2".to_owned(), "occupancy=0", "occupancy.invalid"),
        ("rate_plan_count=250".to_owned(), "rate_plan_count=0", "rate_plan_count.invalid"),
        ("include=rooms.rates.holdable".to_owned(), "include=free_money", "include.not_supported"),
    ] {
        let kinds = refused(partner.get(&search.replace(&from, to)).await).await;
        assert!(kinds.contains(&kind.to_owned()), "{to}: {kinds:?}");
    }
    let unknown: Value = partner.get(&search.replace("1100001", "42")).await.json().await.unwrap();
    assert_eq!(unknown, json!([]));
}

#[tokio::test]
async fn a_link_is_bound_to_its_rate_and_its_time() {
    let rapid = RapidConfig { book_link_for: Duration::ZERO, ..RapidConfig::default() };
    let partner = Partner::with(Config { rapid, ..Config::default() }).await;
    let checked = partner.check("1100001", true).await;
    let late = partner.post(&checked.book(), &booking("late-1", true)).await;
    assert_eq!(refused(late).await, ["link.expired"]);
    let other_kind = price_check_href(&checked.rate).split_once('?').unwrap().1.to_owned();
    let forged =
        partner.post(&format!("/v3/itineraries?{other_kind}"), &booking("late-2", true)).await;
    assert_eq!(refused(forged).await, ["link.invalid"]);
    let elsewhere = price_check_href(&checked.rate).replace(&checked.property, "1100002");
    assert_eq!(refused(partner.get(&elsewhere).await).await, ["link.invalid"]);
    assert_eq!(partner.truth().await["reservations"], json!([]));
}

#[tokio::test]
async fn an_itinerary_is_shown_to_its_token_or_its_email_only() {
    let partner = Partner::new().await;
    let made = partner.reserve("mine-1", true).await;
    let id = made["itinerary_id"].as_str().unwrap();
    for (query, status) in [
        (format!("email={EMAIL}"), 200),
        ("email=other@example.com".to_owned(), 404),
        ("token=AAAA".to_owned(), 400),
        (String::new(), 400),
    ] {
        let response = partner.get(&format!("/v3/itineraries/{id}?{query}")).await;
        assert_eq!(response.status().as_u16(), status, "{query}");
    }
    let href = "/v3/itineraries?affiliate_reference_id=mine-1&email=other@example.com";
    let found: Value = partner.get(href).await.json().await.unwrap();
    assert_eq!(found, json!([]));
}

#[tokio::test]
async fn prices_are_the_same_again_in_any_run_and_follow_the_currency() {
    let (first, second) = (Partner::new().await, Partner::new().await);
    let one = first.check("1100301", true).await;
    assert_eq!(one.total(), second.check("1100301", true).await.total());
    let search = Partner::search_href("1100301", day(30), day(33)).replace("=EUR", "=JPY");
    let found: Value = first.get(&search).await.json().await.unwrap();
    let rate = &found[0]["rooms"][0]["rates"][0];
    let totals = &rate["occupancy_pricing"]["2"]["totals"];
    assert!(!totals["inclusive"]["billable_currency"]["value"].as_str().unwrap().contains('.'));
    assert!(totals["property_fees"].is_object(), "Paris collects a city tax: {totals}");
}

#[tokio::test]
async fn a_new_itinerary_is_first_missing_then_bare_then_whole() {
    let rapid =
        RapidConfig { visibility_lag: Duration::from_millis(600), ..RapidConfig::default() };
    let partner = Partner::with(Config { rapid, ..Config::default() }).await;
    let made = partner.reserve("new-1", true).await;
    let retrieve = href(&made["links"], "retrieve");
    assert_eq!(partner.look_up("new-1").await, json!([]));
    assert_eq!(partner.get(&retrieve).await.status(), StatusCode::NOT_FOUND);
    let mut shapes = Vec::new();
    for _ in 0..400 {
        let found = partner.look_up("new-1").await;
        let fields = found.get(0).map_or(0, |it| it.as_object().unwrap().len());
        if shapes.last() != Some(&fields) {
            shapes.push(fields);
        }
        if fields > 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((shapes[0], shapes[1], shapes.len()), (0, 2, 3), "{shapes:?}");
}

#[tokio::test]
async fn a_used_up_minute_answers_429() {
    let rapid = RapidConfig { capacity_per_minute: Some(20), ..RapidConfig::default() };
    let partner = Partner::with(Config { rapid, ..Config::default() }).await;
    let search = Partner::search_href("1100001", day(30), day(33));
    let mut statuses = Vec::new();
    // At most two minutes are touched, each with room for six searches of three nights.
    for _ in 0..13 {
        statuses.push(partner.get(&search).await.status());
    }
    assert!(statuses.contains(&StatusCode::OK));
    assert!(statuses.contains(&StatusCode::TOO_MANY_REQUESTS));
}
