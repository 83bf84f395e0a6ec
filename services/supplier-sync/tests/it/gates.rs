//! What may be asked of a supplier, and when it is left alone: budgets, limits, breakers.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use chrono::{Days, Timelike as _, Utc};
use contracts::{
    messages::{GoneWhy, LegState, RefusedWhy, WantedLeg},
    offer::Search,
    supplier::Supplier,
};
use serde_json::{Value, json};
use supplier_sync::App;
use uuid::Uuid;

use crate::world::{FAMILY_NAME, Leg, World};

/// Asks for another stay each time, so that nothing is in the cache.
async fn search_anew(world: &World, app: &App, n: u64) {
    let Search::Stay(mut stay) = World::search() else { panic!("a stay") };
    stay.check_in = stay.check_in + Days::new(n + 1);
    stay.check_out = stay.check_out + Days::new(n + 1);
    let token = world.token("internal");
    let (status, body) = world.post(app, "/internal/search", &token, &Search::Stay(stay)).await;
    assert_eq!(status, StatusCode::OK, "{body}");
}

async fn standing(world: &World, app: &App) -> Value {
    let (status, body) = world.get(app, "/internal/suppliers", &world.token("internal")).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    body["suppliers"][0].clone()
}

async fn exchanges(world: &World, outcome: &str) -> i64 {
    sqlx::query_scalar("select count(*) from exchange where outcome = $1")
        .bind(outcome)
        .fetch_one(&mut world.admin().await)
        .await
        .unwrap()
}

/// Row: B8
#[tokio::test]
async fn searches_of_two_instances_leave_a_booking_its_share() {
    let mut world = World::new().await;
    // Ten may go out at once, searches leave four of them.
    world.policy.supplier.rapid.calls_per_minute_max = 40;
    let app = world.start().await;
    let other = world.start().await;
    let leg = world.leg(&app).await;
    let began = Instant::now();
    for n in 0..15 {
        search_anew(&world, if n % 2 == 0 { &app } else { &other }, n).await;
    }
    let searched = world.asked("search").await;
    // Thirty a minute come back meanwhile.
    let back = usize::try_from(began.elapsed().as_secs() / 2).unwrap();
    assert!((4..=7 + back).contains(&searched), "{searched} searches");
    assert!(standing(&world, &app).await["calls_free"].as_u64().unwrap() >= 3);
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    assert_eq!(exchanges(&world, "put_off").await, 0);
}

/// Row: B8
#[tokio::test]
async fn a_call_that_is_turned_away_is_sent_again_when_the_supplier_said_and_not_before() {
    for (supplier, fault) in [(Supplier::Rapid, "http_429"), (Supplier::Hotelbeds, "quota_403")] {
        let mut world = World::at(supplier).await;
        let app = world.start().await;
        let leg = world.leg(&app).await;
        // Rapid says until the end of the minute, which must not come while we look.
        testkit::until("a minute that has some time left", || async {
            (Utc::now().second() < 52).then_some(())
        })
        .await;
        world.fault("reserve", fault, 1, 0).await;
        world.want(&leg, 1, WantedLeg::Held).await;
        testkit::until("the call to be put off", || async {
            (exchanges(&world, "put_off").await == 1).then_some(())
        })
        .await;
        // It went out, and its answer is why it waits: nobody tried it again in between.
        assert_eq!((exchanges(&world, "not_sent").await, world.asked("reserve").await), (0, 1));
        // Nothing is due, and nothing sleeps: a search is not let through either.
        world.settle_nothing(&app).await;
        let before = world.asked("search").await;
        world.redis_forgets_answers().await;
        world.offers(&app).await;
        assert_eq!(world.asked("search").await, before, "{supplier}");
        // The time that was told passes: for the gate, whose clock is not moved here, and for us.
        world.redis_forgets().await;
        world.wait(61).await;
        world.settle(&app).await;
        world.told_held().await;
        assert_eq!(world.asked("reserve").await, 2);
    }
}

/// Row: B8
#[tokio::test]
async fn without_redis_a_booking_goes_on() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.redis_rests(Duration::from_secs(2)).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
}

