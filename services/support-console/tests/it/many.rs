//! Letters that are sent again together: in growing steps, held by people and by themselves, and
//! whatever dies meanwhile.

use axum::http::StatusCode;
use chassis::ExposeSecret as _;
use serde_json::{Value, json};
use support_console::{App, replay_many, settle_replays};
use testkit::until;
use uuid::Uuid;

use crate::{
    browser::Browser,
    console::{Console, OPERATOR, VIEWER},
    neighbour::Neighbour,
};

/// So many letters of one cause, oldest first: booking and letter.
async fn letters(console: &Console, neighbour: &Neighbour, count: usize) -> Vec<(Uuid, Value)> {
    let mut letters = Vec::new();
    for _ in 0..count {
        letters.push(console.refused(neighbour).await);
    }
    letters
}

async fn begin(console: &Console, body: &Value) -> String {
    let (status, run) = console.post("/v1/replays", OPERATOR, body).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{run}");
    run["replay_run_id"].as_str().unwrap().to_owned()
}

async fn run(console: &Console, id: &str) -> Value {
    let (status, run) = console.get(&format!("/v1/replays/{id}"), VIEWER).await;
    assert_eq!(status, StatusCode::OK, "{run}");
    run
}

/// Left, pending, succeeded, failed, refused.
async fn figures(console: &Console, id: &str) -> [u64; 5] {
    let run = run(console, id).await;
    ["left", "pending", "succeeded", "failed", "refused"].map(|name| run[name].as_u64().unwrap())
}

/// Takes runs on, and sees what became of what was sent, until a run stands so.
async fn until_it_stands(console: &Console, app: &App, id: &str, state: &str) -> Value {
    until(&format!("the run {state}"), || async {
        replay_many(app).await.unwrap();
        settle_replays(app).await.unwrap();
        let run = run(console, id).await;
        (run["state"] == state).then_some(run)
    })
    .await
}

/// Row: G3
#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_replayed_in_growing_steps_and_each_letter_takes_effect_once() {
    let (console, neighbour) =
        Console::with_policy(|policy| policy.support.replay_ladder = vec![1, 2]).await;
    let letters = letters(&console, &neighbour, 6).await;
    letters.iter().for_each(|(booking, _)| neighbour.script.mend(*booking));
    let gate = neighbour.script.gate.clone().write_owned().await;
    let id = begin(&console, &json!({ "reason": "rewards was mended", "cause": "rejected" })).await;
    for _ in 0..3 {
        replay_many(&console.app).await.unwrap();
        settle_replays(&console.app).await.unwrap();
        assert_eq!(figures(&console, &id).await, [5, 1, 0, 0, 0], "one, and then it waits");
    }
    drop(gate);
    let run = until_it_stands(&console, &console.app, &id, "done").await;
    assert_eq!((&run["succeeded"], &run["letters"]), (&json!(6), &json!(6)), "{run}");
    for (booking, letter) in &letters {
        assert_eq!(neighbour.effects(*booking).await, 1);
        let history = console.letter(letter).await["history"].clone();
        assert_eq!(history[0]["reason"], "rewards was mended");
        assert_eq!(history[0]["actor"], "ada");
    }
    console.close().await;
}

/// Row: G3
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_waits_holds_up_no_other() {
    let (console, neighbour) = Console::beside_a_service().await;
    letters(&console, &neighbour, 2).await;
    let gate = neighbour.script.gate.clone().write_owned().await;
    let first = begin(&console, &json!({ "reason": "to try one", "at_most": 1 })).await;
    replay_many(&console.app).await.unwrap();
    assert_eq!(figures(&console, &first).await, [0, 1, 0, 0, 0]);
    let second = begin(&console, &json!({ "reason": "the other one" })).await;
    replay_many(&console.app).await.unwrap();
    assert_eq!(figures(&console, &second).await, [0, 1, 0, 0, 0], "it waits for nobody else's");
    drop(gate);
    console.close().await;
}

/// Row: G3
#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_cannot_go_on_stops_and_holds_up_no_other() {
    let (console, neighbour) = Console::beside_a_service().await;
    let letters = letters(&console, &neighbour, 2).await;
    letters.iter().for_each(|(booking, _)| neighbour.script.mend(*booking));
    console.service.logs.expect("a replay of many cannot go on");
    let first = &letters[0].1;
    let broken = begin(&console, &json!({ "reason": "to try one", "at_most": 1 })).await;
    console.act(first, "discard", &json!({ "reason": "not for the other" })).await;
    let well = begin(&console, &json!({ "reason": "the other one" })).await;
    // The first letter cannot be read any more.
    let owner = console.service.database.owner_url();
    let owner = sqlx::PgPool::connect(owner.expose_secret()).await.unwrap();
    sqlx::query("update dead_letter set headers = '[]' where dead_letter_id = $1::uuid")
        .bind(first.as_str().unwrap())
        .execute(&owner)
        .await
        .unwrap();
    let run = until_it_stands(&console, &console.app, &well, "done").await;
    assert_eq!(run["succeeded"], 1, "{run}");
    let run = self::run(&console, &broken).await;
    assert_eq!(run["state"], "stopped", "{run}");
    assert!(run["why"].as_str().unwrap().contains("cannot be read"), "{run}");
    console.close().await;
}

