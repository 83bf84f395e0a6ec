//! One trace over every hop: who said it, the way to the broker, who handled it, and the retry
//! after a failure.

use std::time::Duration;

use contracts::{envelope::header, messages::BookingFailed};
use lapin::types::AMQPValue;
use messaging::retry;
use testkit::logs::SpanData;

use crate::counter::{Act, ROLE, Script, all_took_effect_once, booking, hear, message, service};

/// Row: H1
/// Row: H2
#[tokio::test(flavor = "multi_thread")]
async fn the_trace_goes_on_over_the_broker_and_over_a_retry() {
    let mut service = service().await;
    service.policy.messaging.retry_first = Duration::from_millis(20);
    let messaging = service.messaging().await;
    let script = Script::default();
    let booking = booking(1);
    script.set(booking, Act::FailTimes(1, retry("told to")));
    hear(&messaging, &script).await;
    let broker = service.prefix.connect().await;
    let overheard = broker.overhear::<BookingFailed>(&service.prefix).await;
    let root = tracing::info_span!("root");
    let said = root.in_scope(|| message(booking));
    let trace = chassis::trace::trace_id(&root).unwrap();
    drop(root);
    let mut tx = messaging.begin().await.unwrap();
    tx.say(said);
    tx.commit().await.unwrap();
    all_took_effect_once(messaging.pool(), &[booking]).await;
    let wire = broker.wait_for(&overheard).await;
    service.stop().await;

    let spans: Vec<SpanData> = service
        .logs
        .spans()
        .into_iter()
        .filter(|span| span.span_context.trace_id().to_string() == trace)
        .collect();
    let queue = service.prefix.routing().queue(ROLE);
    let events = service.prefix.routing().events();
    let commands = service.prefix.routing().commands();
    // A retry is known by the way that the message came at first.
    let process = format!("process {events}:holdfast.booking.failed.v1:{queue}");
    let handled: Vec<&SpanData> = spans.iter().filter(|span| span.name == process).collect();
    assert_eq!(handled.len(), 2, "one for each attempt");
    let of_attempt = |wanted: i64| {
        let named = |span: &&&SpanData| attribute(span, "attempt") == Some(wanted.to_string());
        *handled.iter().rfind(named).unwrap()
    };
    // From the last attempt back to who said it, each hop is a child of the one before.
    let mut names = Vec::new();
    let mut at = of_attempt(1);
    loop {
        names.push(at.name.to_string());
        let Some(parent) =
            spans.iter().find(|span| span.span_context.span_id() == at.parent_span_id)
        else {
            break;
        };
        at = parent;
    }
    assert_eq!(
        names,
        [
            process.clone(),
            format!("send {commands}:{queue}"),
            process,
            format!("send {events}:holdfast.booking.failed.v1"),
            "root".to_owned(),
        ]
    );
    let sent = spans.iter().find(|span| span.name.starts_with(&format!("send {events}:"))).unwrap();
    let context = format!("00-{trace}-{}-01", sent.span_context.span_id());
    let headers = wire.properties.headers().as_ref().unwrap().inner();
    assert_eq!(headers[header::TRACEPARENT], AMQPValue::LongString(context.into()), "it is text");
    let last = of_attempt(1);
    assert_eq!(format!("{:?}", last.span_kind), "Consumer");
    for (name, value) in [
        ("messaging.system", "rabbitmq"),
        ("messaging.operation.name", "process"),
        ("messaging.operation.type", "process"),
        ("messaging.rabbitmq.destination.routing_key", "holdfast.booking.failed.v1"),
    ] {
        assert_eq!(attribute(last, name).as_deref(), Some(value), "{name}");
    }
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name)?;
    Some(found.value.to_string())
}
