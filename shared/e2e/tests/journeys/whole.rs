//! One booking from the click to the points: one trace, few messages, points pending.

use std::time::Duration;

use e2e::{
    journeys::until_points,
    traces::{Ended, Span, Traces, connected, unconventional},
    traveller::{Traveller, some_stay},
};

use crate::stage::{self, SOON};

/// Row: E1
/// Row: H1
/// Row: H2
#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_booking_earns_points_and_is_one_connected_view_of_few_messages() {
    // As shipped: short profiles look at a reservation again within seconds.
    let stack = stage::shipped("whole").await;
    // What the supplier pushes besides is counted by nobody's budget.
    stack.double().arm("callback", "callback_missing", 100, None).await.unwrap();
    let traveller = Traveller::of(&stack, "ada").await.unwrap();
    let (trip, shown) = traveller.travel(&some_stay(), SOON).await.unwrap();
    until_points(&traveller, &trip).await.unwrap();

    let points = traveller.gateway.points().await.unwrap();
    let minor: i64 = shown.0["price"]["minor"].as_str().unwrap().parse().unwrap();
    assert_eq!(points["points"]["pending"], minor * 3 / 100, "{points}");
    assert_eq!(points["points"]["available"], 0, "{points}");
    let earned = points["entries"].as_array().unwrap().iter().filter(|e| e["kind"] == "earned");
    assert_eq!(earned.count(), 1);

    let traces = Traces::at(&stack.url("traces"));
    let asked = traces.complete_within(&trip.booking_id, Ended::Confirmed, Duration::from_secs(15));
    let (spans, verdict) = asked.await.unwrap();
    assert_eq!(verdict, Ok(()), "\n{}", e2e::traces::text(&spans));
    let click = spans.iter().find(|span| span.name == "POST /v1/bookings").unwrap();
    let reached = connected(&spans, &click.place());
    let of_kind = |kind: &str| -> Vec<&Span> {
        let own = spans.iter().filter(|span| reached.contains(&span.place()));
        own.filter(|span| span.kind == kind && !span.name.contains("batch")).collect()
    };
    let names = |spans: &[&Span]| -> Vec<String> {
        spans.iter().map(|span| format!("{} {}", span.service, span.name)).collect()
    };
    let (sent, heard) = (of_kind("producer"), of_kind("consumer"));
    assert!(sent.len() <= 9, "{} published: {:#?}", sent.len(), names(&sent));
    assert!(heard.len() <= 10, "{} delivered: {:#?}", heard.len(), names(&heard));
    let calls: Vec<&Span> = of_kind("client")
        .into_iter()
        .filter(|span| span.attribute("url.path").starts_with("/rapid/"))
        .collect();
    assert!(calls.len() <= 3, "{} calls: {:#?}", calls.len(), names(&calls));
    // Of the whole stack, whatever it was about.
    let all = traces.all().await.unwrap();
    for kind in ["producer", "consumer", "client", "server"] {
        assert!(all.iter().any(|span| span.kind == kind), "{kind}");
    }
    assert_eq!(unconventional(&all), Vec::<String>::new());
    stack.stop().await.unwrap();
}
