//! Whoever acts has the role for it and a reason, and the audit has the act, allowed or not.

use std::time::Duration;

use axum::http::StatusCode;
use chrono::TimeDelta;
use serde_json::{Value, json};
use sqlx::Connection as _;

use crate::{
    browser::Browser,
    console::{APPROVER, Console, OPERATOR, VIEWER, id, unreadable},
    owner::Owner,
};

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_can_look_and_do_nothing_and_every_try_is_recorded() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, id) = console.refused(&neighbour).await;
    let path = |what: &str| format!("/v1/dead-letters/{}/{what}", id.as_str().unwrap());
    let because = json!({ "reason": "because" });
    for what in ["replay", "discard", "restore", "unmask"] {
        for (roles, expected) in [
            (None, StatusCode::UNAUTHORIZED),
            (Some(vec![]), StatusCode::FORBIDDEN),
            (Some(vec!["guest"]), StatusCode::FORBIDDEN),
            (Some(vec!["support_viewer"]), StatusCode::FORBIDDEN),
        ] {
            let (status, _) = console.post(&path(what), roles.as_deref(), &because).await;
            assert_eq!(status, expected, "{what} as {roles:?}");
        }
    }
    assert_eq!(console.letter(&id).await["state"], "parked");
    let denied = console.audit(&id).await;
    assert_eq!(denied.len(), 12);
    assert!(denied.iter().all(|act| act[1] == "denied"), "{denied:?}");

    for roles in [["support_operator"], ["support_approver"], ["support_admin"]] {
        let (status, _) = console.post(&path("unmask"), Some(&roles), &because).await;
        assert_eq!(status, StatusCode::OK, "{roles:?}");
    }
    let (_, page) = console.get("/v1/acts?limit=1&actor=ada", VIEWER).await;
    let act = &page["acts"][0];
    assert_eq!(act["roles"], json!(["support_admin"]));
    assert_eq!((&act["act"], &act["outcome"]), (&json!("unmask"), &json!("done")));
    assert_eq!((&act["reason"], &act["from_where"]), (&json!("because"), &json!("192.0.2.7:5000")));
    assert_eq!(act["booking_id"], json!(booking));
    assert!(page["next_cursor"].is_string());
    for path in ["/v1/acts?actor=a%00", "/v1/dead-letters?cause=a%00&consumer=b"] {
        let (status, answer) = console.get(path, VIEWER).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {answer}");
    }
    let (status, _) = console.get("/v1/acts", Some(&["guest"])).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reason_is_needed_and_what_is_not_there_is_not_found() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (_, letter) = console.refused(&neighbour).await;
    let invalid = StatusCode::UNPROCESSABLE_ENTITY;
    for body in [
        json!({}),
        json!({ "reason": "" }),
        json!({ "reason": "  \n" }),
        json!({ "reason": "a\0b" }),
        json!({ "reason": "x".repeat(501) }),
        json!({ "reason": "x", "colour": "blue" }),
    ] {
        for what in ["replay", "discard"] {
            assert_eq!(console.act(&letter, what, &body).await.0, invalid, "{what} {body}");
        }
    }
    assert_eq!(console.audit(&letter).await, Vec::<Value>::new());
    let because = json!({ "reason": "x".repeat(500) });
    let nothing = json!(id());
    for what in ["replay", "discard", "restore", "unmask"] {
        assert_eq!(console.act(&nothing, what, &because).await.0, StatusCode::NOT_FOUND, "{what}");
    }
    assert_eq!(console.audit(&nothing).await.len(), 4);
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_letter_can_be_restored_until_the_shown_instant() {
    let day = Duration::from_secs(86_400);
    let (console, neighbour) = Console::with_policy(|p| p.support.restorable_for = day).await;
    let (booking, id) = console.refused(&neighbour).await;
    let because = json!({ "reason": "the booking is long over" });
    let (status, done) = console.act(&id, "discard", &because).await;
    assert_eq!((status, &done["state"]), (StatusCode::OK, &json!("discarded")), "{done}");
    let letter = console.letter(&id).await;
    assert_eq!(letter["restorable_until"], done["restorable_until"]);
    let (_, page) = console.get("/v1/dead-letters?state=discarded", VIEWER).await;
    assert_eq!(page["dead_letters"].as_array().map(Vec::len), Some(1));
    let (_, page) = console.get("/v1/dead-letters?state=parked", VIEWER).await;
    assert_eq!(page["dead_letters"].as_array().map(Vec::len), Some(0));
    let code = async |what: &str| console.act(&id, what, &because).await.1["code"].clone();
    assert_eq!(code("replay").await, "discarded");
    assert_eq!(code("discard").await, "discarded");

    let (status, done) = console.act(&id, "restore", &because).await;
    assert_eq!((status, &done["state"]), (StatusCode::OK, &json!("parked")), "{done}");
    assert_eq!(code("restore").await, "not_discarded");
    assert_eq!(console.letter(&id).await["restorable_until"], Value::Null);

    console.act(&id, "discard", &because).await;
    console.service.database.offset_clock(TimeDelta::hours(25)).await;
    assert_eq!(code("restore").await, "restore_too_late");
    assert_eq!(neighbour.effects(booking).await, 0);
    let events = console.letter(&id).await["history"].clone();
    let events: Vec<_> = events.as_array().unwrap().iter().map(|e| e["event"].clone()).collect();
    assert_eq!(events, ["discarded", "restored", "discarded"]);
    console.close().await;
}

