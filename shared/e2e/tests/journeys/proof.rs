//! The proof of a whole system notices each difference by itself.

use std::time::Duration;

use e2e::{
    Options, Profile, Stack,
    cards::{Cards, GOOD},
    console::Console,
    traveller::{Traveller, some_stay},
    truth::{
        Comparison,
        proof::{Proof, prove},
    },
};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::stage::{SOON, until};

const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn now(stack: &Stack) -> Proof {
    prove(stack, Duration::ZERO, DAY).await.unwrap()
}

/// Plants a difference behind a service's back.
async fn plant(stack: &Stack, service: &str, statement: &'static str, id: Uuid) {
    let mut conn = PgConnection::connect(&stack.database_url(service)).await.unwrap();
    let done = sqlx::query(statement).bind(id).execute(&mut conn).await.unwrap();
    assert!(done.rows_affected() > 0, "{statement}");
}

/// Row: K4
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_difference_fails_the_proof_and_a_right_world_passes_it() {
    let options = Options { profile: Profile::Demo, ..Options::test("proof") };
    let stack = Stack::start(options).await.unwrap();
    let ada = Traveller::of(&stack, "ada").await.unwrap();
    // One that ended and one that is under way: neither is a difference.
    let (trip, _) = ada.travel(&some_stay(), SOON).await.unwrap();
    let open = ada.book(&some_stay()).await.unwrap();
    ada.until_payable(&open, SOON).await.unwrap();
    // Two that cards paid: one of them was refused afterwards, and its money went back.
    let mut by_card = None;
    for refused in [false, true] {
        if refused {
            stack.double().arm("confirm", "confirm_refused", 1, None).await.unwrap();
        }
        let quote = ada.gateway.quote_in(&some_stay(), "card-eur").await.unwrap();
        let trip = ada.book_quote(quote, |_| {}).await.unwrap();
        let payable = ada.until_payable(&trip, SOON).await.unwrap();
        let secret = payable.0["payment"]["card"]["client_secret"].as_str().unwrap();
        Cards::at(&stack.url("doubles")).pay(secret, GOOD).await.unwrap();
        let ended = ada.until_ended(&trip, SOON).await.unwrap();
        assert_eq!(ended.status(), if refused { "failed" } else { "confirmed" }, "{}", ended.0);
        by_card = by_card.or(Some(trip.booking_id));
    }
    let right = prove(&stack, SOON, DAY).await.unwrap();
    assert_eq!(right.differences, 0, "{:?}", right.compared.wrong);
    let Comparison { bookings, confirmed, undone, open: under_way, .. } = right.compared;
    assert_eq!((bookings, confirmed, undone, under_way), (4, 2, 1, 1));
    let command = async || {
        let mut proof = tokio::process::Command::new(stack.bin().join("proof"));
        proof.args(["--json", "--stack", "proof", "--within", "0"]).kill_on_drop(true);
        let done = proof.output().await.unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let line: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        (done.status.success(), line)
    };
    let staff = Console::of(&stack, "support_viewer");
    let told = async || staff.get("/v1/attention").await.unwrap().json()["proof"].take();
    assert_eq!(told().await, json!({ "last": null, "trouble": null }));
    let (well, line) = command().await;
    assert!(well, "{line}");
    let proven = told().await;
    assert_eq!((&proven["last"]["differences"], &proven["trouble"]), (&json!(0), &Value::Null));

    // A booking that is open for too long.
    let late = prove(&stack, Duration::ZERO, Duration::ZERO).await.unwrap();
    assert_eq!((late.differences, late.compared.lost), (1, 1), "{:?}", late.compared.wrong);

    // At a supplier: something of nobody, and something beside what a booking has.
    let days = ("2027-06-01", "2027-06-03");
    stack.double().plant("nobody-asked-for-this", days).await.unwrap();
    let orphan = now(&stack).await;
    assert_eq!((orphan.differences, orphan.compared.orphaned), (1, 1), "{:?}", orphan.compared);
    let own = stack.double().reservation_of(&trip.guest).await.unwrap();
    stack.double().plant(own.client_reference.as_deref().unwrap(), days).await.unwrap();
    let twin = now(&stack).await;
    assert_eq!((twin.differences, twin.compared.double), (2, 1), "{:?}", twin.compared.wrong);

    // In the ledger of money, balanced or not.
    let id = trip.booking_id.parse().unwrap();
    let entry = "with p as (select payment_id from payment where booking_id = $1)
        insert into ledger_entry (payment_id, seq, line, at, reason, account, asset, units)
        select payment_id, 900, line, now(), 'planted', account, 'eth', units
        from p, (values (1, 'received', -5), (2, 'customer', 5)) v (line, account, units)";
    plant(&stack, "payment-verification", entry, id).await;
    let money = now(&stack).await;
    assert_eq!((money.differences, money.money), (3, 1), "{:?}", money.compared.wrong);

    // In what we know of a price. A look-up would mend it: of a leg that nothing happens to, and
    // that is not looked after.
    let price = r#"update leg set wake_at = null, state = regexp_replace(
            state::text, '("price": ?\{"minor": ?")', '\17', 'g')::json
        where booking_id = $1"#;
    plant(&stack, "supplier-sync", price, by_card.unwrap().parse().unwrap()).await;
    let prices = now(&stack).await;
    assert_eq!((prices.differences, prices.prices), (4, 1), "{:?}", prices.compared.wrong);

    // In the ledger of points.
    let posting = "insert into posting (account_id, version, line, book, lot, points)
        select account_id, version, line, book, 'planted', points
        from (select account_id, version from account_event where booking_id = $1 limit 1) e,
             (values (90, 'issued', -7), (91, 'available', 7)) v (line, book, points)";
    plant(&stack, "rewards", posting, id).await;
    let points = now(&stack).await;
    assert_eq!((points.differences, points.points), (5, 1), "{:?}", points.compared.wrong);

    // In a booking that its journal knows nothing of.
    let row = "update booking set state = (state::jsonb || '{\"version\": 999}')::json
        where booking_id = $1";
    plant(&stack, "booking", row, open.booking_id.parse().unwrap()).await;
    let journal = now(&stack).await;
    assert_eq!((journal.differences, journal.journals), (6, 1), "{:?}", journal.compared.wrong);

    // A promised reservation that is gone, and a second charge.
    stack.double().act(&own.reference, "cancel").await.unwrap();
    let shown = ada.gateway.booking(&trip.booking_id).await.unwrap();
    ada.pay(&shown).await.unwrap();
    let all = until("a second charge", async || {
        let proof = now(&stack).await;
        (proof.compared.overcharged > 0).then_some(proof)
    })
    .await;
    assert_eq!(all.compared.lost, 1, "{:?}", all.compared.wrong);
    let (well, line) = command().await;
    assert!(!well, "{line}");
    let proven = told().await;
    assert_eq!(proven["last"]["differences"], line["differences"], "{proven}");
    assert!(proven["trouble"].is_string(), "{proven}");
    for kind in ["lost", "overcharged", "money", "prices", "points", "journals"] {
        assert_eq!(line[kind], 1, "{kind}: {line}");
    }
    // Nothing is left for the second reservation to stand beside.
    assert_eq!((&line["double"], &line["orphaned"]), (&0.into(), &2.into()), "{line}");
    stack.stop().await.unwrap();
}
