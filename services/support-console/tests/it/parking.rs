//! Dead letters are moved as they are, once, and only then leave the broker.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chassis::trace::TraceContext;
use contracts::{
    message::Message as _,
    messages::{BookingFailed, PointsWanted, WantedPoints},
};
use messaging::Outgoing;
use serde_json::{Value, json};
use testkit::{broker::headers, until};

use crate::console::{Console, failed, id};

/// Row: F6
#[tokio::test]
async fn a_dead_letter_keeps_its_route_headers_bytes_cause_times_trace_and_booking() {
    let console = Console::open().await;
    let speaks = console.with_a_service_that_refuses().await;
    let (message, message_id) = (failed(), id());
    let trace_id = "0af7651916cd43dd8448eb211c80319c";
    let trace = TraceContext {
        traceparent: format!("00-{trace_id}-b7ad6b7169203331-01"),
        tracestate: Some("vendor=1".to_owned()),
    };
    let mut tx = speaks.messaging.begin().await.unwrap();
    tx.say(Outgoing::new(message_id, message.at, &message).with_trace(Some(trace)));
    tx.commit().await.unwrap();

    let found = &console.letters(1).await[0];
    let letter = console.letter(&found["dead_letter_id"]).await;
    let routing = console.service.prefix.routing();
    assert_eq!(letter["exchange"], json!(routing.events()));
    assert_eq!(letter["routing_key"], json!(BookingFailed::TYPE));
    assert_eq!(letter["queue"], json!(routing.dead_queue("rewards")));
    assert_eq!(letter["consumer"], json!("rewards"));
    assert_eq!(
        (&letter["cause"], &letter["detail"]),
        (&json!("rejected"), &json!("doing what is asked"))
    );
    assert_eq!((&letter["attempt"], &letter["attempts"]), (&json!(0), &json!(1)));
    assert_eq!(letter["message_id"], json!(message_id));
    assert_eq!(letter["booking_id"], json!(message.booking_id));
    assert_eq!(letter["trace_id"], json!(trace_id));
    assert!(letter["first_at"].is_string() && letter["last_at"].is_string());
    let headers = &letter["headers"];
    assert_eq!(headers["cloudEvents:type"], json!(BookingFailed::TYPE));
    assert_eq!(headers["cloudEvents:source"], json!("rewards"));
    assert_eq!(headers["cloudEvents:subject"], json!(message.booking_id));
    let body = STANDARD.decode(letter["body_base64"].as_str().unwrap()).unwrap();
    assert_eq!(body, serde_json::to_vec(&message).unwrap(), "byte for byte");
    assert_eq!(depth(&console, "rewards.dead").await, 0, "it left the broker");
    console.close().await;
}

#[tokio::test]
async fn a_command_that_no_queue_took_is_parked() {
    let console = Console::open().await;
    let message = PointsWanted {
        booking_id: failed().booking_id,
        account_id: failed().account_id,
        version: 1,
        wanted: WantedPoints::Held,
        points: 5,
    };
    let routing = console.service.prefix.routing();
    console.broker.say(&routing, id(), 0, &message).await;
    let letter = &console.letters(1).await[0];
    assert_eq!((&letter["cause"], &letter["consumer"]), (&json!("unroutable"), &Value::Null));
    assert_eq!(letter["exchange"], json!(routing.commands()));
    assert_eq!(letter["routing_key"], json!(PointsWanted::TYPE));
    assert_eq!(letter["attempts"], json!(0));
    assert_eq!(letter["booking_id"], json!(message.booking_id));
    console.close().await;
}

