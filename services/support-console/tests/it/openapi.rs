//! The API's description of itself: nothing missing, nothing untrue.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, StatusCode};
use clap::Parser as _;
use serde_json::{Value, json};
use support_console::{cli::Flags, router};

use crate::{
    console::{APPROVER, Console, OPERATOR, VIEWER, id, unreadable},
    owner::Owner,
};

pub(crate) async fn document(console: &Console) -> Value {
    let (status, document) = console.get("/openapi.json", None).await;
    assert_eq!(status, StatusCode::OK);
    document
}

/// Every path of the API that the router has, from what it says of itself.
pub(crate) fn routes(console: &Console) -> BTreeSet<String> {
    every_route(console).into_iter().filter(|path| path.starts_with("/v1/")).collect()
}

/// Every path that the router has.
pub(crate) fn every_route(console: &Console) -> BTreeSet<String> {
    let told = format!("{:?}", router(console.app.clone()));
    let paths = told.split("RouteId(").skip(1).filter_map(|rest| {
        let path = rest.split_once("): \"")?;
        path.0.bytes().all(|b| b.is_ascii_digit()).then_some(path.1.split('"').next()?)
    });
    // What takes everything that has no route is none.
    paths.filter(|path| !path.contains("{*")).map(str::to_owned).collect()
}