/// Row: G9
#[tokio::test]
async fn the_service_can_neither_change_nor_forget_an_act() {
    use chassis::ExposeSecret as _;
    let console = Console::closed().await;
    let url = console.service.database.service_url();
    let mut conn = sqlx::PgConnection::connect(url.expose_secret()).await.unwrap();
    for statement in [
        "update act set reason = 'none'",
        "delete from act",
        "truncate act",
        "update letter_event set event = 'restored'",
        "delete from letter_event",
        "truncate letter_event",
    ] {
        let error = sqlx::raw_sql(statement).execute(&mut conn).await.unwrap_err();
        let error = error.into_database_error().unwrap();
        assert_eq!(error.code().as_deref(), Some("42501"), "{statement}");
    }
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_sees_personal_data_in_garbage_without_a_recorded_reason() {
    let (console, _neighbour) = Console::beside_a_service().await;
    let (message, id) = unreadable(&console).await;
    let shown = console.letter(&id).await;
    assert!(!shown.to_string().contains("Lovelace"), "{shown}");
    assert_eq!((&shown["body_masked"], &shown["body_base64"]), (&json!(true), &Value::Null));
    assert!(shown["body_text"].as_str().unwrap().contains(&message.booking_id.to_string()));
    let list = console.letters(1).await;
    assert!(!json!(list).to_string().contains("Lovelace"));
    assert_eq!(console.audit(&id).await, Vec::<Value>::new());

    let because = json!({ "reason": "to see what is wrong with it" });
    let path = format!("/v1/dead-letters/{}/unmask", id.as_str().unwrap());
    let (status, whole) = console.post(&path, OPERATOR, &because).await;
    assert_eq!(status, StatusCode::OK);
    assert!(whole["body_text"].as_str().unwrap().contains("Ada Lovelace came late"));
    assert_eq!(console.audit(&id).await, [json!(["unmask", "done", because["reason"], null])]);
    console.close().await;
}

/// Row: G8
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_of_a_leg_needs_its_role_and_its_owners_word_and_every_try_is_recorded() {
    let console = Console::closed().await;
    let (booking, leg) = (id().0, id().0);
    let path = format!("/v1/bookings/{booking}/legs/{leg}/acts");
    let asked = |act: Value| json!({ "reason": "the supplier said so", "act": act });
    let look_up = asked(json!({ "is": "look_up" }));
    let adopt = asked(json!({ "is": "adopt", "reference": "R1" }));
    assert_eq!(console.post(&path, VIEWER, &look_up).await.0, StatusCode::FORBIDDEN);
    assert_eq!(console.post(&path, OPERATOR, &adopt).await.0, StatusCode::FORBIDDEN);
    // A status by hand is no act at all.
    let status = asked(json!({ "is": "set_confirmed" }));
    let (answer, _) = console.post(&path, OPERATOR, &status).await;
    assert_eq!(answer, StatusCode::UNPROCESSABLE_ENTITY);
    // Whose leg it is does not answer: nothing is done, and nothing is said to be.
    let (answer, problem) = console.post(&path, OPERATOR, &look_up).await;
    assert_eq!(answer, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    let (_, page) = console.get(&format!("/v1/acts?booking_id={booking}"), VIEWER).await;
    let acts = page["acts"].as_array().unwrap().iter().rev();
    let acts: Vec<Value> = acts.map(|act| json!([act["act"], act["outcome"]])).collect();
    let expected =
        [["look_up", "denied"], ["adopt", "denied"], ["look_up", "refused"]].map(|act| json!(act));
    assert_eq!(acts, expected);
    console.close().await;
}

/// Row: G8
#[tokio::test(flavor = "multi_thread")]
async fn a_repair_whose_owner_does_not_answer_in_time_is_recorded_as_begun_and_not_known() {
    let mut console = Console::closed().await;
    let (booking, leg) = (id().0, id().0);
    let owner = silent_owner(&console, leg).await;
    console.app = console.beside_an_owner_of_legs(owner).await;
    let look_up = json!({ "reason": "to know", "act": { "is": "look_up" } });
    let outcomes = async |booking: uuid::Uuid| {
        let (_, page) = console.get(&format!("/v1/acts?booking_id={booking}"), VIEWER).await;
        let acts = page["acts"].as_array().unwrap().iter().rev();
        acts.map(|act| act["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let path = format!("/v1/bookings/{booking}/legs/{leg}/acts");
    let (status, problem) = console.post(&path, OPERATOR, &look_up).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert_eq!(outcomes(booking).await, ["begun", "not_known"]);
    // Another booking's leg is none of this one's: its owner is not told.
    let path = format!("/v1/bookings/{booking}/legs/{}/acts", id().0);
    assert_eq!(console.post(&path, OPERATOR, &look_up).await.0, StatusCode::NOT_FOUND);
    assert_eq!(outcomes(booking).await, ["begun", "not_known", "refused"]);
    console.close().await;
}

/// In the place of supplier-sync: it knows one leg, and never answers who tells it to do something.
async fn silent_owner(console: &Console, leg: uuid::Uuid) -> String {
    let standing = json!({ "legs": [{
        "leg_id": leg, "supplier": "rapid", "wanted": "held", "told": null, "undo_failing": null,
        "in_doubt_since": null, "attempts": [], "safe": []
    }]});
    let routes = axum::Router::new()
        .route(
            "/internal/bookings/{booking}/legs",
            axum::routing::get(|| async move { axum::Json(standing) }),
        )
        .route("/internal/legs/{leg}/acts", axum::routing::post(std::future::pending::<()>));
    let here = "127.0.0.1:0".parse().unwrap();
    let ready = chassis::http::Ready::new();
    let addr = chassis::http::serve(&console.service.process, here, routes, ready).await.unwrap();
    format!("http://{addr}")
}

/// What the audit has of done acts, oldest first: what, and from which version to which.
async fn versions(console: &Console, query: &str) -> Vec<Value> {
    let (_, page) = console.get(&format!("/v1/acts?{query}"), VIEWER).await;
    let acts = page["acts"].as_array().unwrap().iter().rev().filter(|act| act["outcome"] == "done");
    acts.map(|act| json!([act["act"], act["version_before"], act["version_after"]])).collect()
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn every_act_that_is_done_says_the_version_of_its_letter_before_and_after_it() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, id) = console.refused(&neighbour).await;
    neighbour.script.mend(booking);
    let because = json!({ "reason": "because" });
    for what in ["unmask", "discard", "restore", "replay"] {
        assert!(console.act(&id, what, &because).await.0.is_success(), "{what}");
    }
    console.until_it_stands(&id, "succeeded").await;
    let expected = [
        json!(["unmask", 0, 0]),
        json!(["discard", 0, 1]),
        json!(["restore", 1, 2]),
        json!(["replay", 2, 3]),
    ];
    let of_letter = format!("dead_letter_id={}", id.as_str().unwrap());
    assert_eq!(versions(&console, &of_letter).await, expected);
    let page = Browser::signed_in(&console, "bo", "support_viewer").await.get("/audit").await;
    assert!(page.text.contains("version 2 → 3"), "{}", page.text);

    // What took effect already changes nothing when it is asked for again, by whichever letter.
    for what in ["replay", "discard", "restore"] {
        assert_eq!(console.act(&id, what, &because).await.0, StatusCode::CONFLICT, "{what}");
    }
    assert_eq!(versions(&console, &of_letter).await, expected);
    assert_eq!(neighbour.effects(booking).await, 1);
    console.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_its_owner_does_says_the_versions_that_the_owner_answers() {
    let mut console = Console::closed().await;
    let owner = Owner::start(&console).await;
    console.app = console.beside_an_owner(&owner.url).await;
    owner.sent();
    let booking = format!("/v1/bookings/{}", uuid::Uuid::from_u128(1));
    let look = json!({ "reason": "to know", "act": { "is": "look_up" } });
    let take = json!({ "reason": "my shift", "act": "take" });
    let settle = json!({ "reason": "given by hand" });
    let posts = [
        (format!("{booking}/legs/{}/acts", owner.leg), look),
        (format!("{booking}/review"), take),
        (format!("{booking}/refunds/{}/settlement", owner.refund), settle),
    ];
    for (path, body) in &posts {
        let (status, answer) = console.post(path, APPROVER, body).await;
        assert!(status.is_success(), "{path}: {answer}");
    }
    let expected =
        [json!(["look_up", 7, 8]), json!(["take_review", 4, 5]), json!(["settle_refund", 9, 10])];
    assert_eq!(versions(&console, "actor=ada").await, expected);
    console.close().await;
}

/// Row: L7
#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_with_a_request_is_said_at_once_and_nothing_can_be_sent_elsewhere() {
    let console = Console::closed().await;
    let replay = format!("/v1/dead-letters/{}/replay", id());
    let leg = format!("/v1/bookings/{}/legs/{}/acts", id(), id());
    let review = format!("/v1/bookings/{}/review", id());
    let many = json!({ "reason": "", "ladder": [0, -1, "a", 5], "at_most": -5, "zzz": 1 });
    let posts: [(&str, Value, &[&str]); 6] = [
        (
            "/v1/replays",
            many,
            &["/at_most", "/ladder/0", "/ladder/1", "/ladder/2", "/reason", "/zzz"],
        ),
        ("/v1/search/contacts", json!({ "email": "x", "reason": "" }), &["/email", "/reason"]),
        (&leg, json!({ "reason": " ", "act": { "is": "look_up" }, "by": 1 }), &["/by", "/reason"]),
        (&review, json!({ "act": "give_up", "leg_id": "mine" }), &["/act", "/leg_id", "/reason"]),
        (&replay, json!({ "why": "x", "reason": 4 }), &["/reason", "/why"]),
        // A letter goes to the one consumer that gave it up: none says that it takes another's.
        (&replay, json!({ "reason": "x", "consumer": "booking" }), &["/consumer"]),
    ];
    let said = |problem: &Value| {
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        for error in &errors {
            let detail = error["detail"].as_str().unwrap();
            let ours = detail.starts_with("must ") || detail.starts_with("is not ");
            assert!(ours && !detail.contains("expected"), "{problem}");
        }
        let mut at: Vec<_> =
            errors.iter().map(|e| e["pointer"].as_str().unwrap().to_owned()).collect();
        at.sort();
        at
    };
    for (path, body, wrong) in posts {
        let (status, problem) = console.post(path, APPROVER, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {problem}");
        assert_eq!(said(&problem), wrong, "{path}: {problem}");
    }
    let letters = "/v1/dead-letters?limit=100000&cursor=x&booking_id=1&colour=red&state=odd";
    let (status, problem) = console.get(letters, VIEWER).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        said(&problem),
        ["?booking_id", "?colour", "?cursor", "?limit", "?state"],
        "{problem}"
    );
    let (_, problem) = console.get("/v1/acts?limit=0&dead_letter_id=x", VIEWER).await;
    assert_eq!(said(&problem), ["?dead_letter_id", "?limit"], "{problem}");
    console.close().await;
}
