//! A dead letter is sent again: once, to the one that gave it up, and nobody says that it worked
//! before it did.

use axum::http::{Method, StatusCode};
use chrono::TimeDelta;
use contracts::{
    envelope::header,
    message::Message as _,
    messages::{BookingFailed, PaymentClose},
};
use messaging::reject;
use serde_json::{Value, json};
use support_console::settle_replays;
use testkit::{broker::headers, logs::SpanData, until};

use crate::{
    browser::Browser,
    console::{Console, OPERATOR, VIEWER, failed, id, unreadable},
};

/// Row: G4
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_takes_effect_once_and_a_second_one_meanwhile_is_refused() {
    let (console, neighbour) = Console::beside_a_service().await;
    let routing = console.service.prefix.routing();
    // Another hearer of the event, which was told once.
    let other = console.broker.overhear::<BookingFailed>(&console.service.prefix).await;
    let (booking, id) = console.refused(&neighbour).await;
    let before = console.letter(&id).await;
    assert_eq!(before["state"], "parked");
    neighbour.script.mend(booking);
    let because = json!({ "reason": "rewards was mended" });

    let closed = neighbour.script.gate.write().await;
    let (status, done) = console.act(&id, "replay", &because).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{done}");
    assert_eq!((&done["state"], &done["replay"]["attempt"]), (&json!("replaying"), &json!(1)));
    let (status, problem) = console.act(&id, "replay", &because).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("replay_pending")));
    // Its consumer has it and has not ended with it: that is no success.
    settle_replays(&console.app).await.unwrap();
    assert_eq!(console.letter(&id).await["state"], "replaying");
    drop(closed);

    let after = console.until_it_stands(&id, "succeeded").await;
    assert_eq!(neighbour.effects(booking).await, 1);
    let events: Vec<_> = after["history"].as_array().unwrap().iter().collect();
    assert_eq!(events.len(), 2);
    assert_eq!((&events[0]["event"], &events[0]["actor"]), (&json!("replayed"), &json!("ada")));
    assert_eq!(events[0]["reason"], because["reason"]);
    assert_eq!(events[1]["detail"], json!("took effect as attempt 1"));
    for kept in ["message_id", "exchange", "routing_key", "body_base64", "cause", "attempt"] {
        assert_eq!(after[kept], before[kept], "{kept} is as it was");
    }
    let (status, problem) = console.act(&id, "replay", &because).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("already_succeeded")));
    assert_eq!(neighbour.effects(booking).await, 1);
    assert_eq!(console.broker.depth(&other).await, Some(1), "others are not told again");
    assert_eq!(before["exchange"], json!(routing.events()));
    console.close().await;
}

/// Row: G6
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_fails_again_says_so_and_leads_to_the_new_dead_letter() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, id) = console.refused(&neighbour).await;
    neighbour.script.fail(booking, reject("doing it again"));
    let because = json!({ "reason": "trying" });
    let (status, _) = console.act(&id, "replay", &because).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let old = console.until_it_stands(&id, "failed_again").await;
    let next = &old["next_dead_letter_id"];
    let new = console.letter(next).await;
    assert_eq!((&new["state"], &new["attempt"]), (&json!("parked"), &json!(1)));
    assert_eq!(
        (&new["message_id"], &new["detail"]),
        (&old["message_id"], &json!("doing it again"))
    );
    assert_eq!(new["replay_of"], id);
    let (status, problem) = console.act(&id, "replay", &because).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("failed_again")));
    assert_eq!(&problem["next_dead_letter_id"], next);

    neighbour.script.mend(booking);
    let (status, done) = console.act(next, "replay", &because).await;
    assert_eq!((status, &done["replay"]["attempt"]), (StatusCode::ACCEPTED, &json!(2)));
    console.until_it_stands(next, "succeeded").await;
    assert_eq!(console.letter(&id).await["state"], "failed_again", "what was learnt stays");
    assert_eq!(neighbour.effects(booking).await, 1);
    console.close().await;
}

