//! Money that is due back pays another booking, or goes back: never both.

use contracts::instruction::payment_at;

use super::*;
use crate::{Action, Event, MoneyAxis, Phase, Rebooking, ReviewWhy, money, next_actions};

/// Another booking that waits for so much.
pub(super) fn another(amount: u64) -> Rebooking {
    Rebooking {
        booking_id: BookingId(Uuid::from_u128(0x11)),
        payment_id: PaymentId(Uuid::from_u128(0x33)),
        price: Money::new(20_000, Currency::Eur),
        amount: AssetAmount { units: units(amount), decimals: 18, asset: rate().asset },
    }
}

fn rebook(world: &mut World, into: Rebooking) -> Result<(), Refusal> {
    world.ask(&Command::Rebook { into: Box::new(into) })
}

/// Nothing came in time, and all of it afterwards.
fn paid_too_late() -> World {
    let mut world = World::stay();
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    world.tell(&passed(Deadline::Pay));
    world.tell(&closed(nothing_came()));
    world.leg(0, 2, gone(GoneWhy::Released));
    assert_eq!((world.booking().phase, next_actions(world.booking())), (Phase::Failed, vec![]));
    world.tell(&settled(5, AMOUNT));
    world
}

fn told(world: &World) -> Vec<Option<String>> {
    let told = world.said.iter().filter_map(|effect| match effect {
        Effect::Refund(refund) => Some(refund.to.clone()),
        _ => None,
    });
    told.collect()
}

/// Row: C3
#[test]
fn money_after_the_end_is_sent_back_or_pays_another_booking_whichever_is_said_first() {
    let into = another(AMOUNT);
    let place = into.place();
    assert_eq!(payment_at(&place), Some(into.payment_id));
    let mut rebooked = paid_too_late();
    assert_eq!(next_actions(rebooked.booking()), [Action::Refund, Action::Rebook]);
    rebook(&mut rebooked, into.clone()).unwrap();
    // The click again, another booking, and the money back after all.
    let version = rebooked.booking().version;
    rebook(&mut rebooked, into.clone()).unwrap();
    let other = Rebooking { payment_id: PaymentId(Uuid::from_u128(0x34)), ..into.clone() };
    let nothing = Err(Refusal::NotAllowed { allowed: Vec::new() });
    assert_eq!(rebook(&mut rebooked, other), nothing);
    assert_eq!(rebooked.ask(&Command::Refund { to: "0xme".to_owned() }), nothing);
    assert_eq!(rebooked.booking().version, version);
    // The refund that waited since the money came goes there.
    assert_eq!(told(&rebooked), [None, Some(place)]);
    assert_eq!(rebooked.booking().pays_for(), Some(&into));
    let recorded = rebooked.journal.iter().any(|one| match &one.event {
        Event::Rebooked { into: told } => **told == into,
        _ => false,
    });
    assert!(recorded, "what was agreed to is in the journal");
    let id = rebooked.booking().payment.refunds[0].refund_id;
    rebooked.tell(&refund(id, AMOUNT, RefundState::Confirmed));
    assert_eq!(money(rebooked.booking()), MoneyAxis::Refunded);
    assert_eq!(rebooked.booking().phase, Phase::Failed, "it is over all the same");

    let mut refunded = paid_too_late();
    refunded.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    assert_eq!(rebook(&mut refunded, into), nothing);
    assert_eq!(told(&refunded), [None, Some("0xme".to_owned())]);
    assert_eq!(refunded.booking().pays_for(), None);
}

#[test]
fn money_that_the_other_booking_cannot_take_is_due_again_and_both_are_open() {
    let mut world = paid_too_late();
    rebook(&mut world, another(AMOUNT)).unwrap();
    let id = world.booking().payment.refunds[0].refund_id;
    world.tell(&refund_of(id, units(AMOUNT), 12, RefundState::Failed));
    assert_eq!(next_actions(world.booking()), [Action::Refund, Action::Rebook]);
    assert_eq!(world.booking().pays_for(), None);
    world.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap();
    let [.., newest] = world.booking().payment.refunds.as_slice() else { panic!("no refund") };
    assert!(newest.refund_id != id && newest.to.as_deref() == Some("0xme"));
}

/// Row: C5
/// Row: C3
#[test]
fn money_that_leaves_its_chain_after_it_paid_or_went_back_is_for_a_person_until_it_is_there_again()
{
    type Say = fn(&mut World);
    let ways: [(&str, Say); 2] = [
        ("rebooked", |world| rebook(world, another(AMOUNT)).unwrap()),
        ("sent back", |w| w.ask(&Command::Refund { to: "0xme".to_owned() }).unwrap()),
    ];
    for (name, say) in ways {
        let mut world = paid_too_late();
        say(&mut world);
        let why = |world: &World| world.booking().review.map(|review| review.why);
        world.tell(&reversed(7, AMOUNT, 0));
        assert_eq!(why(&world), None, "{name}: nobody has it yet");
        world.tell(&reversed(8, 0, AMOUNT));
        let id = world.booking().payment.refunds[0].refund_id;
        world.tell(&refund(id, AMOUNT, RefundState::Confirmed));
        assert_eq!((why(&world), world.booking().phase), (None, Phase::Failed), "{name}");

        world.tell(&reversed(20, AMOUNT, 0));
        assert_eq!(why(&world), Some(ReviewWhy::MoneyReversed), "{name}");
        let asked = world.booking().payment.refunds.len();
        world.tell(&reversed(21, 0, AMOUNT));
        assert_eq!(why(&world), None, "{name}");
        assert_eq!(world.booking().payment.refunds.len(), asked, "{name}: asked back once");
    }
}

#[test]
fn only_final_money_of_what_is_over_pays_another_booking_and_only_in_the_same_asset() {
    let mut world = paid_too_late();
    let asset = AssetId::parse("btc").unwrap();
    let other = Rebooking { amount: AssetAmount { asset, ..another(1).amount }, ..another(1) };
    let refused = Refusal::PaidOtherwise { with: rate().asset };
    assert_eq!(rebook(&mut world, other), Err(refused));
    // Seen and not final.
    let mut early = World::stay();
    early.leg(0, 1, held());
    early.tell(&prepared(AMOUNT));
    early.tell(&seen(2, AMOUNT, true));
    assert!(Rebooking::of(early.booking()).is_none(), "it is paid already");
    early.ask(&CANCEL).unwrap();
    early.leg(0, 2, gone(GoneWhy::Released));
    assert_eq!(next_actions(early.booking()), [Action::Refund]);
    // Away from its chain.
    world.tell(&reversed(7, AMOUNT, 0));
    assert!(!next_actions(world.booking()).contains(&Action::Rebook));
}

#[test]
fn what_waits_for_its_money_can_be_paid_from_another_and_nothing_else_can() {
    let mut world = World::stay();
    assert!(Rebooking::of(world.booking()).is_none(), "not held");
    world.leg(0, 1, held());
    world.tell(&prepared(AMOUNT));
    let waits = Rebooking::of(world.booking()).unwrap();
    assert_eq!((waits.amount.units, waits.price.minor), (units(AMOUNT), 20_000));
    world.tell(&passed(Deadline::Pay));
    assert!(Rebooking::of(world.booking()).is_none(), "being closed");
}
