//! Travellers: they book, pay as they please, change their minds.

use std::collections::BTreeSet;

use booking_core::{
    Accept, Booking, Command, LegPlan, OnRefusal, Phase, Refusal, cancel_quote, next_actions,
};
use chrono::{Datelike as _, Days, NaiveDate, TimeDelta};
use contracts::{
    asset::{AssetAmount, AssetId, Rate, Units},
    ids::{AccountId, BookingId, LegId, PaymentId, QuoteId},
    instruction::{CARD, CARD_CHAIN},
    money::{Currency, Money},
    offer::{CancelStep, LegOrder, Occupancy, Reprice, Terms},
    supplier::Supplier,
};
use rand::Rng as _;
use rewards_core::{GrantId, translate::Inbound};
use suppliers::dialect;
use uuid::{Builder, Uuid};

use super::{Happening, World};
use crate::{
    mixed,
    parcel::Role,
    sometimes::Sometimes,
    supplier::{ELSEWHERE, Offer, product},
};

/// What can be had free for less is not sold as what can be held, where it is bought to hold it.
const HOLDS_FOR: TimeDelta = TimeDelta::hours(4);

/// How a traveller pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payer {
    Exact,
    TwoParts,
    Short,
    ShortThenTopsUp,
    TooMuch,
    Twice,
    Late,
    /// Just before it is too late.
    AtTheLast,
    Never,
}

/// Somebody with a quote.
#[derive(Debug)]
pub(crate) struct Traveller {
    pub(crate) accept: Box<Accept>,
    pub(crate) payer: Payer,
    pub(crate) cancels: bool,
    /// Agrees to what cancelling cost some time ago.
    pub(crate) agrees_late: bool,
    /// How many addresses were given for refunds.
    pub(crate) addresses: u32,
}

const ODD: [Payer; 8] = [
    Payer::TwoParts,
    Payer::Short,
    Payer::ShortThenTopsUp,
    Payer::TooMuch,
    Payer::Twice,
    Payer::Late,
    Payer::AtTheLast,
    Payer::Never,
];

impl World {
    /// Puts everybody's click on the agenda. Who is left out is drawn as all others are, so that
    /// those who are left stay who they are.
    pub(crate) fn invite(&mut self, bookings: u32, only: Option<&BTreeSet<u32>>) {
        let accounts: Vec<AccountId> =
            (0..2).map(|n| AccountId::parse(&format!("acct_{n}")).unwrap()).collect();
        for (n, account_id) in (1_u128..).zip(&accounts) {
            let points = self.rng.random_range(1..20_000);
            let grant =
                rewards_core::Command::Grant { grant_id: GrantId(Uuid::from_u128(n)), points };
            let inbound = Inbound::command(account_id.clone(), grant);
            let commit = self.accounts.feed(&inbound, self.now).unwrap();
            self.transact(Role::Rewards, commit);
        }
        for n in 0..bookings {
            let account_id = accounts[self.rng.random_range(0..accounts.len())].clone();
            let traveller = self.traveller(account_id);
            let booking_id = traveller.accept.booking_id;
            let at = self.now
                + TimeDelta::seconds(self.rng.random_range(0..i64::from(self.setting.rush_s)));
            let cancels_at = traveller.cancels.then(|| {
                let latest = match self.seconds(0, 3) {
                    0 | 1 => 240,
                    2 => 3_600,
                    _ => 40 * 3_600,
                };
                at + TimeDelta::seconds(self.seconds(1, latest))
            });
            self.invited.push(booking_id);
            if only.is_some_and(|only| !only.contains(&n)) {
                continue;
            }
            self.agenda.put(at, Happening::Accept(booking_id));
            if let Some(cancels_at) = cancels_at {
                self.agenda.put(cancels_at, Happening::Cancel(booking_id));
            }
            self.travellers.insert(booking_id, traveller);
        }
    }

    pub(super) fn id(&mut self) -> Uuid {
        Uuid::from_u128(self.rng.random())
    }