/// Row: B9
#[tokio::test]
async fn an_open_breaker_refuses_what_is_new_lets_the_rest_through_and_is_closed_by_hand() {
    let mut world = World::new().await;
    world.policy.supplier.rapid.breaker_calls_min = 12;
    let app = world.start().await;
    let other = world.start().await;
    let offer = world.offers(&app).await.offers.swap_remove(0);
    let held = world.leg(&app).await;
    let refused = world.leg(&app).await;
    world.want(&held, 1, WantedLeg::Held).await;
    world.told_held().await;
    assert_eq!(standing(&world, &app).await["breaker"]["state"], json!("closed"));
    world.fault("price_check", "http_503", 30, 0).await;
    for n in 0..30 {
        world.price_check(if n % 2 == 0 { &app } else { &other }, &offer).await;
    }
    let asked = world.asked("price_check").await;
    assert!(asked < 20, "{asked} of thirty went out");
    let open = standing(&world, &other).await;
    assert_eq!(open["breaker"]["state"], json!("open"), "{open}");
    assert_eq!(open["shared"], json!(true));
    assert!(open["breaker"]["failed"].as_u64().unwrap() >= 6);
    // What is new is refused at once, and told so.
    let (status, body) = world.price_check(&other, &offer).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("supplier_unavailable")),
        "{body}"
    );
    world.want(&refused, 1, WantedLeg::Held).await;
    assert_eq!(world.told().await.state, LegState::Refused { why: RefusedWhy::Unavailable });
    assert_eq!(world.asked("reserve").await, 1);
    // What was begun is looked up and given back.
    let lookups = world.asked("lookup").await;
    let path = format!("/internal/legs/{}/look-up", held.leg_id);
    let asks = json!({"staff": "ada"});
    let (status, _) = world.post(&app, &path, &world.token("internal"), &asks).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    world.settle(&app).await;
    assert_eq!(world.asked("lookup").await, lookups + 1);
    world.want(&held, 2, WantedLeg::Released).await;
    assert_eq!(world.told().await.state, LegState::Gone { why: GoneWhy::Released });
    assert_eq!(world.cancels().await.len(), 1);
    // By hand, with a name and a reason.
    let reset = "/internal/suppliers/rapid/reset";
    let token = world.token("internal");
    let nameless = json!({"staff": "", "why": "they called"});
    let (status, _) = world.post(&app, reset, &token, &nameless).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let named = json!({"staff": "ada", "why": "they called: it is mended"});
    let (status, closed) = world.post(&app, reset, &token, &named).await;
    assert_eq!(status, StatusCode::OK, "{closed}");
    assert_eq!(closed["breaker"]["state"], json!("closed"));
    assert_eq!(closed["breaker"]["reset"]["staff"], json!("ada"));
    world.control("DELETE", "/rapid/faults", None).await;
    assert_eq!(world.price_check(&other, &offer).await.0, StatusCode::OK);
    assert_eq!(world.asked("price_check").await, asked + 1);
}

/// Row: B9
#[tokio::test]
async fn a_supplier_whose_search_is_ill_is_searched_no_more_and_booked_at_all_the_same() {
    let mut world = World::new().await;
    world.policy.supplier.rapid.breaker_calls_min = 12;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("search", "http_503", 30, 0).await;
    for n in 0..30 {
        search_anew(&world, &app, n).await;
    }
    let asked = world.asked("search").await;
    assert!(asked < 25, "{asked} of thirty went out");
    let stands = standing(&world, &app).await;
    assert_eq!(stands["search_breaker"]["state"], json!("open"), "{stands}");
    assert_eq!(stands["breaker"]["state"], json!("closed"), "{stands}");
    let told = async || {
        let (_, body) = world.get(&app, "/internal/attention", &world.token("internal")).await;
        body["items"].clone()
    };
    let [item] = told().await.as_array().unwrap().clone().try_into().unwrap();
    assert!(item["what"].as_str().unwrap().starts_with("rapid's searches"), "{item}");
    assert!(item["what"].as_str().unwrap().contains("out of sale"), "{item}");
    assert!(item["since"].is_string() && item["by"].is_string(), "{item}");
    world.want(&leg, 1, WantedLeg::Held).await;
    world.told_held().await;
    let closed = json!({ "staff": "ada", "why": "they say it is mended" });
    let path = "/internal/suppliers/rapid/reset";
    let (status, body) = world.post(&app, path, &world.token("internal"), &closed).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(told().await, json!([]));
}

