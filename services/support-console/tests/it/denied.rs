//! Whoever may only look calls everything that there is, by the router's own list.

use axum::http::{Method, StatusCode};
use serde_json::json;

use crate::{
    browser::Browser,
    console::{Console, OPERATOR, VIEWER, id},
    openapi::{document, every_route, routes},
};

const CHANGING: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
/// What is no act of support: everybody signs in and out, and services tell their own.
const NO_ACTS: [&str; 3] = ["/sign-in", "/sign-out", "/internal/proofs"];

/// An address of it, with every word that an act can have in it.
fn somewhere(path: &str) -> Vec<String> {
    let path = ["{id}", "{leg}", "{refund}"]
        .iter()
        .fold(path.replace("{supplier}", "rapid"), |path, name| {
            path.replace(name, &id().to_string())
        });
    let words: &[&str] = match path.split('/').nth(1) {
        Some("letters") => &["replay", "edit", "discard", "restore", "unmask"],
        Some("edits") => &["approve", "refuse"],
        _ => &[""],
    };
    let changes = ["pause", "resume", "stop"];
    let acts = words.iter().map(|word| path.replace("{act}", word));
    acts.flat_map(|path| {
        let words = if path.contains("{change}") { &changes[..] } else { &[""] };
        words.iter().map(move |word| path.replace("{change}", word)).collect::<Vec<_>>()
    })
    .collect()
}

async fn denied(console: &Console) -> i64 {
    sqlx::query_scalar("select count(*) from act where outcome = 'denied'")
        .fetch_one(&mut console.service.database.admin().await)
        .await
        .unwrap()
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_calls_every_route_is_refused_each_act_and_each_try_is_recorded() {
    let console = Console::closed().await;
    let because = json!({ "reason": "let me" });
    let (mut tried, mut acts) = (0, denied(&console).await);
    for path in routes(&console).iter().flat_map(|path| somewhere(path)) {
        for method in CHANGING {
            // Of a body nothing is read before it is known who sends it.
            for body in [None, Some(&because)] {
                let name = format!("{method} {path}");
                let call = console.call(&console.app, method.clone(), &path, VIEWER, body);
                let (status, answer) = call.await;
                if status == StatusCode::METHOD_NOT_ALLOWED {
                    continue;
                }
                assert_eq!(status, StatusCode::FORBIDDEN, "{name}: {answer}");
                tried += 1;
                acts += 1;
                assert_eq!(denied(&console).await, acts, "{name} is recorded once");
            }
        }
    }
    assert!(tried >= 40, "the router tells: {tried}");
    console.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_sends_every_form_is_refused_each_act_and_each_try_is_recorded() {
    let console = Console::closed().await;
    let eve = Browser::signed_in(&console, "eve", "support_viewer").await;
    let token = eve.get("/").await.csrf();
    let (mut tried, mut acts) = (0, denied(&console).await);
    let all = every_route(&console);
    let pages =
        all.iter().filter(|path| !path.starts_with("/v1/") && !NO_ACTS.contains(&path.as_str()));
    for path in pages.flat_map(|path| somewhere(path)) {
        for method in CHANGING {
            for reason in [&[][..], &[("reason", "let me")]] {
                let fields = [&[("csrf", token.as_str())], reason].concat();
                let page = eve.send(method.clone(), &path, &fields, &[]).await;
                if page.status == StatusCode::METHOD_NOT_ALLOWED {
                    continue;
                }
                assert_eq!(page.status, StatusCode::FORBIDDEN, "{method} {path}: {}", page.text);
                tried += 1;
                acts += 1;
                assert_eq!(denied(&console).await, acts, "{method} {path} is recorded once");
            }
        }
    }
    assert!(tried >= 40, "the router tells: {tried}");
    console.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_calls_every_route_of_a_second_person_is_refused_and_recorded() {
    let console = Console::closed().await;
    let document = document(&console).await;
    let (mut tried, mut acts) = (0, denied(&console).await);
    for (path, item) in document["paths"].as_object().unwrap() {
        let needs = item["post"]["description"].as_str().unwrap_or_default();
        if !needs.contains("`support_approver`") {
            continue;
        }
        for path in somewhere(path) {
            let call = console.call(&console.app, Method::POST, &path, OPERATOR, None);
            let (status, answer) = call.await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path}: {answer}");
            tried += 1;
            acts += 1;
            assert_eq!(denied(&console).await, acts, "{path} is recorded once");
        }
    }
    assert!(tried >= 6, "the document tells: {tried}");
    console.close().await;
}