/// Row: G5
#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_dies_with_a_replay_in_hand_loses_and_doubles_nothing() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, id) = console.refused(&neighbour).await;
    neighbour.script.mend(booking);
    // One that cannot reach the broker any more: what it commits stays with it.
    let proxy = testkit::Proxy::to(&testkit::broker::server()).await;
    let dying = console.another(testkit::broker::url_by(proxy.address())).await;
    proxy.down();
    let path = format!("/v1/dead-letters/{}/replay", id.as_str().unwrap());
    let because = json!({ "reason": "trying" });
    let call = console.call(&dying, Method::POST, &path, OPERATOR, Some(&because));
    let (status, done) = call.await;
    assert_eq!(status, StatusCode::ACCEPTED, "{done}");

    // Another one sends what it left behind.
    console.until_it_stands(&id, "succeeded").await;
    // And it comes back and sends it as well.
    proxy.up();
    dying.messaging().relay_step().await.unwrap();
    let routing = console.service.prefix.routing();
    until("an empty queue", || async {
        (console.broker.depth(&routing.queue("rewards")).await == Some(0)).then_some(())
    })
    .await;
    assert_eq!(neighbour.effects(booking).await, 1);
    console.close().await;
}

/// Row: G4
#[tokio::test(flavor = "multi_thread")]
async fn of_two_people_who_replay_at_once_one_does_and_the_other_is_told_who() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, id) = console.refused(&neighbour).await;
    neighbour.script.mend(booking);
    let path = format!("/v1/dead-letters/{}/replay", id.as_str().unwrap());
    let because = json!({ "reason": "both at once" });
    let by =
        |who| console.call_as((who, OPERATOR), &console.app, Method::POST, &path, Some(&because));
    let (one, two) = tokio::join!(by("ada"), by("bo"));
    let (first, (status, problem)) =
        if one.0 == StatusCode::ACCEPTED { ("ada", two) } else { ("bo", one) };
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert_eq!(problem["by"], first, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(first), "{problem}");
    console.until_it_stands(&id, "succeeded").await;
    assert_eq!(neighbour.effects(booking).await, 1);
    let outcomes: Vec<_> = console.audit(&id).await.iter().map(|act| act[1].clone()).collect();
    assert!(outcomes.contains(&json!("done")) && outcomes.contains(&json!("refused")));
    console.close().await;
}

/// Row: G4
#[tokio::test(flavor = "multi_thread")]
async fn two_that_replay_at_once_replay_once() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, id) = console.refused(&neighbour).await;
    neighbour.script.mend(booking);
    let because = json!({ "reason": "both at once" });
    let all = (0..8).map(|_| console.act(&id, "replay", &because));
    let answers = futures::future::join_all(all).await;
    let accepted = answers.iter().filter(|(status, _)| *status == StatusCode::ACCEPTED).count();
    let refused = answers.iter().filter(|(status, _)| *status == StatusCode::CONFLICT).count();
    assert_eq!((accepted, refused), (1, 7), "{answers:?}");
    console.until_it_stands(&id, "succeeded").await;
    assert_eq!(neighbour.effects(booking).await, 1);
    assert_eq!(console.audit(&id).await.len(), 8, "every try is recorded");
    console.close().await;
}

