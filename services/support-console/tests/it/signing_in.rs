//! How often somebody may guess a password: counted by where they are, and not by what they say of
//! it; however many come at once.

use axum::http::{Method, StatusCode};
use futures::future::join_all;
use serde_json::json;

use crate::{
    browser::{Browser, staff_member},
    console::{Console, VIEWER},
};

const ROLE: &str = "support_viewer";
/// A proxy that the console of tests trusts.
const PROXY: &str = "10.1.2.3:5000";

#[tokio::test(flavor = "multi_thread")]
async fn of_many_guesses_at_once_no_more_get_a_password_checked_than_one_by_one() {
    let console = Console::closed().await;
    let password = staff_member(&console, "ada", ROLE).await;
    let guesses = (0..30).map(|_| {
        let mut browser = Browser::of(&console);
        async move { browser.sign_in("ada", "guess").await.status }
    });
    let answers = join_all(guesses).await;
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!(count(StatusCode::UNAUTHORIZED), 5, "{answers:?}");
    assert_eq!(count(StatusCode::TOO_MANY_REQUESTS), 25, "{answers:?}");
    let page = Browser::of(&console).sign_in("ada", &password).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_knows_the_password_uses_up_no_tries() {
    let console = Console::closed().await;
    let password = staff_member(&console, "ada", ROLE).await;
    let mut browser = Browser::of(&console);
    for _ in 0..4 {
        assert_eq!(browser.sign_in("ada", "guess").await.status, StatusCode::UNAUTHORIZED);
    }
    for _ in 0..3 {
        assert_eq!(browser.sign_in("ada", &password).await.status, StatusCode::SEE_OTHER);
    }
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_of_ours_tries_are_counted_by_who_stands_behind_it() {
    let console = Console::closed().await;
    let password = staff_member(&console, "ada", ROLE).await;
    let guess = async |mut browser: Browser<'_>| browser.sign_in("ada", "guess").await.status;
    for n in 0..5 {
        // Whoever guesses writes another address in front each time; the proxy adds theirs.
        let forwarded = format!("203.0.113.{n}, 198.51.100.1");
        let status = guess(Browser::behind(&console, PROXY, &forwarded)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }
    let status = guess(Browser::behind(&console, PROXY, "203.0.113.9, 198.51.100.1")).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    // Somebody else behind the same proxy is not kept out by it, and the audit knows where from.
    let mut ada = Browser::behind(&console, PROXY, "198.51.100.2");
    assert_eq!(ada.sign_in("ada", &password).await.status, StatusCode::SEE_OTHER);
    let nothing = format!("/letters/{}/discard", crate::console::id());
    let page = ada.submit("/", &nothing, &[("reason", "let me")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let (_, page) = console.get("/v1/acts?actor=ada", VIEWER).await;
    assert_eq!(page["acts"][0]["from_where"], json!("198.51.100.2 by way of 10.1.2.3:5000"));
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_anybody_else_says_of_where_they_are_counts_for_nothing() {
    let console = Console::closed().await;
    staff_member(&console, "ada", ROLE).await;
    for n in 0..6 {
        let forwarded = format!("198.51.100.{n}");
        let mut browser = Browser::behind(&console, "192.0.2.7:5000", &forwarded);
        let fields = [("name", "ada"), ("password", "guess")];
        let page = browser.send(Method::POST, "/sign-in", &fields, &[]).await;
        let expected = if n < 5 { StatusCode::UNAUTHORIZED } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(page.status, expected, "{n}");
        browser.cookie = None;
    }
    console.close().await;
}
