//! What booking's neighbours would say to it, said through the real broker.

use chrono::{TimeDelta, Utc};
use contracts::{
    asset::{AssetAmount, AssetId, Units},
    ids::{BookingId, MessageId, PaymentId},
    instruction::{Instruction, SignedInstruction},
    message::Message,
    messages::{
        Closing, EvidenceSource, GoneWhy, LegChanged, LegContent, LegEvidence, LegState,
        PaymentClosed, PaymentPrepared, PaymentRefundChanged, PaymentSeen, PaymentSettled,
        RefundState, UndoFailing,
    },
};
use messaging::Outgoing;
use serde_json::Value;
use testkit::until;
use uuid::Uuid;

use crate::world::World;

pub(crate) const AMOUNT: &str = "80000000000000000";

/// What a neighbour would say; said through booking's own outbox, since it is only the way in.
pub(crate) struct Neighbour<'a> {
    pub(crate) world: &'a World,
    pub(crate) booking_id: BookingId,
    pub(crate) payment_id: PaymentId,
    n: u64,
    pub(crate) said: Vec<Outgoing>,
}

impl<'a> Neighbour<'a> {
    pub(crate) async fn of(world: &'a World, booking_id: Uuid) -> Self {
        let state: String =
            sqlx::query_scalar("select state::text from booking where booking_id = $1")
                .bind(booking_id)
                .fetch_one(&world.pool)
                .await
                .unwrap();
        let state: Value = serde_json::from_str(&state).unwrap();
        let payment_id = state["payment"]["payment_id"].as_str().unwrap().parse().unwrap();
        Self { world, booking_id: BookingId(booking_id), payment_id, n: 0, said: Vec::new() }
    }

    pub(crate) async fn say<M: Message + Sync>(&mut self, message: &M) {
        self.n += 1;
        let id = MessageId::caused_by(Utc::now(), self.booking_id.0, self.n, 0);
        let outgoing = Outgoing::new(id, Utc::now(), message);
        self.said.push(outgoing.clone());
        self.send(vec![outgoing]).await;
    }

    pub(crate) async fn send(&self, said: Vec<Outgoing>) {
        let mut tx = self.world.app.messaging().begin().await.unwrap();
        tx.say_all(said);
        tx.commit().await.unwrap();
    }

    pub(crate) async fn leg(&mut self, quote: &booking::quote::Quote, seq: u64, state: LegState) {
        self.leg_at(quote, 0, seq, state).await;
    }

    pub(crate) async fn leg_at(
        &mut self,
        quote: &booking::quote::Quote,
        n: usize,
        seq: u64,
        state: LegState,
    ) {
        let (booking_id, leg_id) = (self.booking_id, quote.legs[n].leg_id);
        let wanted_version = 9;
        let (evidence, undo_failing) = (None, None);
        self.say(&LegChanged {
            booking_id,
            leg_id,
            seq,
            wanted_version,
            state,
            evidence,
            undo_failing,
            theirs: None,
            asks: None,
            no_show: false,
        })
        .await;
    }

    /// That a callback made supplier-sync look, and that the reservation was there.
    pub(crate) async fn late_callback(&mut self, quote: &booking::quote::Quote, seq: u64) {
        let reference = "R1".to_owned();
        let evidence = LegEvidence {
            source: EvidenceSource::Callback,
            attempt: 1,
            client_reference: "c1".to_owned(),
            reference: Some(reference.clone()),
            exchange: Some(7),
        };
        self.say(&LegChanged {
            booking_id: self.booking_id,
            leg_id: quote.legs[0].leg_id,
            seq,
            wanted_version: 9,
            state: LegState::Confirmed { reference },
            evidence: Some(evidence),
            undo_failing: None,
            theirs: None,
            asks: None,
            no_show: false,
        })
        .await;
    }

    /// That giving the first leg back fails so far.
    pub(crate) async fn undo_failing(
        &mut self,
        quote: &booking::quote::Quote,
        seq: u64,
        failing: UndoFailing,
    ) {
        self.say(&LegChanged {
            booking_id: self.booking_id,
            leg_id: quote.legs[0].leg_id,
            seq,
            wanted_version: 9,
            state: LegState::InDoubt { since: Utc::now() },
            evidence: None,
            undo_failing: Some(failing),
            theirs: None,
            asks: None,
            no_show: false,
        })
        .await;
    }

    /// That the supplier has the first leg's days later by so many, of what was bought.
    pub(crate) async fn moved(&mut self, quote: &booking::quote::Quote, seq: u64, days: u64) {
        let leg = &quote.legs[0];
        let later = |day: chrono::NaiveDate| day + chrono::Days::new(days);
        self.say(&LegChanged {
            booking_id: self.booking_id,
            leg_id: leg.leg_id,
            seq,
            wanted_version: 9,
            state: LegState::InDoubt { since: Utc::now() },
            evidence: None,
            undo_failing: None,
            theirs: Some(LegContent {
                reference: "R1".to_owned(),
                check_in: later(leg.order.check_in),
                check_out: later(leg.order.check_out),
                price: leg.order.price,
                segments: Vec::new(),
            }),
            asks: None,
            no_show: false,
        })
        .await;
    }