/// Row: G3
#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_first_letter_fails_again_goes_no_further() {
    let (console, neighbour) = Console::beside_a_service().await;
    letters(&console, &neighbour, 3).await;
    let id = begin(&console, &json!({ "reason": "it may work now" })).await;
    let run = until_it_stands(&console, &console.app, &id, "stopped").await;
    assert_eq!(figures(&console, &id).await, [2, 0, 0, 1, 0]);
    assert!(run["why"].as_str().unwrap().contains("failed again"), "{run}");
    // What is over stays so.
    let because = json!({ "reason": "go on" });
    let (status, _) = console.post(&format!("/v1/replays/{id}/resume"), OPERATOR, &because).await;
    assert_eq!(status, StatusCode::CONFLICT);
    console.close().await;
}

/// Row: G3
/// Row: G9
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_group_sends_nothing_until_it_goes_on_and_a_stopped_one_never() {
    let (console, neighbour) = Console::beside_a_service().await;
    let letters = letters(&console, &neighbour, 2).await;
    letters.iter().for_each(|(booking, _)| neighbour.script.mend(*booking));
    let id = begin(&console, &json!({ "reason": "mended", "ladder": [] })).await;
    let change = async |what: &str| {
        let because = json!({ "reason": "to look first" });
        console.post(&format!("/v1/replays/{id}/{what}"), OPERATOR, &because).await.0
    };
    assert_eq!(change("pause").await, StatusCode::OK);
    assert_eq!(change("pause").await, StatusCode::CONFLICT);
    replay_many(&console.app).await.unwrap();
    assert_eq!(figures(&console, &id).await, [2, 0, 0, 0, 0]);
    assert_eq!(change("resume").await, StatusCode::OK);
    until_it_stands(&console, &console.app, &id, "done").await;
    assert_eq!(change("stop").await, StatusCode::CONFLICT);
    let none = json!({ "reason": "again" });
    let (status, problem) = console.post("/v1/replays", OPERATOR, &none).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("no_letters")));
    for what in ["/v1/replays", &format!("/v1/replays/{id}/stop")] {
        let (status, _) = console.post(what, VIEWER, &none).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{what}");
    }
    let (_, page) = console.get("/v1/acts?limit=2", VIEWER).await;
    let denied = page["acts"].as_array().unwrap().iter().filter(|act| act["outcome"] == "denied");
    assert_eq!(denied.count(), 2, "{page}");
    // The audit says of each of them which run it was about.
    let (_, page) = console.get(&format!("/v1/acts?replay_run_id={id}"), VIEWER).await;
    let acts = page["acts"].as_array().unwrap().iter().rev();
    let acts: Vec<_> = acts.map(|act| json!([act["act"], act["outcome"]])).collect();
    let expected = [
        ["replay_many", "done"],
        ["pause_replays", "done"],
        ["pause_replays", "refused"],
        ["resume_replays", "done"],
        ["stop_replays", "refused"],
        ["stop_replays", "denied"],
    ];
    assert_eq!(acts, expected.map(|act| json!(act)), "{page}");
    let audit = Browser::signed_in(&console, "bo", "support_viewer").await.get("/audit").await;
    assert!(audit.text.contains(&format!("href=\"/runs/{id}\"")), "{}", audit.text);
    console.close().await;
}

/// Row: G5
#[tokio::test(flavor = "multi_thread")]
async fn two_consoles_one_of_which_dies_send_each_letter_of_a_group_once() {
    let (console, neighbour) =
        Console::with_policy(|policy| policy.support.replay_per_second = 20).await;
    let letters = letters(&console, &neighbour, 8).await;
    letters.iter().for_each(|(booking, _)| neighbour.script.mend(*booking));
    // One letter is replayed by hand before the run comes to it: the run lets it be.
    let because = json!({ "reason": "by hand" });
    let id = begin(&console, &json!({ "reason": "mended", "ladder": [] })).await;
    console.act(&letters[7].1, "replay", &because).await;
    let other = console.another(console.service.prefix.amqp_url()).await;
    // A step that is dropped half way is as one that never began, or one that is whole.
    for patience in [1, 3, 6, 10, 15] {
        let dies = replay_many(&other);
        let within = std::time::Duration::from_millis(patience);
        drop(tokio::time::timeout(within, dies).await);
    }
    let both = async || {
        let (one, two) = tokio::join!(replay_many(&console.app), replay_many(&other));
        one.unwrap();
        two.unwrap();
    };
    until("the run done", || async {
        both().await;
        settle_replays(&console.app).await.unwrap();
        (run(&console, &id).await["state"] == "done").then_some(())
    })
    .await;
    assert_eq!(figures(&console, &id).await, [0, 0, 7, 0, 1]);
    until("the one by hand", || async {
        settle_replays(&console.app).await.unwrap();
        (console.letter(&letters[7].1).await["state"] == "succeeded").then_some(())
    })
    .await;
    for (booking, letter) in &letters {
        assert_eq!(neighbour.effects(*booking).await, 1, "{letter}");
        let history = console.letter(letter).await["history"].as_array().unwrap().len();
        assert_eq!(history, 2, "replayed once, succeeded once");
    }
    console.close().await;
}