/// Row: B9
#[tokio::test]
async fn while_one_supplier_hangs_anothers_bookings_are_made_and_a_cancel_is_sent_to_it() {
    let mut world = World::new().await;
    world.beside = Some(Supplier::Etg);
    world.policy.supplier.rapid.calls_at_once_max = 4;
    world.policy.supplier.rapid.answer_within_max = Duration::from_secs(80);
    let app = world.start().await;
    let held = leg_at(&world, &app, Supplier::Rapid).await;
    world.want(&held, 1, WantedLeg::Held).await;
    world.told_held().await;
    world.fault("reserve", "timeout_before_commit", 20, 60_000).await;
    for _ in 0..12 {
        let hanging = leg_at(&world, &app, Supplier::Rapid).await;
        world.want(&hanging, 1, WantedLeg::Held).await;
    }
    testkit::until("the supplier to hang", || async {
        (world.asked("reserve").await >= 4).then_some(())
    })
    .await;
    let began = Instant::now();
    for _ in 0..3 {
        let beside = leg_at(&world, &app, Supplier::Etg).await;
        world.want(&beside, 1, WantedLeg::Held).await;
        let told = world.told().await;
        assert_eq!(told.leg_id, beside.leg_id);
        assert!(matches!(told.state, LegState::Confirmed { .. }), "{told:?}");
    }
    world.want(&held, 2, WantedLeg::Released).await;
    let told = world.told().await;
    assert_eq!((told.leg_id, told.state), (held.leg_id, LegState::Gone { why: GoneWhy::Released }));
    assert_eq!(world.cancels().await.len(), 1);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

/// Row: B10
#[tokio::test]
async fn an_answer_that_is_not_as_documented_is_a_case_with_a_masked_sample() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.fault("search", "malformed_body", 2, 0).await;
    search_anew(&world, &app, 1).await;
    search_anew(&world, &app, 2).await;
    world.fault("reserve", "malformed_body", 1, 0).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::InDoubt { .. }));
    let (status, body) = world.get(&app, "/internal/cases", &world.token("internal")).await;
    assert_eq!(status, StatusCode::OK);
    let cases = body["cases"].as_array().unwrap();
    let of = |operation: &str| {
        let starts = |case: &&Value| case["subject"].as_str().unwrap().starts_with(operation);
        cases.iter().find(starts).unwrap_or_else(|| panic!("no case of {operation}: {body}"))
    };
    assert_eq!(of("search")["kind"], json!("contract"));
    assert!(of("search")["leg_id"].is_null());
    assert_eq!(of("reserve")["leg_id"], json!(leg.leg_id));
    assert!(!of("reserve")["theirs"].is_null());
    let text = body.to_string();
    assert!(!text.contains(FAMILY_NAME) && !text.contains(&leg.client_reference(1)), "{text}");
}

/// Row: B7
#[tokio::test]
async fn what_a_supplier_cancelled_or_made_behind_our_back_is_a_case_after_one_sweep() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let reference = world.told_held().await;
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
    let act = json!({"reference": reference, "act": "cancel"});
    world.control("POST", "/rapid/act", Some(act)).await;
    let given_up = world.leg(&app).await;
    world.fault("reserve", "sold_out", 1, 0).await;
    world.want(&given_up, 1, WantedLeg::Held).await;
    assert!(matches!(world.told().await.state, LegState::Refused { .. }));
    world.want(&given_up, 2, WantedLeg::Released).await;
    assert!(matches!(world.told().await.state, LegState::Gone { .. }));
    let planted = world.plant(&given_up, 1, "confirmed").await;
    world.wait(400).await;
    world.settle(&app).await;
    let (_, body) = world.get(&app, "/internal/cases", &world.token("internal")).await;
    let cases = body["cases"].as_array().unwrap();
    let found = |kind: &str, subject: &str| {
        let mut all = cases.iter();
        let fits = |case: &&Value| case["kind"] == kind && case["subject"] == subject;
        all.find(fits).unwrap_or_else(|| panic!("no {kind} of {subject}: {body}"))
    };
    let status = found("status", &reference);
    assert_eq!(
        (&status["ours"], &status["theirs"]),
        (&json!({"status": "confirmed"}), &json!({"status": "gone"}))
    );
    assert_eq!(status["leg_id"], json!(leg.leg_id));
    let orphan = found("orphan", &planted);
    assert_eq!(orphan["theirs"]["status"], json!("confirmed"));
    assert_eq!(orphan["booking_id"], json!(given_up.booking_id));
    // The rules allow it: it was never wanted.
    assert_eq!(world.cancels().await, [planted]);
}

async fn leg_at(world: &World, app: &App, supplier: Supplier) -> Leg {
    world.leg_of(app, |offer| offer.supplier == supplier).await
}

/// What is open now, by what it is about.
async fn open_case(world: &World, app: &App, subject: &str) -> Option<Value> {
    let (_, body) = world.get(app, "/internal/cases", &world.token("internal")).await;
    let cases = body["cases"].as_array().unwrap();
    let of = |case: &&Value| case["subject"].as_str().unwrap().starts_with(subject);
    cases.iter().find(of).cloned()
}

async fn close(world: &World, app: &App, case: &Value, staff: &str, why: &str) -> Value {
    let path = format!("/internal/cases/{}/close", case["case_id"].as_str().unwrap());
    let body = json!({ "staff": staff, "why": why });
    let (status, case) = world.post(app, &path, &world.token("internal"), &body).await;
    assert_eq!(status, StatusCode::OK, "{case}");
    case
}

