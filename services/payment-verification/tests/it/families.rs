//! Each step of a payment against the real database and a real node: the process dies at its
//! commit, the one that comes after it dies there again, and all of it happened once.

use std::collections::BTreeMap;

use contracts::messages::{CloseBecause, PaymentPrepare, PaymentRefund};
use payment_verification::{App, treasury::Treasury, watcher::Watcher};
use testkit::{Doomed, Point, until};
use uuid::Uuid;

use crate::{
    refunds::{new_wallet, sent, sent_to},
    rig::{Asked, CHAIN, Heard, Rig, close_because, prepare_message, refund_message},
};

/// Three hundredths of an ether.
const UNITS: u128 = 30_000_000_000_000_000;

/// What happens to a payment next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Asked,
    /// The money is sent, and lies as deep as is asked for.
    Paid,
    /// Whether money came is asked.
    Closing,
    RefundGranted,
    /// The treasury sends the refund, and names its transaction.
    RefundSent,
    RefundDeep,
}

use Step::{Closing, Paid, RefundDeep, RefundGranted, RefundSent};

const STEPS: [Step; 6] = [Step::Asked, Paid, Closing, RefundGranted, RefundSent, RefundDeep];

impl Step {
    /// Whether it comes by a message; else a job finds it.
    const fn is_said(self) -> bool {
        matches!(self, Self::Asked | Closing | RefundGranted)
    }

    /// What stands in the journal when it is done.
    const fn leaves(self) -> &'static str {
        match self {
            Self::Asked => "prepared",
            Paid => "settled",
            Closing => "closed",
            RefundGranted => "refund_granted",
            RefundSent => "refund_sent",
            RefundDeep => "refund_confirmed",
        }
    }
}

/// One payment, from the asking to its refund.
struct Route<'a> {
    rig: &'a Rig,
    prepare: PaymentPrepare,
    asked: Option<Asked>,
    refund_id: Uuid,
    wallet: String,
}

impl<'a> Route<'a> {
    fn of(rig: &'a Rig) -> Self {
        let prepare = prepare_message("eth", 18, UNITS);
        Self { rig, prepare, asked: None, refund_id: Uuid::now_v7(), wallet: new_wallet() }
    }

    async fn begins(&self, step: Step) {
        let Self { rig, asked, .. } = self;
        let asked = || asked.as_ref().unwrap();
        match step {
            Step::Asked => rig.say(&self.prepare).await,
            Paid => {
                rig.pay(&asked().address, UNITS).await;
                rig.anvil.mine(3).await;
            }
            Closing => rig.say(&close_because(asked(), CloseBecause::Undone)).await,
            RefundGranted => {
                let to = Some(self.wallet.clone());
                let refund = refund_message(asked(), self.refund_id, UNITS);
                rig.say(&PaymentRefund { to, ..refund }).await;
            }
            RefundSent => {
                let due = "update refund set next_ask_at = holdfast_now()";
                sqlx::query(due).execute(&rig.pool).await.unwrap();
            }
            RefundDeep => rig.anvil.mine(3).await,
        }
    }

    async fn is_done(&self, step: Step) -> bool {
        let journal = self.rig.journal(self.prepare.payment_id).await;
        journal.iter().any(|kind| kind == step.leaves())
    }

    async fn ends(&mut self, step: Step) {
        if step == Step::Asked {
            self.asked = Some(self.rig.prepared(&self.prepare).await);
        }
    }
}

/// A process that hears; its jobs are stepped by the test.
struct Worker {
    doomed: Doomed,
    watcher: Watcher,
    treasury: Treasury,
}

impl Worker {
    async fn start(rig: &Rig, point: Option<Point>) -> Self {
        let doomed = Doomed::new().await;
        let mut config = (*rig.config).clone();
        config.database_url = rig.service.database.service_url_by(doomed.to_database.address());
        config.amqp_url = testkit::broker::url_by(doomed.to_broker.address());
        let connecting = async move {
            let app = App::connect(&config, &testkit::process()).await.unwrap();
            let watchers = app.watchers(&config).unwrap().into_iter();
            let watcher = { watchers }.find(|watcher| watcher.chain() == CHAIN).unwrap();
            (app.treasury(&config).unwrap(), watcher, app)
        };
        let (treasury, watcher, app) = doomed.does(connecting).await;
        if let Some(point) = point {
            doomed.dies_at(point);
        }
        let hears = app.clone();
        doomed.does(async move { hears.consume() }).await;
        if point.is_none() {
            app.messaging().listening().await;
        }
        Self { doomed, watcher, treasury }
    }

