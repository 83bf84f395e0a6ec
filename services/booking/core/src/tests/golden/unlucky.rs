//! What goes otherwise than anybody wished: suppliers, money and people that change their minds.

use contracts::{
    internal::ReviewAct,
    messages::{RefundPriced, RefundValue},
    offer::Product,
};

use super::{
    super::{amending, changing, leaving, missed, repricing},
    *,
};
use crate::Settle;

pub(super) const STORIES: &[Story] = &[
    ("dearer_at_the_hold_and_ours_to_bear", dearer_and_borne),
    ("moved_by_the_supplier_and_back", moved_and_back),
    ("a_flight_moved_within_its_day_and_accepted", flight_moved),
    ("cancelled_by_the_supplier_and_rebooked", rebooked),
    ("kept_by_the_supplier_and_left_there", left_there),
    ("cancelled_by_the_supplier_on_the_day_and_given_back_by_hand", given_back),
    ("money_left_and_came_back", money_left),
    ("money_left_for_good", money_lost),
    ("looked_into_and_put_down", put_down),
    ("nobody_came", nobody_came),
    ("refunded_by_value", refunded_by_value),
];

fn dearer_and_borne() -> World {
    let mut world = World::accepted(0, vec![repricing::bearing()]);
    let paid = world.booking().payment.asked.clone().unwrap();
    repricing::refuse(&mut world, 0, repricing::asks(20_600));
    repricing::again(&mut world, 1, held());
    world.tell(&prepared_for(paid.clone()));
    world.tell(&settled_units(3, paid.units));
    repricing::again(&mut world, 2, confirmed());
    world
}

fn moved_and_back() -> World {
    let mut world = bought(free());
    let news = leg_moved(0, 5, world.wanted_version(0), 7);
    world.tell(&news);
    world.leg(0, 6, confirmed());
    world
}

fn flight_moved() -> World {
    let product = Product::Flight { segments: vec![changing::flight(0)] };
    let mut world = bought(vec![LegOrder { product, ..order(20_000, None) }]);
    let later = LegContent { segments: vec![changing::flight(11)], ..theirs(0) };
    world.tell(&leg_theirs(0, 5, 2, later));
    let agreed = change_digest(world.booking(), &world.booking().legs[0]).unwrap();
    let answer = ChangeAnswer::Accept;
    world.ask(&Command::AnswerChange { leg_id: leg_id(0), answer, agreed }).unwrap();
    world.leg(0, 6, confirmed());
    world
}

fn rebooked() -> World {
    let mut world = bought(vec![order(20_000, None)]);
    world.leg(0, 5, gone(GoneWhy::CancelledBySupplier));
    changing::rebooked(&mut world, 0, 18_000);
    world.leg(amending::NEW, 1, held());
    world.leg(amending::NEW, 2, confirmed());
    world
}

/// One stay of 200.00 of two nights that begin in two days, and one of 100.00 in March.
fn soon() -> World {
    let first = noon().date_naive() + chrono::Days::new(2);
    let mut soon = order(20_000, None);
    (soon.check_in, soon.check_out) = (first, first + chrono::Days::new(2));
    bought(vec![soon, order(10_000, Some(TimeDelta::days(30)))])
}

fn left_there() -> World {
    let mut world = soon();
    cancel(&mut world);
    leaving::refuses(&mut world, 0, 7);
    leaving::takes(&mut world, "ada");
    leaving::settle(&mut world, 0, Settle::LeaveThere, "ada").unwrap();
    world.leg(1, 8, gone(GoneWhy::Released));
    let settled = world.booking().payment.settled;
    world.tell(&closed(Closing::AlreadySettled { settled }));
    world
}

fn given_back() -> World {
    let mut world = soon();
    world.now = world.booking().legs[0].arrival();
    world.leg(0, 7, gone(GoneWhy::CancelledBySupplier));
    leaving::takes(&mut world, "ada");
    leaving::settle(&mut world, 0, Settle::GiveBack, "ada").unwrap();
    world
}

fn money_left() -> World {
    let mut world = bought(free());
    world.tell(&reversed(7, AMOUNT, 0));
    world.tell(&reversed(9, 0, AMOUNT));
    world
}

fn money_lost() -> World {
    let mut world = bought(free());
    world.tell(&reversed(7, AMOUNT, 0));
    world.tell(&lost(9, AMOUNT));
    world
}

fn put_down() -> World {
    let mut world = stuck();
    let (by, why) = ("ada".to_owned(), "end of my shift".to_owned());
    world.ask(&Command::Review { act: ReviewAct::Release, by, why }).unwrap();
    world
}

fn nobody_came() -> World {
    let mut world = bought(free());
    missed::came(&mut world, 0, 7, true);
    world.tell(&passed(Deadline::Over));
    world
}

/// Accepted while the policy says that money goes back as what it was worth.
fn refunded_by_value() -> World {
    let mut world = World { state: None, now: noon(), journal: Vec::new(), said: Vec::new() };
    let policy = Policy { refund_basis: RefundBasis::Fiat, ..policy() };
    world.take(decide(&None, &accept(0, free()), &policy, noon()).unwrap());
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&settled(3, AMOUNT));
    world.leg(0, 2, confirmed());
    cancel(&mut world);
    world.leg(0, 5, gone(GoneWhy::Released));
    world.tell(&closed_at(4, Closing::AlreadySettled { settled: units(AMOUNT) }));
    world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    let (refund_id, worth) =
        (world.booking().payment.refunds[0].refund_id, Money::new(20_000, Currency::Eur));
    let priced = RefundPriced { units: units(AMOUNT / 2), rate: rate(), as_of: noon() };
    for (seq, state, priced) in [
        (11, RefundState::Granted, None),
        (12, RefundState::Granted, Some(priced.clone())),
        (13, RefundState::Confirmed, Some(priced)),
    ] {
        let Fact::Refund(news) = refund_of(refund_id, units(AMOUNT), seq, state) else {
            unreachable!()
        };
        let value = Some(RefundValue { worth, priced });
        world.tell(&Fact::Refund(PaymentRefundChanged { value, ..news }));
    }
    world
}
