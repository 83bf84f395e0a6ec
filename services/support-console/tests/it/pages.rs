//! The console in a browser: who gets in, what is shown, what a form does, and what no form may do.

use std::time::Duration;

use axum::http::{Method, StatusCode, header};
use chrono::TimeDelta;
use serde_json::json;

use crate::{
    browser::{Browser, staff_member},
    console::{Console, id, unreadable},
};

const OPERATOR: &str = "support_operator";
const VIEWER: &str = "support_viewer";

#[tokio::test(flavor = "multi_thread")]
async fn only_who_signed_in_sees_a_page_and_only_until_signing_out() {
    let console = Console::closed().await;
    let mut browser = Browser::of(&console);
    let password = staff_member(&console, "ada", VIEWER).await;
    let page = browser.get("/letters?state=parked").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.location(), "/sign-in?next=%2Fletters%3Fstate%3Dparked");
    for (name, password) in
        [("ada", "wrong"), ("nobody", password.as_str()), ("", ""), ("a\0", "x")]
    {
        let page = browser.sign_in(name, password).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{name}");
    }
    let page = browser.sign_in("ada", &password).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/"));
    let cookie = page.headers[header::SET_COOKIE].to_str().unwrap();
    for flag in ["__Host-", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert_eq!(browser.get("/letters").await.status, StatusCode::OK);
    let page = browser.submit("/", "/sign-out", &[]).await;
    assert_eq!(page.location(), "/sign-in");
    // The cookie is still in hand, and good for nothing.
    assert_eq!(browser.get("/letters").await.status, StatusCode::SEE_OTHER);
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_idle_and_after_a_day_of_work_and_with_its_member_of_staff() {
    let console = Console::closed().await;
    let browser = Browser::signed_in(&console, "ada", VIEWER).await;
    let ahead = async |minutes| {
        console.service.database.offset_clock(TimeDelta::minutes(minutes)).await;
        browser.get("/letters").await.status
    };
    // Used every now and then it lasts, but no longer than twelve hours.
    for minutes in (20..720).step_by(20) {
        assert_eq!(ahead(minutes).await, StatusCode::OK, "{minutes}");
    }
    assert_eq!(ahead(721).await, StatusCode::SEE_OTHER);
    console.close().await;

    // A page that reads itself again keeps no session alive.
    let console = Console::closed().await;
    let browser = Browser::signed_in(&console, "ada", VIEWER).await;
    let mut last = StatusCode::OK;
    for minutes in [10, 20, 31] {
        console.service.database.offset_clock(TimeDelta::minutes(minutes)).await;
        let page = browser.send(Method::GET, "/letters", &[], &[("x-live", "1")]).await;
        assert_eq!(last, StatusCode::OK, "{minutes}");
        last = page.status;
    }
    assert_eq!(last, StatusCode::SEE_OTHER);
    console.close().await;

    let console = Console::closed().await;
    let browser = Browser::signed_in(&console, "ada", VIEWER).await;
    console.service.database.offset_clock(TimeDelta::minutes(31)).await;
    assert_eq!(browser.get("/letters").await.status, StatusCode::SEE_OTHER);
    console.service.database.offset_clock(TimeDelta::zero()).await;
    let mut admin = console.service.database.admin().await;
    sqlx::raw_sql("update staff set ended_at = holdfast_now()").execute(&mut admin).await.unwrap();
    assert_eq!(browser.get("/letters").await.status, StatusCode::SEE_OTHER);
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_guesses_is_kept_waiting_even_with_the_right_password() {
    let console = Console::closed().await;
    let password = staff_member(&console, "ada", VIEWER).await;
    let other = staff_member(&console, "bo", VIEWER).await;
    let mut browser = Browser::of(&console);
    for _ in 0..5 {
        assert_eq!(browser.sign_in("ada", "guess").await.status, StatusCode::UNAUTHORIZED);
    }
    let page = browser.sign_in("ada", &password).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(browser.sign_in("bo", &other).await.status, StatusCode::SEE_OTHER);
    console.service.database.offset_clock(TimeDelta::minutes(16)).await;
    assert_eq!(browser.sign_in("ada", &password).await.status, StatusCode::SEE_OTHER);
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_is_taken_from_another_site_or_without_its_sessions_token() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (_, letter) = console.refused(&neighbour).await;
    let path = format!("/letters/{}/discard", letter.as_str().unwrap());
    let ada = Browser::signed_in(&console, "ada", OPERATOR).await;
    let bo = Browser::signed_in(&console, "bo", OPERATOR).await;
    let hers = ada.get(&path).await.csrf();
    let his = bo.get(&path).await.csrf();
    for token in ["", "x", his.as_str()] {
        let page = ada.post(&path, &[("csrf", token), ("reason", "because")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{token}");
    }
    let fields = [("csrf", hers.as_str()), ("reason", "because")];
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let page = ada.send(Method::POST, &path, &fields, &[(name, value)]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
    // Signing somebody in as somebody else is a form, too.
    let fields = [("name", "ada"), ("password", "x")];
    let elsewhere = [("origin", "https://evil.example")];
    let page = Browser::of(&console).send(Method::POST, "/sign-in", &fields, &elsewhere).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert_eq!(console.letter(&letter).await["state"], "parked");
    let fields = [("csrf", hers.as_str()), ("reason", "because")];
    let ours = [("origin", "https://console"), ("sec-fetch-site", "same-origin")];
    let page = ada.send(Method::POST, &path, &fields, &ours).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    assert_eq!(console.letter(&letter).await["state"], "discarded");
    console.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn every_page_tells_the_browser_to_run_nothing_and_to_be_in_no_frame() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, letter) = console.refused(&neighbour).await;
    let letter = letter.as_str().unwrap();
    let ada = Browser::signed_in(&console, "ada", OPERATOR).await;
    for path in [
        "/",
        "/letters",
        &format!("/letters/{letter}"),
        &format!("/letters/{letter}/replay"),
        &format!("/bookings/{booking}"),
        &format!("/search?key={booking}"),
        "/audit",
        "/sign-in",
        "/letters/none",
    ] {
        let page = ada.get(path).await;
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{path}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(policy.contains("script-src 'self';"), "{path}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(page.headers["cache-control"], "no-store", "{path}");
        for inline in [" style=", " onclick=", "<style", "<script>"] {
            assert!(!page.text.contains(inline), "{path} has {inline}");
        }
    }
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_message_carries_never_becomes_a_part_of_a_page() {
    let (console, _neighbour) = Console::beside_a_service().await;
    let evil = r#"<script>window.__xss=1</script><img src=x onerror="window.__xss=1">"#;
    let queue = console.service.prefix.routing().dead_queue("rewards");
    let headers = testkit::broker::headers(&[
        ("cloudEvents:type", evil),
        ("holdfast-cause", evil),
        ("holdfast-detail", &format!("reading {evil} of `{evil}`")),
        ("holdfast-consumer", evil),
        (evil, evil),
    ]);
    console.broker.publish("", &queue, headers, evil.as_bytes()).await;
    let letter = console.letters(1).await[0]["dead_letter_id"].as_str().unwrap().to_owned();
    let ada = Browser::signed_in(&console, "ada", OPERATOR).await;
    let path = format!("/letters/{letter}");
    let key = form_urlencoded::Serializer::new(String::new()).append_pair("key", evil).finish();
    for path in
        ["/", "/letters?state=", &path, &format!("/search?{key}"), "/audit?actor=%3Cb%3Ex%3C/b%3E"]
    {
        let page = ada.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        for tag in ["<script>", "<img", "<b>x"] {
            assert!(!page.text.contains(tag), "{path} has {tag}: {}", page.text);
        }
    }
    // Shown whole it is text as well.
    let unmask = format!("{path}/unmask");
    let page = ada.submit(&unmask, &unmask, &[("reason", evil)]).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("&lt;script&gt;"), "{}", page.text);
    assert!(!page.text.contains("<script>") && !page.text.contains("<img"));
    assert!(!ada.get("/audit").await.text.contains("<script>"));
    console.close().await;
}

/// Row: G6
#[tokio::test(flavor = "multi_thread")]
async fn a_letters_page_says_that_a_replay_is_pending_until_its_consumer_says_more() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, letter) = console.refused(&neighbour).await;
    let path = format!("/letters/{}", letter.as_str().unwrap());
    let ada = Browser::signed_in(&console, "ada", OPERATOR).await;
    let page = ada.get(&path).await;
    assert!(page.text.contains("waits for a decision"), "{}", page.text);
    assert!(page.text.contains("It would become a dead letter again."), "{}", page.text);

    neighbour.script.mend(booking);
    let replay = format!("{path}/replay");
    assert!(ada.get(&replay).await.text.contains("It would take effect."));
    let gate = neighbour.script.gate.clone().write_owned().await;
    let page = ada.submit(&replay, &replay, &[("reason", "rewards was mended")]).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, path.as_str()));
    support_console::settle_replays(&console.app).await.unwrap();
    let page = ada.get(&path).await;
    assert!(page.text.contains("Nobody knows yet what came of it."), "{}", page.text);
    assert!(!page.text.contains("succeeded"));
    let again = ada.submit("/", &replay, &[("reason", "once more")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text.contains("under way"), "{}", again.text);
    drop(gate);
    console.until_it_stands(&letter, "succeeded").await;
    let page = ada.get(&path).await;
    assert!(page.text.contains("Its consumer says that it took effect."), "{}", page.text);
    assert_eq!(neighbour.effects(booking).await, 1);
    console.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_gets_no_act_by_a_form_either_and_the_try_is_recorded() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (_, letter) = console.refused(&neighbour).await;
    let path = format!("/letters/{}", letter.as_str().unwrap());
    let eve = Browser::signed_in(&console, "eve", VIEWER).await;
    assert!(!eve.get(&path).await.text.contains("Replay …"));
    for act in ["replay", "edit", "discard", "restore", "unmask"] {
        let form = format!("{path}/{act}");
        assert_eq!(eve.get(&form).await.status, StatusCode::FORBIDDEN, "{act}");
        let page = eve.submit("/", &form, &[("reason", "let me")]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{act}");
    }
    assert_eq!(console.letter(&letter).await["state"], "parked");
    let acts = console.audit(&letter).await;
    assert_eq!(acts.len(), 5);
    assert!(acts.iter().all(|act| act[1] == "denied"), "{acts:?}");
    let page = eve.get("/audit?actor=eve").await;
    assert!(page.text.contains("denied") && page.text.contains("192.0.2.7"), "{}", page.text);
    console.close().await;
}

/// Row: G2
#[tokio::test(flavor = "multi_thread")]
async fn letters_are_counted_by_cause_as_they_come_and_go() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (_, one) = console.refused(&neighbour).await;
    let (_, _two) = console.refused(&neighbour).await;
    let booking = id().0;
    console.say("holdfast.booking.failed.v1", booking, b"{}").await;
    console.letters(3).await;
    let causes = async || {
        let (_, told) = console.get("/v1/attention", crate::console::VIEWER).await;
        let causes = told["causes"].as_array().unwrap().clone();
        let line = |cause: &serde_json::Value| {
            let hours = cause["hours"].as_array().unwrap();
            assert_eq!(hours.len(), 24);
            assert!(cause["first_at"].is_string() && cause["last_at"].is_string());
            json!([cause["cause"], cause["parked"], cause["replaying"], cause["total"], hours[23]])
        };
        let mut lines: Vec<_> = causes.iter().map(line).collect();
        lines.sort_by_key(ToString::to_string);
        lines
    };
    let undecodable = json!(["undecodable", 1, 0, 1, 1]);
    assert_eq!(causes().await, [json!(["rejected", 2, 0, 2, 2]), undecodable.clone()]);
    let because = json!({ "reason": "because" });
    console.act(&one, "discard", &because).await;
    assert_eq!(causes().await[0], json!(["rejected", 1, 0, 2, 2]));
    console.act(&one, "restore", &because).await;
    let gate = neighbour.script.gate.clone().write_owned().await;
    console.act(&one, "replay", &because).await;
    assert_eq!(causes().await[0], json!(["rejected", 1, 1, 2, 2]));
    drop(gate);
    // It fails again: the letter that came of it waits in its place.
    console.until_it_stands(&one, "failed_again").await;
    assert_eq!(causes().await, [json!(["rejected", 2, 0, 3, 3]), undecodable]);
    let page = Browser::signed_in(&console, "ada", VIEWER).await.get("/").await;
    assert!(page.text.contains("It was refused for good"), "{}", page.text);
    assert!(page.text.contains("It could not be read"), "{}", page.text);
    console.close().await;
}

/// Row: G7
#[tokio::test(flavor = "multi_thread")]
async fn a_spoilt_letter_is_seen_edited_and_replayed_by_forms_alone() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (message, letter) = unreadable(&console).await;
    let path = format!("/letters/{}", letter.as_str().unwrap());
    let ada = Browser::signed_in(&console, "ada", OPERATOR).await;
    assert!(!ada.get(&path).await.text.contains("Lovelace"));
    let edit = format!("{path}/edit");
    let look = ada.submit(&edit, &format!("{path}/unmask"), &[("reason", "to mend it")]).await;
    assert!(look.text.contains("Ada Lovelace came late"), "{}", look.text);

    let mended = json!(message).to_string();
    let wrong = mended.replace("acct-1", "acct-2");
    let page = ada.submit("/", &edit, &[("reason", "mended"), ("body", &wrong)]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", page.text);
    let fields = [("reason", "mended"), ("body", mended.as_str())];
    let page = ada.submit("/", &edit, &fields).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert!(page.text.contains("/at") && page.text.contains("2026-01-01T00:00:00Z"));
    assert!(!page.text.contains("Lovelace"), "to see what is masked is an act of its own");
    assert_eq!(console.letter(&letter).await["state"], "parked", "nothing was sent by looking");
    let fields = [("reason", "mended"), ("body", mended.as_str()), ("seen", "true")];
    let page = ada.submit("/", &edit, &fields).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let page = ada.get(&path).await;
    assert!(page.text.contains("An edit waits for a second person"), "{}", page.text);
    assert!(!page.text.contains("Lovelace") && !page.text.contains("Let it pass"));
    assert_eq!(console.letter(&letter).await["state"], "parked");
    let bo = Browser::signed_in(&console, "bo", "support_approver").await;
    let page = bo.get(&path).await;
    assert!(page.text.contains("Let it pass and replay it"), "{}", page.text);
    let (_, rest) = page.text.split_once(r#"action="/edits/"#).unwrap();
    let approve = format!("/edits/{}", rest.split('"').next().unwrap());
    let fields = [("reason", "so it is"), ("letter", letter.as_str().unwrap())];
    let page = bo.submit(&path, &approve, &fields).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    console.until_it_stands(&letter, "succeeded").await;
    assert_eq!(neighbour.effects(message.booking_id.0).await, 1);
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_quick_although_no_owner_answers() {
    let (console, _neighbour) = Console::with_policy(|policy| {
        policy.support.owners_within = Duration::from_millis(200);
    })
    .await;
    let ada = Browser::signed_in(&console, "ada", VIEWER).await;
    let begun = std::time::Instant::now();
    let page = ada.get("/").await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(page.text.contains("Not answering"), "{}", page.text);
    console.close().await;
}
