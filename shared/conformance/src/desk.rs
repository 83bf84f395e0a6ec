//! Somebody who shops and books at the endpoint, and remembers what was made.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use chrono::Days;
use contracts::{
    ids::LegId,
    internal::{Gender, Traveller, TravellersReply},
    money::{Currency, Money},
    offer::{
        ActivitySearch, FlightSearch, LegOrder, Occupancy, Offer, PriceCheck, ProductKind, Reprice,
        Search, StaySearch,
    },
};
use suppliers::{Answer, Ask, Found, Known, Operation, Reserve, SeenReservation, Sent};
use uuid::Uuid;

use crate::{
    StandIn, Subject, judge,
    ledger::Ledger,
    line::{Heard, Line, NOBODY, now},
    said::Fault,
};

/// The pause between two look-ups of the same.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Who shops.
pub(crate) struct Desk<'a> {
    pub(crate) line: &'a Line,
    subject: &'a Subject,
    /// The check without which nothing can be ordered, once it did not pass.
    stopped_by: OnceLock<&'static str>,
    /// Everything that was ever ordered.
    pub(crate) ledger: Ledger,
}

/// A reservation that was made, or was to be.
pub(crate) struct Made {
    pub(crate) client_reference: String,
    pub(crate) order: LegOrder,
    pub(crate) seen: Option<SeenReservation>,
    /// What is wrong with how the answer to its order shows it.
    pub(crate) odd: Option<String>,
}

impl Made {
    /// The supplier's reference; nothing before it was seen.
    pub(crate) fn reference(&self) -> &str {
        self.seen.as_ref().map_or("", |seen| &seen.reference)
    }

    pub(crate) fn known(&self) -> Known<'_> {
        Known {
            client_reference: &self.client_reference,
            reference: self.seen.as_ref().map(|seen| seen.reference.as_str()),
            handle: self.seen.as_ref().and_then(|seen| seen.handle.as_deref()),
        }
    }
}

impl<'a> Desk<'a> {
    pub(crate) fn new(subject: &'a Subject, line: &'a Line) -> Self {
        Self { line, subject, stopped_by: OnceLock::new(), ledger: Ledger::default() }
    }

    /// How long a new reservation may be missing from look-ups.
    pub(crate) fn visible_within(&self) -> Duration {
        self.subject.visible_within
    }

    /// Orders nothing from here on: this check did not pass.
    pub(crate) fn stop(&self, check: &'static str) {
        self.stopped_by.get_or_init(|| check);
    }