/// Row: B10
#[tokio::test]
async fn a_broken_contract_is_closed_once_and_opens_again_when_it_is_broken_again() {
    let mut world = World::new().await;
    let app = world.start().await;
    world.fault("search", "malformed_body", 1, 0).await;
    search_anew(&world, &app, 1).await;
    let case = open_case(&world, &app, "search").await.unwrap();
    let path = format!("/internal/cases/{}", case["case_id"].as_str().unwrap());
    let token = world.token("internal");
    for bad in [json!({ "staff": "ada", "why": " " }), json!({ "staff": "", "why": "seen" })] {
        let (status, _) = world.post(&app, &format!("{path}/close"), &token, &bad).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}");
    }
    let closed = close(&world, &app, &case, "ada", "told their support").await;
    assert_eq!(closed["closed"]["staff"], json!("ada"));
    // Told again, by whomever, it stays as it was.
    assert_eq!(close(&world, &app, &case, "bo", "me too").await, closed);
    assert_eq!(open_case(&world, &app, "search").await, None);
    assert_eq!(world.get(&app, &path, &token).await, (StatusCode::OK, closed));
    // An instance tells of the same fault now and then only; another one tells of it at once.
    let other = world.start().await;
    world.fault("search", "malformed_body", 1, 0).await;
    search_anew(&world, &other, 2).await;
    let again = open_case(&world, &app, "search").await.unwrap();
    assert_eq!((&again["case_id"], &again["times"]), (&case["case_id"], &json!(2)));
    assert!(again["closed"].is_null(), "{again}");
    let kept: Vec<String> = sqlx::query_scalar("select why from supplier_case_closing")
        .fetch_all(&mut world.admin().await)
        .await
        .unwrap();
    assert_eq!(kept, ["told their support"]);
    let nobodys = format!("/internal/cases/{}/close", Uuid::nil());
    let body = json!({ "staff": "ada", "why": "seen" });
    assert_eq!(world.post(&app, &nobodys, &token, &body).await.0, StatusCode::NOT_FOUND);
}

/// Looks the leg up, again and again as time passes, until its case was seen once more.
async fn seen_once_more(world: &mut World, app: &App, leg: &Leg, times: u64) -> Value {
    for _ in 0..10 {
        world.wait(200).await;
        look(world, app, leg).await;
        let (_, body) = world.get(app, "/internal/cases", &world.token("internal")).await;
        let open = body["cases"].as_array().unwrap().iter().find(|case| case["kind"] == "missing");
        let id: Option<Uuid> = match open {
            Some(case) => Some(case["case_id"].as_str().unwrap().parse().unwrap()),
            None => sqlx::query_scalar("select case_id from supplier_case where kind = 'missing'")
                .fetch_optional(&mut world.admin().await)
                .await
                .unwrap(),
        };
        let Some(id) = id else { continue };
        let path = format!("/internal/cases/{id}");
        let (_, case) = world.get(app, &path, &world.token("internal")).await;
        if case["times"].as_u64().unwrap() > times {
            return case;
        }
    }
    panic!("the case was not seen once more");
}

async fn look(world: &World, app: &App, leg: &Leg) {
    let path = format!("/internal/legs/{}/look-up", leg.leg_id);
    let body = json!({ "staff": "ada" });
    let (status, told) = world.post(app, &path, &world.token("internal"), &body).await;
    assert!(status.is_success(), "{told}");
    world.settle(app).await;
}

/// Row: B7
#[tokio::test]
async fn a_difference_stays_closed_while_it_is_the_same_one_and_opens_again_when_it_is_another() {
    let mut world = World::new().await;
    let app = world.start().await;
    let leg = world.leg(&app).await;
    world.want(&leg, 1, WantedLeg::Held).await;
    let reference = world.told_held().await;
    world.want(&leg, 2, WantedLeg::Confirmed).await;
    assert!(matches!(world.told().await.state, LegState::Confirmed { .. }));
    // What is bought does not show any more.
    world.fault("lookup", "lookup_lag", 1_000, 1_000_000_000).await;
    let case = seen_once_more(&mut world, &app, &leg, 0).await;
    assert_eq!((&case["subject"], &case["closed"]), (&json!(reference), &Value::Null));
    let closed = close(&world, &app, &case, "ada", "their partner support restores it").await;
    let times = closed["times"].as_u64().unwrap();
    let same = seen_once_more(&mut world, &app, &leg, times).await;
    assert_eq!(same["closed"], closed["closed"], "{same}");
    assert_eq!(open_case(&world, &app, &reference).await, None);
    // It shows, and is gone once more: that is another thing.
    world.control("DELETE", "/rapid/faults", None).await;
    look(&world, &app, &leg).await;
    world.fault("lookup", "lookup_lag", 1_000, 1_000_000_000).await;
    let times = same["times"].as_u64().unwrap();
    let other = seen_once_more(&mut world, &app, &leg, times).await;
    assert_eq!(other["case_id"], case["case_id"]);
    assert!(other["closed"].is_null(), "{other}");
    assert!(open_case(&world, &app, &reference).await.is_some());
}
