//! Breakers and cases at suppliers: seen by all, closed by who may, and in the audit however it
//! ends.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    console::{APPROVER, Console, OPERATOR, VIEWER, id},
    owner::{CAME, CASE, Owner},
};

async fn with_an_owner() -> (Console, Owner) {
    let mut console = Console::closed().await;
    let owner = Owner::start(&console).await;
    console.app = console.beside_an_owner(&owner.url).await;
    (console, owner)
}

/// What the audit has of these acts, oldest first: what, about what, and how it ended.
async fn audit(console: &Console, name: &str) -> Vec<Value> {
    let (_, page) = console.get("/v1/acts", VIEWER).await;
    let acts = page["acts"].as_array().unwrap().iter().rev().filter(|act| act["act"] == name);
    acts.map(|act| json!([act["about"], act["outcome"], act["reason"]])).collect()
}

/// Row: B9
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_is_on_the_overview_and_closed_by_an_approver_with_a_reason() {
    let (console, owner) = with_an_owner().await;
    let path = "/v1/suppliers/rapid/reset";
    let because = json!({ "reason": "they say that it is mended" });
    let eve = Browser::signed_in(&console, "eve", "support_operator").await;
    let overview = eve.get("/").await.text;
    assert!(overview.contains("Breakers that are not closed"), "{overview}");
    assert!(overview.contains("11 of 20"), "{overview}");
    let page = eve.get("/suppliers").await.text;
    assert!(page.contains("7 % left") && !page.contains("half open"), "{page}");
    assert!(!page.contains("Close the breaker"), "an operator is not offered it: {page}");
    assert_eq!(eve.get("/suppliers/rapid/reset").await.status, StatusCode::FORBIDDEN);
    for roles in [VIEWER, OPERATOR] {
        assert_eq!(console.post(path, roles, &because).await.0, StatusCode::FORBIDDEN);
    }
    let (status, _) = console.post(path, APPROVER, &json!({ "reason": " " })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let nobody = "/v1/suppliers/nobody/reset";
    assert_eq!(console.post(nobody, APPROVER, &because).await.0, StatusCode::NOT_FOUND);
    assert_eq!(owner.told(), Vec::<Value>::new(), "its owner was told nothing so far");

    let ada = Browser::signed_in(&console, "ada", "support_approver").await;
    assert!(ada.get("/suppliers").await.text.contains("/suppliers/rapid/reset"));
    let form = "/suppliers/rapid/reset";
    assert!(ada.get(form).await.text.contains("it opens again by itself"));
    let page = ada.submit(form, form, &[("reason", "they say that it is mended")]).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/suppliers"));
    let told = json!({ "staff": "ada", "why": "they say that it is mended", "reset": true });
    assert_eq!(owner.told(), [told]);
    assert!(!ada.get("/").await.text.contains("Breakers that are not closed"));
    let about = "supplier:rapid";
    let expected = [
        json!([about, "denied", null]),
        json!([about, "denied", null]),
        json!([about, "begun", "they say that it is mended"]),
        json!([about, "done", "they say that it is mended"]),
    ];
    assert_eq!(audit(&console, "reset_breaker").await, expected);
    console.close().await;
}

/// Row: B7
#[tokio::test(flavor = "multi_thread")]
async fn the_last_comparison_with_each_list_is_on_the_page_of_suppliers() {
    let (console, _owner) = with_an_owner().await;
    let eve = Browser::signed_in(&console, "eve", "support_viewer").await;
    let page = eve.get("/suppliers").await.text;
    for said in ["Compared with their lists", "all read", ">731<", "the night", "/cases#suppliers"]
    {
        assert!(page.contains(said), "{said}: {page}");
    }
    console.close().await;
}

/// Row: B7
/// Row: B10
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn a_case_shows_both_sides_and_is_closed_by_an_operator_with_a_reason() {
    let (console, owner) = with_an_owner().await;
    let case = format!("/cases/{CASE}");
    let because = json!({ "reason": "their agent corrected it" });
    let eve = Browser::signed_in(&console, "eve", "support_viewer").await;
    for page in ["/", "/cases"] {
        let page = eve.get(page).await.text;
        assert!(page.contains("Another price") && page.contains(&case), "{page}");
        assert!(!page.contains("<i>1</i>"), "what a supplier wrote is text: {page}");
    }
    let page = eve.get(&case).await.text;
    assert!(page.contains("125.00 EUR") && page.contains("152.00 EUR"), "{page}");
    assert!(!page.contains("Close it"), "a viewer is not offered it: {page}");
    let page = eve.submit("/", &case, &[("reason", "let me")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let api = format!("/v1{case}/close");
    let (status, _) = console.post(&api, OPERATOR, &json!({ "reason": "" })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(owner.told(), Vec::<Value>::new());
    let nobodys = format!("/v1/cases/{}", id().0);
    assert_eq!(console.get(&nobodys, VIEWER).await.0, StatusCode::NOT_FOUND);

    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    assert!(ada.get(&case).await.text.contains("when either side shows something else"));
    let page = ada.submit(&case, &case, &[("reason", "their agent corrected it")]).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, case.as_str()));
    let page = ada.get(&case).await.text;
    assert!(page.contains("Closed by <b>ada</b>") && !page.contains("Close it"), "{page}");
    assert!(ada.get("/cases").await.text.contains("None is open."));
    assert!(!ada.get("/").await.text.contains("Cases at suppliers <"));
    // Closed already it is done again without harm, and recorded again.
    assert_eq!(console.post(&api, OPERATOR, &because).await.0, StatusCode::OK);
    let about = format!("case:{CASE}");
    let why = "their agent corrected it";
    let expected = [
        json!([about, "denied", null]),
        json!([about, "begun", why]),
        json!([about, "done", why]),
        json!([about, "begun", why]),
        json!([about, "done", why]),
    ];
    assert_eq!(audit(&console, "close_case").await, expected);
    let audit = ada.get("/audit").await.text;
    assert!(audit.contains(&format!("href=\"{case}\"")), "{audit}");
    console.close().await;
}

/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn pages_of_suppliers_say_so_when_their_owner_does_not_answer() {
    let console = Console::closed().await;
    let ada = Browser::signed_in(&console, "ada", "support_admin").await;
    for page in ["/suppliers", "/cases"] {
        let page = ada.get(page).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text.contains("does not answer"), "{}", page.text);
    }
    for path in ["/v1/suppliers", "/v1/cases"] {
        let (status, body) = console.get(path, VIEWER).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
    }
    let because = json!({ "reason": "seen" });
    let (status, _) = console.post(&format!("/v1/cases/{CASE}/close"), OPERATOR, &because).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(audit(&console, "close_case").await[1][1], json!("refused"));
    console.close().await;
}

/// Row: B6
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_taken_again_by_an_operator_with_a_reason_and_is_in_its_bookings_audit() {
    let (console, owner) = with_an_owner().await;
    let (page, api) = (format!("/callbacks/{CAME}"), format!("/v1/callbacks/{CAME}/again"));
    let because = json!({ "reason": "its leg came later" });
    assert_eq!(console.post(&api, VIEWER, &because).await.0, StatusCode::FORBIDDEN);
    let bare = json!({ "reason": " " });
    assert_eq!(console.post(&api, OPERATOR, &bare).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(owner.told(), Vec::<Value>::new());

    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    assert!(ada.get(&page).await.text.contains("looks again at the supplier"));
    assert_eq!(owner.told(), Vec::<Value>::new(), "to look is not to do");
    let done = ada.submit(&page, &page, &[("reason", "its leg came later")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    assert_eq!(owner.told(), [json!({ "staff": "ada", "again": CAME })]);
    assert_eq!(console.post(&api, OPERATOR, &because).await.0, StatusCode::ACCEPTED);
    let nobodys = format!("/v1/callbacks/{}/again", id().0);
    assert_eq!(console.post(&nobodys, OPERATOR, &because).await.0, StatusCode::NOT_FOUND);

    let about = format!("callback:{CAME}");
    let acts = audit(&console, "take_callback_again").await;
    let outcomes: Vec<&Value> =
        acts.iter().filter(|act| act[0] == about).map(|act| &act[1]).collect();
    assert_eq!(outcomes, ["denied", "begun", "done", "begun", "done"]);
    let of_booking = format!("/v1/acts?booking_id={}", uuid::Uuid::from_u128(1));
    let (_, listed) = console.get(&of_booking, VIEWER).await;
    assert_eq!(listed["acts"].as_array().unwrap().len(), 4, "{listed}");
    console.close().await;
}