/// Each command of the terminal, with what it needs to be one.
const COMMANDS: [&str; 48] = [
    "letters",
    "letter ID",
    "preview ID",
    "replay ID",
    "discard ID",
    "restore ID",
    "unmask ID",
    "run list",
    "run show ID",
    "run begin",
    "run pause ID",
    "run resume ID",
    "run stop ID",
    "edit list",
    "edit approve ID",
    "edit refuse ID",
    "attention",
    "flow",
    "suppliers",
    "comparison rapid",
    "reset rapid",
    "cases",
    "case ID",
    "close ID",
    "payment-cases",
    "payment-case ID",
    "close-payment-case ID",
    "write-off ID",
    "take-again ID",
    "refunds",
    "approve-refund ID ID",
    "acts",
    "find KEY",
    "find-email ada@example.org",
    "timeline ID",
    "seen ID",
    "legs ID",
    "travellers ID",
    "repair ID show",
    "repair ID take",
    "repair ID release",
    "repair ID leave ID",
    "repair ID give-back ID",
    "repair ID look-up ID",
    "repair ID adopt ID R1",
    "repair ID cancel ID R1",
    "repair ID prove ID 0x1",
    "repair ID settle ID",
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_the_api_does_can_be_done_from_a_terminal() {
    let console = Console::closed().await;
    let id = id().to_string();
    let mut called = BTreeSet::new();
    for command in COMMANDS {
        let words = command.replace("ID", &id);
        let flags = |more: &[&str]| {
            let line = ["holdfast-support"].into_iter().chain(words.split(' '));
            Flags::try_parse_from(line.chain(more.iter().copied()))
        };
        let parsed = flags(&["--reason", "why"]).or_else(|_looks| flags(&[]));
        let call = parsed.unwrap_or_else(|error| panic!("{command}: {error}")).call().unwrap();
        let path = call.path.split('?').next().unwrap_or_default().to_owned();
        called.insert(format!("{} {path}", call.method.as_str().to_lowercase()));
    }
    for (path, item) in document(&console).await["paths"].as_object().unwrap() {
        let there = path.replace("{change}", "pause").replace("{supplier}", "rapid");
        let there =
            ["{id}", "{leg}", "{refund}"].iter().fold(there, |path, name| path.replace(name, &id));
        for method in item.as_object().unwrap().keys() {
            assert!(called.contains(&format!("{method} {there}")), "{method} {path}: {called:#?}");
        }
    }
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_of_the_api_is_described_and_no_other() {
    let console = Console::closed().await;
    let document = document(&console).await;
    let methods = |item: &Value| -> BTreeSet<String> {
        let known = ["get", "post", "put", "patch", "delete"].into_iter();
        known.filter(|method| item.get(method).is_some()).map(str::to_uppercase).collect()
    };
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeMap<String, BTreeSet<String>> =
        paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect();
    let mut found = BTreeMap::new();
    for path in routes(&console) {
        let somewhere = path.replace("{change}", "pause").replace("{supplier}", "rapid");
        let somewhere = ["{id}", "{leg}", "{refund}"]
            .iter()
            .fold(somewhere, |path, name| path.replace(name, &id().to_string()));
        let mut methods = BTreeSet::new();
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let name = method.to_string();
            let (status, _) = console.call(&console.app, method, &somewhere, Some(&[]), None).await;
            if status != StatusCode::METHOD_NOT_ALLOWED {
                methods.insert(name);
            }
        }
        found.insert(path, methods);
    }
    assert!(found.len() > 15, "the router tells: {found:?}");
    assert_eq!(found, described);
    console.close().await;
}

/// Holds answers against what the document says of them.
struct Checker(Value);

impl Checker {
    fn check(&self, method: &str, path: &str, (status, answer): &(StatusCode, Value)) {
        let responses = &self.0["paths"][path][method]["responses"];
        let told = responses.get(status.as_str()).or_else(|| {
            assert!(!status.is_success(), "{method} {path} does not tell of {status}: {answer}");
            responses.get("default")
        });
        let content = told.unwrap().get("content");
        let Some(content) = content else {
            assert_eq!(answer, &Value::Null, "{method} {path} {status}");
            return;
        };
        let schema = &content.as_object().unwrap().values().next().unwrap()["schema"];
        let whole = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": self.0["components"],
        });
        let validator = jsonschema::validator_for(&whole).unwrap();
        let errors = validator.iter_errors(answer);
        let wrong: Vec<_> = errors.map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{method} {path} {status}: {wrong:#?}\n{answer:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_answers_are_what_the_document_says() {
    let (console, neighbour) = Console::beside_a_service().await;
    let checker = Checker(document(&console).await);
    let (booking, letter) = console.refused(&neighbour).await;
    let (_, spoilt) = {
        let (message, _) = unreadable(&console).await;
        let path = format!("/v1/dead-letters?booking_id={}", message.booking_id);
        let page = testkit::until("the spoilt letter", || async {
            let (_, page) = console.get(&path, VIEWER).await;
            page["dead_letters"].get(0).cloned()
        })
        .await;
        (message, page["dead_letter_id"].clone())
    };
    let because = json!({ "reason": "to see" });
    let one = "/v1/dead-letters/{id}";
    let at = |id: &Value, rest: &str| format!("/v1/dead-letters/{}{rest}", id.as_str().unwrap());
    let get = async |path: &str| console.get(path, VIEWER).await;
    let post = async |path: &str, body: &Value| console.post(path, APPROVER, body).await;
    checker.check("get", "/v1/dead-letters", &get("/v1/dead-letters?limit=1").await);
    checker.check("get", one, &get(&at(&letter, "")).await);
    checker.check("get", one, &get(&at(&spoilt, "")).await);
    checker.check("get", one, &get("/v1/dead-letters/none").await);
    checker.check("get", &format!("{one}/preview"), &get(&at(&letter, "/preview")).await);
    for act in ["unmask", "discard", "discard", "restore"] {
        let answer = post(&at(&letter, &format!("/{act}")), &because).await;
        checker.check("post", &format!("{one}/{act}"), &answer);
    }
    let replay = format!("{one}/replay");
    let run = post("/v1/replays", &json!({ "reason": "to see", "cause": "rejected" })).await;
    checker.check("post", "/v1/replays", &run);
    let id_of_run = run.1["replay_run_id"].as_str().unwrap().to_owned();
    checker.check("get", "/v1/replays", &get("/v1/replays").await);
    checker.check("get", "/v1/replays/{id}", &get(&format!("/v1/replays/{id_of_run}")).await);
    let change = post(&format!("/v1/replays/{id_of_run}/stop"), &because).await;
    checker.check("post", "/v1/replays/{id}/{change}", &change);
    neighbour.script.mend(booking);
    checker.check("post", &replay, &post(&at(&letter, "/replay"), &because).await);
    checker.check("post", &replay, &post(&at(&letter, "/replay"), &json!({})).await);
    console.until_it_stands(&letter, "succeeded").await;
    checker.check("get", one, &get(&at(&letter, "")).await);

    // An edit that waits, and is taken out.
    let whole = console.unmasked(&spoilt).await;
    let mut body: Value = serde_json::from_str(whole["body_text"].as_str().unwrap()).unwrap();
    body["at"] = json!("2026-01-01T00:00:00Z");
    body.as_object_mut().unwrap().remove("surname");
    let edit = console.act(&spoilt, "replay", &json!({ "reason": "mended", "body": body })).await;
    checker.check("post", &replay, &edit);
    checker.check("get", "/v1/edits", &get("/v1/edits").await);
    let edit = edit.1["edit"]["edit_id"].as_str().unwrap().to_owned();
    let (approve, refuse) = ("/v1/edits/{id}/approve", "/v1/edits/{id}/refuse");
    checker.check("post", approve, &post(&format!("/v1/edits/{edit}/approve"), &because).await);
    checker.check("post", refuse, &post(&format!("/v1/edits/{edit}/refuse"), &because).await);

    checker.check("get", "/v1/attention", &get("/v1/attention").await);
    checker.check("get", "/v1/flow", &get("/v1/flow").await);
    checker.check("get", "/v1/acts", &get("/v1/acts").await);
    checker.check("get", "/v1/search", &get(&format!("/v1/search?key={booking}")).await);
    let timeline = get(&format!("/v1/bookings/{booking}/timeline")).await;
    checker.check("get", "/v1/bookings/{id}/timeline", &timeline);
    let denied = console.post(&at(&letter, "/discard"), VIEWER, &because).await;
    checker.check("post", &format!("{one}/discard"), &denied);
    console.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_answers_about_repairs_are_what_the_document_says() {
    let mut console = Console::closed().await;
    let checker = Checker(document(&console).await);
    let owner = Owner::start(&console).await;
    console.app = console.beside_an_owner(&owner.url).await;
    let path = format!("/v1/bookings/{}", id());
    let review = "/v1/bookings/{id}/review";
    let answer = console.get(&format!("{path}/review"), VIEWER).await;
    checker.check("get", review, &answer);
    let take = json!({ "reason": "my shift", "act": "take" });
    checker.check("post", review, &console.post(&format!("{path}/review"), OPERATOR, &take).await);
    let proof = json!({ "reason": "by hand", "transaction": crate::owner::BROUGHT_IT });
    let answer =
        console.post(&format!("{path}/refunds/{}/proof", owner.refund), APPROVER, &proof).await;
    checker.check("post", "/v1/bookings/{id}/refunds/{refund}/proof", &answer);
    checker.check("get", "/v1/refunds", &console.get("/v1/refunds", VIEWER).await);
    let agreed = json!({ "reason": "agreed" });
    let its = format!("/v1/bookings/{}", uuid::Uuid::from_u128(1));
    let answer =
        console.post(&format!("{its}/refunds/{}/approval", owner.refund), APPROVER, &agreed).await;
    assert_eq!(answer.0, 202, "{}", answer.1);
    checker.check("post", "/v1/bookings/{id}/refunds/{refund}/approval", &answer);
    let because = json!({ "reason": "to call them" });
    let answer = console.post(&format!("{path}/travellers"), OPERATOR, &because).await;
    checker.check("post", "/v1/bookings/{id}/travellers", &answer);
    let wanted = json!({ "reason": "they call", "email": "ada@example.org" });
    let answer = console.post("/v1/search/contacts", OPERATOR, &wanted).await;
    checker.check("post", "/v1/search/contacts", &answer);
    for path in ["/v1/attention", "/v1/suppliers", "/v1/cases"] {
        let answer = console.get(path, VIEWER).await;
        assert!(answer.1.to_string().contains("rapid"), "{path}: {}", answer.1);
        checker.check("get", path, &answer);
    }
    for (supplier, status) in [("rapid", 200), ("etg", 404)] {
        let answer = console.get(&format!("/v1/suppliers/{supplier}/comparison"), VIEWER).await;
        assert_eq!(answer.0, status, "{supplier}: {}", answer.1);
        checker.check("get", "/v1/suppliers/{supplier}/comparison", &answer);
    }
    let case = format!("/v1/cases/{}", crate::owner::CASE);
    let answer = console.post(&format!("{case}/close"), OPERATOR, &because).await;
    checker.check("post", "/v1/cases/{id}/close", &answer);
    checker.check("get", "/v1/cases/{id}", &console.get(&case, VIEWER).await);
    let odd = format!("/v1/payment-cases/{}", crate::owner::ODD);
    checker.check("get", "/v1/payment-cases", &console.get("/v1/payment-cases", VIEWER).await);
    let answer = console.post(&format!("{odd}/close"), OPERATOR, &because).await;
    checker.check("post", "/v1/payment-cases/{id}/close", &answer);
    checker.check("get", "/v1/payment-cases/{id}", &console.get(&odd, VIEWER).await);
    for what in ["legs", "seen"] {
        let answer = console.get(&format!("{path}/{what}"), VIEWER).await;
        assert_eq!(answer.0, 200, "{what}: {}", answer.1);
        checker.check("get", &format!("/v1/bookings/{{id}}/{what}"), &answer);
    }
    let reset = "/v1/suppliers/rapid/reset";
    let answer = console.post(reset, APPROVER, &because).await;
    checker.check("post", "/v1/suppliers/{supplier}/reset", &answer);
    checker.check("get", "/v1/acts", &console.get("/v1/acts", VIEWER).await);
    let look = json!({ "reason": "to know", "act": { "is": "look_up" } });
    let answer = console.post(&format!("{path}/legs/{}/acts", owner.leg), OPERATOR, &look).await;
    checker.check("post", "/v1/bookings/{id}/legs/{leg}/acts", &answer);
    console.close().await;
}

/// What is made of parts allows what each of them has.
#[tokio::test(flavor = "multi_thread")]
async fn no_part_of_a_schema_forbids_the_others() {
    let console = Console::closed().await;
    let document = document(&console).await;
    let mut waits = vec![&document];
    while let Some(value) = waits.pop() {
        let parts = value["allOf"].as_array().filter(|parts| parts.len() > 1);
        for part in parts.into_iter().flatten() {
            let named = part["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
            let part = named.map_or(part, |pointer| document.pointer(pointer).unwrap());
            assert_ne!(part["additionalProperties"], false, "{part}");
        }
        waits.extend(value.as_object().into_iter().flat_map(|fields| fields.values()));
        waits.extend(value.as_array().into_iter().flatten());
    }
    console.close().await;
}