    /// That the leg is given back as wished.
    pub(crate) async fn released(&mut self, quote: &booking::quote::Quote, seq: u64) {
        self.leg(quote, seq, LegState::Gone { why: GoneWhy::Released }).await;
    }

    /// Holds, takes the money and buys, until the booking is confirmed.
    pub(crate) async fn confirms(&mut self, quote: &booking::quote::Quote) -> Value {
        self.prepared().await;
        let reference = || "R1".to_owned();
        self.leg(quote, 1, LegState::Held { reference: reference(), until: None }).await;
        self.settled().await;
        reaches(self.world, self.booking_id.0, "committing").await;
        self.leg(quote, 2, LegState::Confirmed { reference: reference() }).await;
        reaches(self.world, self.booking_id.0, "confirmed").await
    }

    /// The same for every leg of a trip.
    pub(crate) async fn confirms_trip(&mut self, quote: &booking::quote::Quote) -> Value {
        self.prepared_for(quote.amount.clone()).await;
        let reference = |n: usize| format!("R{n}");
        for n in 0..quote.legs.len() {
            let held = LegState::Held { reference: reference(n), until: None };
            self.leg_at(quote, n, 1, held).await;
        }
        self.settled_units(quote.amount.units).await;
        reaches(self.world, self.booking_id.0, "committing").await;
        for n in 0..quote.legs.len() {
            self.leg_at(quote, n, 2, LegState::Confirmed { reference: reference(n) }).await;
        }
        reaches(self.world, self.booking_id.0, "confirmed").await
    }

    pub(crate) async fn closed(&mut self, closing: Closing) {
        let (booking_id, payment_id) = (self.booking_id, self.payment_id);
        self.say(&PaymentClosed { booking_id, payment_id, seq: 4, closing }).await;
    }

    /// How far the booking's first refund is.
    pub(crate) async fn refund(&mut self, seq: u64, state: RefundState) {
        let (booking_id, payment_id) = (self.booking_id, self.payment_id);
        let path = format!("/v1/bookings/{}", booking_id.0);
        let shown = self.world.get("acct_1", &path).await.json();
        let refund = &shown["payment"]["refunds"][0];
        self.say(&PaymentRefundChanged {
            booking_id,
            payment_id,
            seq,
            refund_id: refund["refund_id"].as_str().unwrap().parse().unwrap(),
            units: serde_json::from_value(refund["units"].clone()).unwrap(),
            state,
            transaction: None,
            value: None,
            otherwise: None,
        })
        .await;
    }

    pub(crate) async fn prepared(&mut self) {
        let asset = AssetId::parse("eth").unwrap();
        self.prepared_for(AssetAmount { units: units(), decimals: 18, asset }).await;
    }

    pub(crate) async fn prepared_for(&mut self, amount: AssetAmount) {
        let instruction = self.world.sign(self.instruction(amount));
        self.prepared_by(instruction).await;
    }

    /// Says that an instruction is this booking's, whoever signed it for whatever.
    pub(crate) async fn prepared_by(&mut self, instruction: SignedInstruction) {
        let (booking_id, payment_id) = (self.booking_id, self.payment_id);
        self.say(&PaymentPrepared { booking_id, payment_id, seq: 1, instruction }).await;
    }

    pub(crate) fn instruction(&self, amount: AssetAmount) -> Instruction {
        Instruction {
            booking_id: self.booking_id,
            payment_id: self.payment_id,
            chain: "eip155:31337".to_owned(),
            contract: None,
            address: "0x00000000000000000000000000000000000000aa".to_owned(),
            amount,
            pay_by: Utc::now() + TimeDelta::minutes(20),
            confirmations: 3,
            scheme: None,
        }
    }

    pub(crate) async fn settled(&mut self) {
        self.settled_units(units()).await;
    }

    pub(crate) async fn settled_units(&mut self, received: Units) {
        self.seen_units(received).await;
        self.paid_units(received).await;
    }

    /// All of the money is seen.
    pub(crate) async fn seen(&mut self) {
        self.seen_units(units()).await;
    }

    /// All of the money is final.
    pub(crate) async fn paid(&mut self) {
        self.paid_units(units()).await;
    }

    async fn seen_units(&mut self, received: Units) {
        let (booking_id, payment_id) = (self.booking_id, self.payment_id);
        let (seen_at, complete) = (Utc::now(), true);
        let seen = PaymentSeen { booking_id, payment_id, seq: 2, received, complete, seen_at };
        self.say(&seen).await;
    }

    async fn paid_units(&mut self, received: Units) {
        let (booking_id, payment_id) = (self.booking_id, self.payment_id);
        let complete = true;
        self.say(&PaymentSettled { booking_id, payment_id, seq: 3, received, complete }).await;
    }
}

pub(crate) fn units() -> Units {
    Units::parse(AMOUNT).unwrap()
}

pub(crate) async fn reaches(world: &World, booking_id: Uuid, status: &str) -> Value {
    let path = format!("/v1/bookings/{booking_id}");
    until(&format!("the booking is {status}"), || async {
        let shown = world.get("acct_1", &path).await.json();
        (shown["status"] == status).then_some(shown)
    })
    .await
}