    /// The check without which nothing can be ordered, where it did not pass.
    pub(crate) fn stopped_by(&self) -> Option<&'static str> {
        self.stopped_by.get().copied()
    }

    /// A reference of ours that was never used before.
    #[expect(clippy::disallowed_methods, reason = "the kit is its own edge: every leg is new")]
    pub(crate) fn client_reference(&self) -> String {
        self.line.dialect.client_reference(LegId(Uuid::now_v7()), 0)
    }

    /// What is looked for: two grown-ups, some days ahead.
    pub(crate) fn wanted(&self, currency: Currency) -> Search {
        let who = Occupancy { adults: 2, children: Vec::new() };
        let day = now().date_naive() + Days::new(self.subject.days_ahead);
        let ours = StandIn::of(self.line.dialect.supplier()).what;
        let what = self.subject.what.clone().unwrap_or_else(|| ours.to_owned());
        match self.line.dialect.sells() {
            ProductKind::Stay => Search::Stay(StaySearch {
                property_id: what,
                check_in: day,
                check_out: day + Days::new(2),
                occupancy: who,
                currency,
            }),
            ProductKind::Flight => {
                let (origin, destination) = what.split_once('-').unwrap_or((&what, ""));
                Search::Flight(FlightSearch {
                    origin: origin.to_owned(),
                    destination: destination.to_owned(),
                    departs_on: day,
                    returns_on: None,
                    passengers: who,
                    currency,
                })
            }
            ProductKind::Activity => Search::Activity(ActivitySearch {
                destination: what,
                from: day,
                to: day,
                participants: who,
                currency,
            }),
        }
    }

    /// What is on sale, in the first of our currencies that anything is sold in.
    pub(crate) async fn search(&self) -> Result<Vec<Offer>, Fault> {
        if let Some(check) = self.stopped_by() {
            return Err(Fault::see(check));
        }
        let mut told = Err("nothing is on sale in EUR, USD or GBP".to_owned());
        for currency in [Currency::Eur, Currency::Usd, Currency::Gbp] {
            let wanted = self.wanted(currency);
            let line = self.line;
            let Some(request) = line.dialect.search(&line.access, now(), &wanted) else {
                return Err("the dialect cannot ask for that".to_owned().into());
            };
            match line.send(request).await {
                Sent::Reply(reply) => match line.dialect.read_search(&wanted, &reply) {
                    Ok(Found { left_out: Some(broken), .. }) => {
                        told = Err(format!("one of the offers found: {broken}"));
                    }
                    Ok(Found { offers, .. }) if offers.is_empty() => {}
                    Ok(Found { offers, .. }) => return Ok(offers),
                    Err(broken) => told = Err(format!("the answer to a search: {broken}")),
                },
                Sent::NotSent => return Err(NOBODY.to_owned().into()),
                Sent::NoAnswer => return Err("a search was not answered".to_owned().into()),
            }
        }
        told.map_err(Fault::Seen)
    }

    /// The order of an offer, as a fresh price check makes it.
    pub(crate) async fn order(&self, offer: &Offer) -> Result<LegOrder, String> {
        let line = self.line;
        let request = line
            .dialect
            .price_check(&line.access, now(), &offer.rate_key)
            .map_err(|error| error.to_string())?;
        let Sent::Reply(reply) = line.send(request).await else {
            return Err("a price check was not answered".to_owned());
        };
        let currency = offer.price.currency;
        match line.dialect.read_price_check(&offer.rate_key, currency, &reply) {
            Ok(
                PriceCheck::Available { book_key, price, terms }
                | PriceCheck::PriceChanged { book_key, price, terms },
            ) => Ok(LegOrder {
                supplier: offer.supplier,
                book_key,
                property_id: offer.property_id.clone(),
                check_in: offer.check_in,
                check_out: offer.check_out,
                occupancy: offer.occupancy.clone(),
                price,
                terms,
                product: offer.product.clone(),
                reprice: Some(Reprice {
                    rate_key: offer.rate_key.clone(),
                    bears: Money::zero(price.currency),
                    cost: None,
                }),
            }),
            Ok(PriceCheck::SoldOut) => Err("sold out, a moment after it was offered".to_owned()),
            Err(broken) => Err(format!("the answer to a price check: {broken}")),
        }
    }

    /// The order of the first offer that can be held.
    pub(crate) async fn holdable(&self) -> Result<LegOrder, Fault> {
        let offers = self.search().await?;
        let offer = offers.iter().find(|offer| offer.terms.holdable && offer.terms.refundable);
        let none = || "nothing that is on sale can be held and given back".to_owned();
        Ok(self.order(offer.ok_or_else(none)?).await?)
    }

    /// Holds an order under a reference.
    pub(crate) async fn hold(&self, order: &LegOrder, client_reference: &str) -> Heard {
        self.hold_for(order, client_reference, &travellers()).await
    }

    /// Holds an order under a reference for these.
    pub(crate) async fn hold_for(
        &self,
        order: &LegOrder,
        client_reference: &str,
        travellers: &TravellersReply,
    ) -> Heard {
        let reserve = Reserve { client_reference, order, travellers, hold: true };
        self.ledger.sends(client_reference);
        let heard = self.line.exchange(&Ask::Reserve(reserve)).await;
        self.ledger.sees(client_reference, &heard);
        heard
    }

    /// Holds something new.
    pub(crate) async fn held(&self) -> Result<Made, Fault> {
        let order = self.holdable().await?;
        let client_reference = self.client_reference();
        let mut heard = self.hold(&order, &client_reference).await;
        // Who is told to wait looks what has become of it.
        if judge::waits(self.line.dialect, Operation::Reserve, &heard) {
            let known =
                Known { client_reference: &client_reference, reference: None, handle: None };
            let clear = |answer: &Answer| matches!(answer, Answer::Seen(_));
            heard = self.look_up(&known, clear).await;
        }
        match <[SeenReservation; 1]>::try_from(heard.seen()) {
            Ok([seen]) => {
                let odd = judge::as_ordered(self.line.dialect, &order, &seen).err();
                Ok(Made { client_reference, order, seen: Some(seen), odd })
            }
            Err(none) if none.is_empty() => {
                Err(judge::expected("the reservation that was ordered", &heard))
            }
            Err(several) => Err(Fault::Seen(format!("one was asked for, {} came", several.len()))),
        }
    }

    /// Looks up by our reference until `enough` says so, or the time in which a new reservation may
    /// be missing is over.
    pub(crate) async fn look_up(&self, known: &Known<'_>, enough: fn(&Answer) -> bool) -> Heard {
        let by = Instant::now() + self.subject.visible_within;
        let by_ours = Known { reference: None, handle: None, ..*known };
        loop {
            let heard = self.line.exchange(&Ask::LookUp(by_ours)).await;
            self.ledger.sees(known.client_reference, &heard);
            if enough(&heard.answer) || Instant::now() > by {
                return heard;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Nobody who exists.
pub(crate) fn travellers() -> TravellersReply {
    let person = |given_name: &str, gender| Traveller {
        given_name: given_name.to_owned(),
        family_name: "Conformance".to_owned(),
        born_on: chrono::NaiveDate::from_ymd_opt(1990, 5, 17),
        gender: Some(gender),
    };
    TravellersReply {
        travellers: vec![person("Ada", Gender::Female), person("Bo", Gender::Male)],
        email: "conformance@holdfast.example".to_owned(),
        phone: "+4915112345678".to_owned(),
        special_requests: None,
    }
}