    fn traveller(&mut self, account_id: AccountId) -> Traveller {
        let booking_id = BookingId(self.id());
        let more = if self.chance(self.setting.more_legs) { self.seconds(1, 2) } else { 0 };
        let legs: Vec<LegPlan> = (0..=more).map(|_| self.leg(booking_id)).collect();
        let minor = legs.iter().map(|leg| leg.order.price.minor).sum();
        let price = Money::new(minor, Currency::Eur);
        let drawn = self.rng.random_range(200_000_000_000..400_000_000_000);
        let rate = rate(booking_id, drawn);
        let quoted = AssetAmount {
            units: rate.units_for(price).unwrap(),
            decimals: rate.decimals,
            asset: rate.asset.clone(),
        };
        let points = match self.chance(self.setting.redeems) {
            // Now and then everything, so that no money is due.
            true if self.chance(200) => u64::try_from(minor).unwrap(),
            true => u64::try_from(self.seconds(1, minor / 2)).unwrap(),
            false => 0,
        };
        let odd = self.chance(self.setting.odd_payer);
        let payer = if odd { ODD[self.rng.random_range(0..ODD.len())] } else { Payer::Exact };
        let accept = Box::new(Accept {
            booking_id,
            account_id,
            quote_id: QuoteId(self.id()),
            payment_id: PaymentId(self.id()),
            legs,
            on_refusal: refusal(booking_id),
            price,
            rate,
            quoted,
            points,
            refund_to: self.chance(500).then(|| format!("0x{:040x}", 0xba5e)),
        });
        Traveller {
            accept,
            payer,
            cancels: self.chance(self.setting.cancels),
            agrees_late: self.chance(self.setting.agrees_late),
            addresses: 0,
        }
    }

    pub(super) fn leg(&mut self, booking_id: BookingId) -> LegPlan {
        let drawn_id = LegId(self.id());
        let (leg_id, supplier) = self.leg_of(drawn_id);
        let today = self.now.date_naive();
        let first = self.rng.random_range(1..4);
        let check_in = after(today, first);
        let check_out = after(check_in, self.rng.random_range(1..3));
        let minor = match self.chance(self.setting.large) {
            true => self.seconds(250_000, 900_000),
            false => self.seconds(5_000, 60_000),
        };
        let price = Money::new(minor, Currency::Eur);
        let free_until = self.now + TimeDelta::hours(self.seconds(0, 48));
        let refundable = self.chance(800);
        let token = format!("t{}{}", check_in.day(), leg_id.0.simple());
        let offer = Offer {
            supplier,
            leg_id,
            check_in,
            check_out,
            price,
            sold_out: self.chance(self.setting.sold_out),
            price_changed: self.chance(self.setting.price_changed),
        };
        let book_key = self.market.sells(&token, offer);
        // What is bought in place of a hold can be given back free for some hours.
        let bought = dialect(supplier).holds_by_purchase();
        let free_until = if bought { free_until + HOLDS_FOR } else { free_until };
        let refundable = refundable || bought;
        let order = LegOrder {
            supplier,
            book_key,
            property_id: "19248".to_owned(),
            check_in,
            check_out,
            occupancy: Occupancy { adults: 1, children: Vec::new() },
            price,
            terms: Terms {
                refundable,
                cancel_steps: Vec::from_iter(
                    refundable.then_some(CancelStep::new(free_until, price)),
                ),
                holdable: true,
                due_at_property: Vec::new(),
            },
            product: product(supplier, check_in, check_out),
            reprice: Some(Reprice {
                rate_key: token,
                bears: Money::new(minor / 30, Currency::Eur),
                cost: None,
            }),
        };
        self.leg_owners.insert(leg_id, booking_id);
        LegPlan { leg_id, order }
    }

    /// Who sells a leg, and its id: that says when it was made, as ours do, where a supplier is
    /// asked for what was made since.
    ///
    /// Drawn from the leg alone, so that everybody else meets what they met before.
    fn leg_of(&self, drawn_id: LegId) -> (LegId, Supplier) {
        let (high, low) = drawn_id.0.as_u64_pair();
        let drawn = mixed(!mixed(high ^ low));
        if drawn % 1_000 >= u64::from(self.faults.elsewhere) {
            return (drawn_id, Supplier::Rapid);
        }
        let millis = u64::try_from(self.now.timestamp_millis()).unwrap();
        let random = drawn_id.0.as_bytes()[6..].try_into().unwrap();
        let leg_id = LegId(Builder::from_unix_timestamp_millis(millis, random).into_uuid());
        let which = usize::try_from(mixed(drawn) % 3).unwrap();
        (leg_id, ELSEWHERE[which])
    }