/// Row: G5
/// Row: H4
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_is_lost_is_shown_after_a_while_and_sent_once_more() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, id) = console.refused(&neighbour).await;
    neighbour.script.mend(booking);
    let because = json!({ "reason": "rewards was mended" });
    // It waits in a queue that is purged before its consumer has it.
    leads_to_its_queue(&console, false).await;
    let routing = console.service.prefix.routing();
    let hole = format!("{}hole", console.service.prefix.as_str());
    let (channel, key) = (&console.broker.channel, routing.queue("rewards"));
    let declared =
        channel.queue_declare(hole.as_str().into(), Default::default(), Default::default());
    declared.await.unwrap();
    let (to, from) = (hole.as_str().into(), routing.commands().into());
    channel
        .queue_bind(to, from, key.as_str().into(), Default::default(), Default::default())
        .await
        .unwrap();
    assert_eq!(console.act(&id, "replay", &because).await.0, StatusCode::ACCEPTED);
    console.broker.wait_for(&hole).await;
    console.broker.delete_queue(&hole).await;
    leads_to_its_queue(&console, true).await;
    settle_replays(&console.app).await.unwrap();
    let code = console.act(&id, "replay", &because).await.1["code"].clone();
    assert_eq!(code, "replay_pending");
    let attention = async || console.get("/v1/attention", VIEWER).await.1;
    assert_eq!(attention().await["replays_late"], 0);

    console.service.database.offset_clock(TimeDelta::minutes(16)).await;
    let told = attention().await;
    assert_eq!(
        (&told["replays_late"], &told["late_replays"][0]["dead_letter_id"]),
        (&json!(1), &id)
    );
    assert_eq!(console.letter(&id).await["replay_late"], true);
    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    let path = format!("/letters/{}", id.as_str().unwrap());
    assert!(ada.get("/").await.text.contains(&format!("href=\"{path}\"")));
    assert!(ada.get(&path).await.text.contains("Replay once more"));

    let (status, done) = console.act(&id, "replay", &because).await;
    assert_eq!((status, &done["replay"]["attempt"]), (StatusCode::ACCEPTED, &json!(2)), "{done}");
    assert_eq!(attention().await["replays_late"], 0, "it is waited for anew");
    let after = console.until_it_stands(&id, "succeeded").await;
    let events = after["history"].as_array().unwrap().iter().map(|one| one["event"].clone());
    assert_eq!(events.collect::<Vec<_>>(), ["replayed", "replayed", "succeeded"]);
    assert_eq!(neighbour.effects(booking).await, 1);
    console.close().await;
}

/// Row: G5
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_to_a_queue_that_is_gone_comes_back_as_a_letter_that_says_so() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (booking, id) = console.refused(&neighbour).await;
    neighbour.script.mend(booking);
    leads_to_its_queue(&console, false).await;
    let because = json!({ "reason": "rewards was mended" });
    assert_eq!(console.act(&id, "replay", &because).await.0, StatusCode::ACCEPTED);
    let old = console.until_it_stands(&id, "failed_again").await;
    let next = &old["next_dead_letter_id"];
    let new = console.letter(next).await;
    assert_eq!((&new["cause"], &new["addressee"]), (&json!("unroutable"), &json!("rewards")));
    assert_eq!(new["body_base64"], old["body_base64"], "nothing of it is lost");
    assert_eq!(neighbour.effects(booking).await, 0);
    let ada = Browser::signed_in(&console, "ada", "support_operator").await;
    let page = ada.get(&format!("/letters/{}", next.as_str().unwrap())).await.text;
    assert!(page.contains("no queue took it"), "{page}");

    // Once there is such a queue again it goes there.
    leads_to_its_queue(&console, true).await;
    assert_eq!(console.act(next, "replay", &because).await.0, StatusCode::ACCEPTED);
    console.until_it_stands(next, "succeeded").await;
    assert_eq!(neighbour.effects(booking).await, 1);
    console.close().await;
}

/// Row: G4
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_of_what_took_effect_otherwise_changes_nothing_and_says_so() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (message, sent) = (failed(), id());
    let routing = console.service.prefix.routing();
    console.broker.say(&routing, sent, 0, &message).await;
    let booking = message.booking_id.0;
    until("its effect", || async { (neighbour.effects(booking).await == 1).then_some(()) }).await;
    // The same delivery, given up by the broker as well.
    let (sent, subject) = (sent.to_string(), booking.to_string());
    let around = headers(&[
        (header::SPEC, "1.0"),
        (header::ID, &sent),
        (header::TYPE, BookingFailed::TYPE),
        (header::SOURCE, "booking"),
        (header::SUBJECT, &subject),
        (header::TIME, "2026-01-01T00:00:00Z"),
        (header::CONSUMER, "rewards"),
        (header::CAUSE, "exhausted"),
    ]);
    let body = serde_json::to_vec(&message).unwrap();
    console.broker.publish("", &routing.dead_queue("rewards"), around, &body).await;
    let letter = console.letters(1).await[0]["dead_letter_id"].clone();
    let because = json!({ "reason": "to be sure" });
    for _ in 0..2 {
        console.act(&letter, "replay", &because).await;
    }
    let after = console.until_it_stands(&letter, "succeeded").await;
    let last = after["history"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["detail"], "took effect as attempt 0");
    assert_eq!(neighbour.effects(booking).await, 1);
    console.close().await;
}