#[tokio::test]
async fn garbage_of_any_kind_is_parked_and_holds_up_nothing() {
    let console = Console::open().await;
    let routing = console.service.prefix.routing();
    let queue = routing.dead_queue("rewards");
    // No id, no type, bytes that are no text, and a text that a column would not take.
    let bodies: [&[u8]; 3] = [b"\x00\xff\xfe", b"", b"{\"a\":\"\\u0000\"}"];
    for body in bodies {
        console.broker.publish("", &queue, Default::default(), body).await;
    }
    let odd = headers(&[("holdfast-cause", "cra\0sh"), ("nul", "a\0b")]);
    console.broker.publish("", &queue, odd, b"nul").await;
    console.broker.say(&routing, id(), 0, &failed()).await;

    let letters = console.letters(4).await;
    let mut kept = Vec::new();
    for found in &letters {
        let whole = console.unmasked(&found["dead_letter_id"]).await;
        kept.push(STANDARD.decode(whole["body_base64"].as_str().unwrap()).unwrap());
        if let Some(nul) = whole["headers"].get("nul") {
            assert_eq!(nul, &json!({ "$text": [97, 0, 98] }), "headers are as they came");
            assert_eq!(found["cause"], json!("unknown"), "no word of ours has a zero in it");
        }
    }
    for body in bodies {
        assert!(kept.iter().any(|one| one == body), "{body:?} is kept byte for byte");
    }
    console.close().await;
}

#[tokio::test]
async fn what_was_dead_before_the_console_ran_is_parked_once_however_often_it_comes() {
    let console = Console::closed().await;
    let refuses = console.with_a_service_that_refuses().await;
    let routing = console.service.prefix.routing();
    let (message, message_id) = (failed(), id());
    let mut tx = refuses.messaging.begin().await.unwrap();
    tx.say(Outgoing::new(message_id, message.at, &message));
    tx.commit().await.unwrap();
    until("the dead letter in its queue", || async {
        (depth(&console, "rewards.dead").await == 1).then_some(())
    })
    .await;

    console.app.park();
    console.app.messaging().listening().await;
    let first = console.letters(1).await;
    // The same delivery again, as after a crash between commit and acknowledgement.
    let queue = routing.dead_queue("rewards");
    let same = headers(&[("cloudEvents:id", &message_id.to_string())]);
    console.broker.publish("", &queue, same, b"again").await;
    console.broker.publish("", &queue, Default::default(), b"after it").await;
    let letters = console.letters(2).await;
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[1], first[0], "what was kept stays as it was");
    console.close().await;
}

#[tokio::test]
async fn what_has_no_id_is_a_letter_each_time_that_it_is_sent_also_after_one_was_discarded() {
    let console = Console::open().await;
    let _refuses = console.with_a_service_that_refuses().await;
    let routing = console.service.prefix.routing();
    // To a consumer, and to where nobody but the console listens.
    for (count, queue) in [(0, routing.queue("rewards")), (3, routing.dead_queue("rewards"))] {
        let bytes = queue.clone();
        let send = async || {
            console.broker.publish("", &queue, Default::default(), bytes.as_bytes()).await;
        };
        send().await;
        let first = console.letters(count + 1).await[0].clone();
        let because = json!({ "reason": "nobody needs it" });
        console.act(&first["dead_letter_id"], "discard", &because).await;
        send().await;
        let second = console.letters(count + 2).await[0].clone();
        send().await;
        let third = console.letters(count + 3).await[0].clone();
        assert_eq!((&second["state"], &third["state"]), (&json!("parked"), &json!("parked")));
        let tries = [&first, &second, &third].map(|letter| letter["attempts"].as_i64().unwrap());
        assert_eq!(tries, [1, 2, 3], "it says how often it came");
        let whole = console.letter(&second["dead_letter_id"]).await;
        assert_eq!(whole["came_before"], first["dead_letter_id"]);
        let whole = console.letter(&first["dead_letter_id"]).await;
        assert_eq!((&whole["came_before"], &whole["state"]), (&Value::Null, &json!("discarded")));
    }
    console.close().await;
}

/// The rest of a queue's name is the test's prefix.
async fn depth(console: &Console, queue: &str) -> u32 {
    let name = format!("{}{queue}", console.service.prefix.as_str());
    console.broker.depth(&name).await.unwrap_or(0)
}