    /// The click. Whoever gets no answer clicks again.
    pub(super) fn accept(&mut self, booking_id: BookingId) {
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.put_in(3, Happening::Accept(booking_id));
        }
        let command = Command::Accept(self.travellers[&booking_id].accept.clone());
        let known = self.bookings.rows.contains_key(&booking_id);
        match self.bookings.ask(booking_id, &command, self.now) {
            Ok(commit) => {
                if known {
                    self.hit(Sometimes::AcceptRepeated);
                    if !commit.rows.is_empty() {
                        self.broken("S9", Some(booking_id), "accepted twice".to_owned());
                    }
                }
                self.tell(Some(booking_id), || "the customer clicks".to_owned());
                self.transact(Role::Booking, commit);
                if self.crashes() {
                    self.put_in(5, Happening::Accept(booking_id));
                }
            }
            Err(refusal) => panic!("a quote of ours was refused: {refusal}"),
        }
    }

    pub(super) fn cancel(&mut self, booking_id: BookingId) {
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.put_in(3, Happening::Cancel(booking_id));
        }
        // Whoever cancels agrees to what it costs now, or cost some time ago.
        let row = self.bookings.rows.get(&booking_id);
        let late = self.travellers[&booking_id].agrees_late;
        let asked_at = if late { self.now - TimeDelta::hours(24) } else { self.now };
        let quote = row.and_then(|booking| cancel_quote(booking, asked_at).ok());
        let agreed_fee = quote.as_ref().map(|quote| quote.fee);
        let bought = row.is_some_and(|booking| booking.phase == Phase::Confirmed);
        let costs = quote.as_ref().is_some_and(|quote| quote.fee.minor > 0);
        let command = Command::Cancel { agreed: quote.map(|quote| quote.digest) };
        match self.bookings.ask(booking_id, &command, self.now) {
            Ok(commit) => {
                self.hit(Sometimes::CancelledByCustomer);
                if bought {
                    self.hit(Sometimes::CancelledWhenBought);
                }
                if costs {
                    self.hit(Sometimes::CancelledForAFee);
                }
                self.tell(Some(booking_id), || "the customer cancels".to_owned());
                self.transact(Role::Booking, commit);
                let taken = self.bookings.rows[&booking_id].cancellation.map(|c| c.fee);
                if taken.is_some() && taken != agreed_fee {
                    let what = format!("agreed to {agreed_fee:?}, taken {taken:?}");
                    self.broken("S7", Some(booking_id), what);
                }
            }
            Err(Refusal::NotAllowed { .. }) => self.hit(Sometimes::CancelRefused),
            Err(Refusal::AgreementNeeded { .. }) if late => {
                self.hit(Sometimes::AgreedTooLate);
                self.travellers.get_mut(&booking_id).unwrap().agrees_late = false;
                self.put_in(30, Happening::Cancel(booking_id));
            }
            Err(_) => self.put_in(30, Happening::Cancel(booking_id)),
        }
    }

    /// A supplier asks more: most go on with it, some do not, some say nothing.
    ///
    /// Drawn from the digest alone, so that whoever is asked nothing meets what it met before.
    pub(super) fn asked_about(&mut self, booking_id: BookingId, digest: Uuid) {
        let (high, low) = digest.as_u64_pair();
        let drawn = mixed(high ^ low);
        let seconds = i64::try_from(mixed(drawn) % 400).unwrap() + 1;
        match drawn % 10 {
            0 | 1 => self.hit(Sometimes::TermsUnanswered),
            2 => self.put_in(seconds, Happening::Cancel(booking_id)),
            _ => self.put_in(seconds, Happening::AgreeToTerms(booking_id, digest)),
        }
    }

    pub(super) fn agree_to_terms(&mut self, booking_id: BookingId, agreed: Uuid) {
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.put_in(3, Happening::AgreeToTerms(booking_id, agreed));
        }
        match self.bookings.ask(booking_id, &Command::AcceptTerms { agreed }, self.now) {
            Ok(commit) => {
                self.tell(Some(booking_id), || "the customer agrees to new terms".to_owned());
                self.transact(Role::Booking, commit);
                if self.crashes() {
                    self.put_in(5, Happening::AgreeToTerms(booking_id, agreed));
                }
            }
            // It is undone, or something else is asked by now.
            Err(Refusal::NotAllowed { .. } | Refusal::TermsToAgree { .. }) => {}
            Err(refusal) => panic!("an agreement was refused: {refusal}"),
        }
    }

    /// Money waits for an address; most customers give one sooner or later.
    pub(super) fn asked_where_to(&mut self, booking_id: BookingId) {
        if self.chance(700) {
            let seconds = self.seconds(30, 48 * 3_600);
            self.put_in(seconds, Happening::GiveAddress(booking_id));
        }
    }

    pub(super) fn give_address(&mut self, booking_id: BookingId) {
        if self.crashes() {
            self.hit(Sometimes::CrashBeforeCommit);
            return self.put_in(3, Happening::GiveAddress(booking_id));
        }
        // Where sending was refused, another address may do.
        let traveller = self.travellers.get_mut(&booking_id).unwrap();
        traveller.addresses += 1;
        let given = traveller.addresses;
        let anew = given > 1;
        let by_card = self.travellers[&booking_id].accept.rate.asset.as_str() == "card-eur";
        let to = if by_card { CARD.to_owned() } else { format!("0x{:040x}", 0xba5e_0000 + given) };
        let command = Command::Refund { to };
        match self.bookings.ask(booking_id, &command, self.now) {
            Ok(commit) => {
                self.hit(Sometimes::RefundAddressGiven);
                if anew {
                    self.hit(Sometimes::RefundAddressedAnew);
                }
                self.tell(Some(booking_id), || "the customer says where to".to_owned());
                self.transact(Role::Booking, commit);
            }
            // The money left again, or went back meanwhile.
            Err(Refusal::NotAllowed { .. }) => {}
            Err(refusal) => panic!("an address was refused: {refusal}"),
        }
    }

    /// The customer is shown what to pay.
    pub(super) fn shown_to_pay(&mut self, booking: &Booking) {
        let booking_id = booking.booking_id;
        let seconds = match self.travellers[&booking_id].payer {
            Payer::Never => return,
            Payer::AtTheLast => {
                let left = booking.deadlines.pay_by - self.now;
                left.num_seconds() + self.seconds(-60, 60)
            }
            Payer::Late => {
                let left = booking.deadlines.pay_by - self.now;
                left.num_seconds() + self.seconds(1, 3_600)
            }
            Payer::Exact
            | Payer::TwoParts
            | Payer::Short
            | Payer::ShortThenTopsUp
            | Payer::TooMuch
            | Payer::Twice => self.seconds(5, 600),
        };
        self.put_in(seconds, Happening::Pay { booking_id, part: 0 });
    }

    pub(super) fn pay(&mut self, booking_id: BookingId, part: u32) {
        let booking = &self.bookings.rows[&booking_id];
        let payer = self.travellers[&booking_id].payer;
        // Whoever gave a leg up a moment ago may still see the address of before.
        let told = booking.payments().rev().find_map(|payment| payment.instruction.as_ref());
        let told = booking.payment.instruction.as_ref().or(told).unwrap();
        let instruction = told.instruction.clone();
        let open = booking.phase == Phase::AwaitingPayment
            && next_actions(booking).contains(&booking_core::Action::Pay);
        let late = booking.deadlines.pay_by < self.now;
        // Most look at the page before they pay; some do not.
        if payer == Payer::AtTheLast {
            self.hit(Sometimes::PaidInTheLastBlocks);
        }
        if !open
            && !matches!(payer, Payer::Late | Payer::AtTheLast)
            && part == 0
            && self.chance(800)
        {
            return;
        }
        if late {
            self.hit(Sometimes::PaidAfterDeadline);
        }
        if !open && part == 0 {
            self.hit(Sometimes::PaidWhileClosing);
        }
        if instruction.chain == CARD_CHAIN {
            return self.pay_by_card(booking_id, instruction.payment_id);
        }
        let whole = instruction.amount.units;
        let tenths = |n: u64| {
            Units(whole.0 / Units::parse("10").unwrap().0 * Units::parse(&n.to_string()).unwrap().0)
        };
        let units = match (payer, part) {
            (Payer::Exact | Payer::Late | Payer::AtTheLast | Payer::Never | Payer::Twice, _) => {
                whole
            }
            (Payer::TwoParts | Payer::ShortThenTopsUp, 0) => tenths(6),
            (Payer::TwoParts | Payer::ShortThenTopsUp, _) => whole.saturating_sub(tenths(6)),
            (Payer::Short, _) => tenths(6),
            (Payer::TooMuch, _) => tenths(13),
        };
        self.tell(Some(booking_id), || format!("the customer pays {units} of {whole}"));
        self.transfer(&instruction.address, units);
        let more = match (payer, part) {
            (Payer::TwoParts, 0) => Some(self.seconds(1, 10)),
            (Payer::ShortThenTopsUp, 0) => Some(self.seconds(60, 600)),
            (Payer::Twice, 0) => Some(self.seconds(30, 7_200)),
            _ => None,
        };
        if let Some(seconds) = more {
            self.put_in(seconds, Happening::Pay { booking_id, part: 1 });
        }
        match (payer, part) {
            (Payer::ShortThenTopsUp, 1) => self.hit(Sometimes::ShortThenToppedUp),
            (Payer::TooMuch, _) | (Payer::Twice, 1) => self.hit(Sometimes::PaidTooMuch),
            _ => {}
        }
    }
}

/// What it is paid with: one in eight by card, drawn from the booking alone.
fn rate(booking_id: BookingId, drawn: u64) -> Rate {
    let (high, low) = booking_id.0.as_u64_pair();
    let (asset, decimals, micro_minor_per_coin) = match (mixed(high ^ low) >> 8) % 8 {
        0 => ("card-eur", 2, 100_000_000),
        _ => ("eth", 18, drawn),
    };
    let asset = AssetId::parse(asset).unwrap();
    Rate { asset, decimals, currency: Currency::Eur, micro_minor_per_coin }
}

/// Some would rather have what can be had than nothing. Drawn from the booking alone, so that all
/// others meet what they met before there was a choice.
fn refusal(booking_id: BookingId) -> OnRefusal {
    let (high, low) = booking_id.0.as_u64_pair();
    if mixed(high ^ low).is_multiple_of(3) { OnRefusal::KeepHeld } else { OnRefusal::UndoAll }
}

fn after(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap()
}