    /// Works until the step is done, or the process is at its point; whether it is the latter. What
    /// is done can be seen before the process is at a point behind it, which `dies` waits for.
    async fn works(&self, route: &Route<'_>, step: Step, dies: bool) -> bool {
        until(step.leaves(), || async {
            if self.doomed.is_there() {
                return Some(true);
            }
            if !dies && route.is_done(step).await {
                return Some(false);
            }
            let (watcher, treasury) = (self.watcher.clone(), self.treasury.clone());
            let job = async move {
                // Either fails where the process dies of it.
                if step == RefundSent {
                    drop(treasury.step().await);
                }
                drop(watcher.step().await);
            };
            if !step.is_said() {
                self.doomed.does(job).await;
                if step == RefundSent {
                    route.begins(step).await;
                }
            }
            None
        })
        .await
    }
}

/// What happened, and how much was said of what, each message counted once; as soon as so many
/// messages were heard.
async fn outcome(
    route: &Route<'_>,
    messages: usize,
) -> (Vec<String>, BTreeMap<&'static str, usize>) {
    let rig = route.rig;
    until("all to be said", || async {
        (rig.ask_database("select count(*) from outbox").await == "0").then_some(())
    })
    .await;
    let payment = route.prepare.payment_id;
    let mut said = BTreeMap::new();
    let journal = rig.journal(payment).await;
    // What a dead process left to others is said after what they said first.
    until("all to be heard", || async { (rig.said(payment).len() >= messages).then_some(()) })
        .await;
    for heard in rig.said(payment) {
        let kind = match heard {
            Heard::Prepared(_) => "prepared",
            Heard::Seen(_) => "seen",
            Heard::Settled(_) => "settled",
            Heard::Reversed(_) => "reversed",
            Heard::Closed(_) => "closed",
            Heard::Refund(_) => "refund",
        };
        *said.entry(kind).or_default() += 1;
    }
    assert_eq!(sent(rig, route.refund_id).await.len(), 1, "the refund was sent");
    assert_eq!(sent_to(rig, &route.wallet).await, 1, "once, whatever it was called");
    (journal, said)
}

/// One payment with nobody dying, and one with two deaths at every step that has such a point.
async fn dies_twice_at_every_step(point: Point) {
    let rig = Rig::deaf().await;
    let mut undisturbed = Route::of(&rig);
    let mut worker = Worker::start(&rig, None).await;
    for step in STEPS {
        undisturbed.begins(step).await;
        assert!(!worker.works(&undisturbed, step, false).await);
        undisturbed.ends(step).await;
    }
    // Prepared, seen, settled, closed; and the refund granted, sent, confirmed.
    let expected = outcome(&undisturbed, 7).await;

    let mut route = Route::of(&rig);
    for step in STEPS {
        if step.is_said() || point != Point::BeforeAck {
            worker.doomed.dies_at(point);
            route.begins(step).await;
            assert!(worker.works(&route, step, true).await, "nobody died at {step:?}");
            worker.doomed.dies().await;
            if (step, point) == (RefundSent, Point::BeforeCommit) {
                let asked = sent(&rig, route.refund_id).await;
                assert_eq!(asked.len(), 1, "the treasury has it, and nobody noted that");
            }
            let second = Worker::start(&rig, Some(point)).await;
            // After its commit a job has nothing left to do.
            let dies = step.is_said() || point == Point::BeforeCommit;
            if second.works(&route, step, dies).await {
                second.doomed.dies().await;
            } else {
                second.doomed.ends();
            }
            worker = Worker::start(&rig, None).await;
        } else {
            route.begins(step).await;
        }
        assert!(!worker.works(&route, step, false).await);
        route.ends(step).await;
    }
    assert_eq!(outcome(&route, 7).await, expected, "{point:?}");
    worker.doomed.ends();
    rig.end().await;
}

/// Row: A4
/// Row: A5
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_twice_before_each_commit_changes_nothing_of_a_payment() {
    Box::pin(dies_twice_at_every_step(Point::BeforeCommit)).await;
}

/// Row: A4
/// Row: A5
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_twice_after_each_commit_changes_nothing_of_a_payment() {
    Box::pin(dies_twice_at_every_step(Point::AfterCommit)).await;
}

/// Row: A4
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_dies_twice_before_each_acknowledgement_changes_nothing_of_a_payment() {
    Box::pin(dies_twice_at_every_step(Point::BeforeAck)).await;
}
