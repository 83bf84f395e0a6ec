//! Money that left its chain for good: a member of staff writes it off.

use contracts::messages::RefundState;
use doubles::Doubles;
use http::StatusCode;
use serde_json::json;

use crate::{
    approvals::{act, read},
    refunds::{arm, ask, granted, ledger, new_wallet, news, sent, treasury},
    rig::{Heard, Rig, doubles_on, milli_ether, units},
};

/// Row: C5
/// Row: C11
#[tokio::test(flavor = "multi_thread")]
async fn what_left_for_good_is_written_off_by_a_person_and_waited_for_by_nobody() {
    let rig = Rig::new().await;
    rig.service.logs.expect("settled money left its chain");
    rig.service.logs.expect("refund_failed");
    let treasury = treasury(&rig);
    let asked = rig.prepare(milli_ether(20)).await;
    rig.pay(&asked.address, milli_ether(20)).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    let refund_id = granted(&rig, &asked, milli_ether(5), &new_wallet()).await;
    rig.anvil.reorg(4).await;
    rig.watch().await;
    let [case] = crate::cases::cases(&rig).await.try_into().unwrap();
    assert_eq!((case.reason.as_str(), case.closed_at), ("payment_reversed", None));

    let path = format!("/internal/cases/{}/write-off", case.case_id);
    let (status, _) = act(&rig, &path, "ada", " ").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let nobodys = format!("/internal/cases/{}/write-off", uuid::Uuid::nil());
    assert_eq!(act(&rig, &nobodys, "ada", "spent elsewhere").await.0, StatusCode::NOT_FOUND);
    // What the treasury has may arrive yet.
    let handed = async |at: &str| {
        let handed = format!("update refund set handed_at = {at}");
        sqlx::query(sqlx::AssertSqlSafe(handed)).execute(&rig.pool).await.unwrap();
    };
    handed("holdfast_now()").await;
    let (status, body) = act(&rig, &path, "ada", "spent elsewhere").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("refund_under_way")));
    handed("null").await;

    let (status, body) = act(&rig, &path, "ada", "spent elsewhere").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(body["closed_by"], "ada");
    assert_eq!(body["closed_because"], "written off: spent elsewhere");
    news(&rig, &asked, RefundState::Failed).await;
    let lost = |heard: &Heard| match heard {
        Heard::Reversed(told) => (told.lost == units(milli_ether(15))).then_some(told.clone()),
        _ => None,
    };
    let told = rig.hear(asked.payment_id, lost).await;
    assert_eq!((told.gone, told.settled), (units(0), units(0)));
    let accounts = ledger(&rig, &asked).await;
    let kept =
        [("price", milli_ether(15).to_string()), ("written_off", format!("-{}", milli_ether(15)))];
    assert_eq!(accounts, kept.map(|(account, units)| (account.to_owned(), units)).into());
    let (status, body) = act(&rig, &path, "ada", "again").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("nothing_away")));
    let (_, told) = read(&rig, &format!("/internal/timeline/{}", asked.booking_id)).await;
    let mut entries = told["entries"].as_array().unwrap().iter();
    let entry = entries.find(|entry| entry["what"] == "written off").unwrap();
    assert_eq!(
        (&entry["actor"], &entry["detail"]["why"]),
        (&json!("staff:ada"), &json!("spent elsewhere"))
    );
    ask(&rig, &treasury).await;
    assert!(sent(&rig, refund_id).await.is_empty());
    rig.end().await;
}

/// Row: C5
/// Row: C10
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_off_that_the_treasury_took_on_although_its_answer_was_lost() {
    let mut rig = Rig::new().await;
    rig.service.logs.expect("settled money left its chain");
    rig.service.logs.expect("refund_failed");
    let treasury = treasury(&rig);
    let asked = rig.prepare(milli_ether(20)).await;
    rig.pay(&asked.address, milli_ether(20)).await;
    rig.anvil.mine(3).await;
    rig.watch().await;
    rig.settled(asked.payment_id).await;
    granted(&rig, &asked, milli_ether(5), &new_wallet()).await;
    arm(&rig, "never").await;
    ask(&rig, &treasury).await;
    let the_answer_is_lost = async |rig: &Rig| {
        sqlx::query("update refund set handed_at = null").execute(&rig.pool).await.unwrap();
    };
    the_answer_is_lost(&rig).await;
    rig.anvil.reorg(4).await;
    rig.watch().await;
    let [case] = crate::cases::cases(&rig).await.try_into().unwrap();
    let path = format!("/internal/cases/{}/write-off", case.case_id);
    let (status, body) = act(&rig, &path, "ada", "spent elsewhere").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("refund_under_way")));
    assert_eq!(rig.ask_database("select count(handed_at) from refund").await, "1", "it is heard");

    // One that does not answer may have it; one that has nothing of it keeps nothing from being lost.
    the_answer_is_lost(&rig).await;
    let address = rig.doubles.local_addr();
    let elsewhere = Doubles::start(([127, 0, 0, 1], 0).into(), doubles::Config::default());
    std::mem::replace(&mut rig.doubles, elsewhere.await.unwrap()).shutdown().await;
    let (status, body) = act(&rig, &path, "ada", "spent elsewhere").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &json!("treasury_silent")));
    let anew = Doubles::start(address, doubles_on(&rig.anvil)).await.unwrap();
    std::mem::replace(&mut rig.doubles, anew).shutdown().await;
    let (status, body) = act(&rig, &path, "ada", "spent elsewhere").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    news(&rig, &asked, RefundState::Failed).await;
    let open = "select count(*) from payment_case where closed_at is null";
    assert_eq!(rig.ask_database(open).await, "0", "nothing is due of what failed");
    rig.end().await;
}