/// Row: G3
#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_all_lists_more_until_every_letter_that_waited_when_it_began_was_sent() {
    let (console, neighbour) = Console::with_policy(|policy| {
        policy.support.replay_ladder = vec![1];
        policy.support.replay_listed = 2;
    })
    .await;
    let waiting = letters(&console, &neighbour, 5).await;
    waiting.iter().for_each(|(booking, _)| neighbour.script.mend(*booking));
    let id = begin(&console, &json!({ "reason": "mended", "consumer": "rewards" })).await;
    assert_eq!(run(&console, &id).await["letters"], 2, "the first of them");
    let later = letters(&console, &neighbour, 1).await;
    let run = until_it_stands(&console, &console.app, &id, "done").await;
    assert_eq!((&run["letters"], &run["at_most"]), (&json!(5), &Value::Null), "{run}");
    assert_eq!(figures(&console, &id).await, [0, 0, 5, 0, 0]);
    for (booking, _) in &waiting {
        assert_eq!(neighbour.effects(*booking).await, 1);
    }
    assert_eq!(console.letter(&later[0].1).await["state"], "parked", "it came later");

    // No more than was said.
    let more = letters(&console, &neighbour, 3).await;
    more.iter().chain(&later).for_each(|(booking, _)| neighbour.script.mend(*booking));
    let id = begin(&console, &json!({ "reason": "some", "at_most": 3 })).await;
    let run = until_it_stands(&console, &console.app, &id, "done").await;
    assert_eq!((&run["letters"], &run["succeeded"]), (&json!(3), &json!(3)), "{run}");
    console.close().await;
}

/// Row: H4
#[tokio::test(flavor = "multi_thread")]
async fn a_group_waits_no_more_for_a_letter_of_which_nobody_heard_for_long() {
    let (console, neighbour) = Console::with_policy(|policy| {
        policy.support.replay_failed_percent_max = 100;
    })
    .await;
    let letters = letters(&console, &neighbour, 2).await;
    letters.iter().for_each(|(booking, _)| neighbour.script.mend(*booking));
    // The first is sent, and its consumer does not end with it.
    let gate = neighbour.script.gate.clone().write_owned().await;
    let id = begin(&console, &json!({ "reason": "mended" })).await;
    replay_many(&console.app).await.unwrap();
    assert_eq!(figures(&console, &id).await, [1, 1, 0, 0, 0]);
    console.service.database.offset_clock(chrono::TimeDelta::minutes(16)).await;
    replay_many(&console.app).await.unwrap();
    let told = run(&console, &id).await;
    assert_eq!((&told["late"], &told["left"], &told["pending"]), (&json!(1), &json!(0), &json!(1)));
    drop(gate);
    let run = until_it_stands(&console, &console.app, &id, "done").await;
    assert_eq!((&run["state"], &run["left"]), (&json!("done"), &json!(0)), "{run}");
    until("both known", || async {
        settle_replays(&console.app).await.unwrap();
        (figures(&console, &id).await == [0, 0, 2, 0, 0]).then_some(())
    })
    .await;
    for (booking, _) in &letters {
        assert_eq!(neighbour.effects(*booking).await, 1);
    }
    console.close().await;
}

/// Row: G6
#[tokio::test(flavor = "multi_thread")]
async fn a_groups_page_counts_what_is_known_and_nothing_else() {
    let (console, neighbour) = Console::beside_a_service().await;
    let letters = letters(&console, &neighbour, 2).await;
    letters.iter().for_each(|(booking, _)| neighbour.script.mend(*booking));
    let group = console.letter(&letters[0].1).await["letter_cause_id"].clone();
    let group = group.as_str().unwrap();
    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    let form = format!("/runs/new?group={group}");
    assert!(ada.get(&form).await.text.contains("First 1, 5, 20, 100"));
    let gate = neighbour.script.gate.clone().write_owned().await;
    let fields = [("group", group), ("reason", "mended"), ("at_most", "2"), ("canary", "true")];
    let page = ada.submit(&form, "/runs", &fields).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let path = page.location().to_owned();
    replay_many(&console.app).await.unwrap();
    let page = ada.get(&path).await;
    let says = |page: &str, count: u32, what: &str| {
        let dense: String = page.split_whitespace().collect::<Vec<_>>().join(" ");
        dense.contains(&format!("<b>{count}</b><span>{what}</span>"))
    };
    assert!(says(&page.text, 1, "sent, not known yet"), "{}", page.text);
    assert!(says(&page.text, 0, "took effect"), "{}", page.text);
    drop(gate);
    let id = path.rsplit('/').next().unwrap();
    until_it_stands(&console, &console.app, id, "done").await;
    assert!(says(&ada.get(&path).await.text, 2, "took effect"));
    assert!(ada.get("/runs").await.text.contains(&path));
    console.close().await;
}