/// Whether what is sent to rewards by name comes into a queue, as if there were one or none.
async fn leads_to_its_queue(console: &Console, leads: bool) {
    let routing = console.service.prefix.routing();
    let (queue, channel) = (routing.queue("rewards"), &console.broker.channel);
    let (to, key) = (queue.as_str().into(), queue.as_str().into());
    let from = routing.commands().into();
    if leads {
        let bound = channel.queue_bind(to, from, key, Default::default(), Default::default());
        bound.await.unwrap();
    } else {
        channel.queue_unbind(to, from, key, Default::default()).await.unwrap();
    }
}

/// Row: H1
#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_a_trace_of_its_own_linked_to_the_one_that_failed() {
    let (console, neighbour) = Console::beside_a_service().await;
    let root = tracing::info_span!("booking");
    let failed_in = chassis::trace::trace_id(&root).unwrap();
    let refused = tracing::Instrument::instrument(console.refused(&neighbour), root);
    let (booking, id) = refused.await;
    neighbour.script.mend(booking);
    let (_, done) = console.act(&id, "replay", &json!({ "reason": "trying" })).await;
    let trace_id = done["replay"]["trace_id"].as_str().unwrap().to_owned();
    assert_ne!(trace_id, failed_in);
    console.until_it_stands(&id, "succeeded").await;
    console.service.stop().await;

    let spans: Vec<SpanData> = console.service.logs.spans();
    let of_trace = |span: &&SpanData| span.span_context.trace_id().to_string() == trace_id;
    let spans: Vec<&SpanData> = spans.iter().filter(of_trace).collect();
    let root = spans.iter().find(|span| span.name == "replay to rewards").unwrap();
    assert_eq!(root.parent_span_id.to_string(), "0".repeat(16), "a trace of its own");
    let links = root.links.links.iter();
    let links: Vec<_> = links.map(|link| link.span_context.trace_id().to_string()).collect();
    assert!(links.contains(&failed_in), "linked to {failed_in}: {links:?}");
    let queue = console.service.prefix.routing().queue("rewards");
    let place = format!(":{queue}");
    let is_handling = |name: &str| name.starts_with("process ") && name.ends_with(&place);
    let handled = spans.iter().find(|span| is_handling(&span.name));
    let sent = spans.iter().find(|span| {
        handled.is_some_and(|handled| handled.parent_span_id == span.span_context.span_id())
    });
    assert_eq!(
        sent.unwrap().parent_span_id,
        root.span_context.span_id(),
        "every hop has its parent"
    );
}

/// A field that the original had not has its default in what is sent, and that is no edit.
/// Row: G7
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_sent_as_the_second_person_saw_it() {
    let console = Console::open().await;
    let routing = console.service.prefix.routing();
    let (message, booking) = (id().to_string(), id().to_string());
    let around = headers(&[
        (header::SPEC, "1.0"),
        (header::ID, &message),
        (header::TYPE, PaymentClose::TYPE),
        (header::SOURCE, "booking"),
        (header::SUBJECT, &booking),
        (header::TIME, "2026-01-01T00:00:00Z"),
        (header::CONSUMER, "payment-verification"),
    ]);
    let edited = json!({ "booking_id": booking, "payment_id": id() });
    let mut body = edited.clone();
    body["surprise"] = json!(1);
    let queue = routing.dead_queue("payment-verification");
    console.broker.publish("", &queue, around, body.to_string().as_bytes()).await;
    let id = console.letters(1).await[0]["dead_letter_id"].clone();
    let wanted = json!({ "reason": "nobody has it", "body": edited });
    let (status, done) = console.act(&id, "replay", &wanted).await;
    assert_eq!((status, &done["edit"]["changed"]), (StatusCode::ACCEPTED, &json!(["/surprise"])));

    let path = format!("/v1/edits/{}/approve", done["edit"]["edit_id"].as_str().unwrap());
    let approver = ("bo", Some(&["support_approver"][..]));
    let because = json!({ "reason": "so it was" });
    let done = console.call_as(approver, &console.app, Method::POST, &path, Some(&because)).await;
    assert_eq!(done.0, StatusCode::ACCEPTED, "{done:?}");
    assert_eq!(done.1["replay"]["mended"], json!(["/surprise"]));
    let sent: Vec<u8> = sqlx::query_scalar("select body from edit")
        .fetch_one(&mut console.service.database.admin().await)
        .await
        .unwrap();
    let kept: Vec<u8> =
        sqlx::query_scalar("select mended from letter_event where mended is not null")
            .fetch_one(&mut console.service.database.admin().await)
            .await
            .unwrap();
    assert_eq!(sent, kept);
    console.close().await;
}

/// Row: G7
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_could_read_is_mended_by_two_people_and_takes_effect() {
    let (console, neighbour) = Console::beside_a_service().await;
    let (message, id) = unreadable(&console).await;
    let before = console.letter(&id).await;
    assert_eq!(before["cause"], "undecodable");

    // As it is, it fails again.
    let as_is = json!({ "reason": "as it is" });
    console.act(&id, "replay", &as_is).await;
    let id = console.until_it_stands(&id, "failed_again").await["next_dead_letter_id"].clone();

    let mut other = json!(message);
    other["account_id"] = json!("acct-2");
    let (status, problem) =
        console.act(&id, "replay", &json!({ "reason": "to me", "body": other })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        (&problem["errors"][0]["pointer"], &problem["errors"][0]["code"]),
        (&json!("/body/account_id"), &json!("locked"))
    );
    let (status, problem) =
        console.act(&id, "replay", &json!({ "reason": "empty", "body": {} })).await;
    assert_eq!(
        (status, &problem["errors"][0]["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid"))
    );
    assert_eq!(console.letter(&id).await["state"], "parked", "nothing was sent");

    let mended = json!({ "reason": "the time was no time", "body": message });
    let (status, done) = console.act(&id, "replay", &mended).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{done}");
    let edit = done["edit"].clone();
    assert_eq!((&done["replay"], &edit["changed"]), (&Value::Null, &json!(["/at", "/surname"])));
    assert_eq!(console.letter(&id).await["state"], "parked", "nothing is sent by one alone");
    let code = console.act(&id, "replay", &mended).await.1["code"].clone();
    assert_eq!(code, "edit_waits");

    let path = format!("/v1/edits/{}/approve", edit["edit_id"].as_str().unwrap());
    let approve = async |who: &str, role: &str| {
        let roles = Some(&[role][..]);
        let because = json!({ "reason": "it is as the booking says" });
        console.call_as((who, roles), &console.app, Method::POST, &path, Some(&because)).await
    };
    let (status, problem) = approve("ada", "support_approver").await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("same_person")));
    assert_eq!(approve("bo", "support_operator").await.0, StatusCode::FORBIDDEN);
    let (one, two) =
        tokio::join!(approve("bo", "support_approver"), approve("cy", "support_admin"));
    let mut statuses = [one.0, two.0];
    statuses.sort();
    assert_eq!(statuses.first(), Some(&StatusCode::ACCEPTED), "{one:?} {two:?}");
    assert!(statuses.get(1).is_some_and(StatusCode::is_client_error), "{one:?} {two:?}");
    let after = console.until_it_stands(&id, "succeeded").await;
    assert_eq!(neighbour.effects(message.booking_id.0).await, 1);
    assert_eq!(after["body_text"], before["body_text"], "the original is kept");
    assert_eq!(after["history"][0]["mended"], json!(["/at", "/surname"]));
    let outcomes: Vec<Value> = console.audit(&id).await.iter().map(|act| act[1].clone()).collect();
    let tried = outcomes.iter().map(|outcome| outcome.as_str().unwrap()).collect::<Vec<_>>();
    let expected = ["refused", "refused", "done", "refused", "refused", "denied"];
    assert_eq!(tried.get(..6), Some(&expected[..]), "{tried:?}");
    assert!(tried.contains(&"done"), "{tried:?}");
    assert_eq!(BookingFailed::TYPE, after["message_type"]);
    console.close().await;
}
