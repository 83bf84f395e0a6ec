//! The mistakes on purpose that stand in the cores, each at the line where it would be made.
//!
//! Each has to be found within some seeds, else the simulation looks away from what it breaks.

/// One mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutant {
    /// Its name in the source: `mutant("...")`.
    pub name: &'static str,
    /// What goes wrong.
    pub what: &'static str,
}

const fn mutant(name: &'static str, what: &'static str) -> Mutant {
    Mutant { name, what }
}

/// All of them.
pub const MUTANTS: &[Mutant] = &[
    // contracts
    mutant("rounded_down", "the amount to pay is less than the price"),
    mutant("float_money", "amounts have the digits of a float"),
    // suppliers
    mutant("signature_unchecked", "any callback is believed to be the supplier's"),
    mutant("old_callback_believed", "a callback that somebody kept is taken for a new one"),
    mutant("cancelled_reads_as_booked", "a cancelled room is read as booked"),
    mutant("taken_in_is_done", "an answer that it was taken in counts as done"),
    // messaging-core
    mutant("inbox_skipped", "a message that is delivered again is handled again"),
    mutant("replayed_when_done", "a replay of what took effect takes effect again"),
    mutant("leased_for_ever", "a message that a sweep took and lost is never sent"),
    // supplier-sync-core
    mutant("attempt_while_in_doubt", "a new attempt starts while the last one is in doubt"),
    mutant("bought_unread", "what is held is bought before anybody read what it is"),
    mutant("sent_while_in_doubt", "something is changed while something else is in doubt"),
    mutant("two_at_a_time", "an exchange begins while another one is under way"),
    mutant("not_found_trusted_early", "not found counts before anything has to show"),
    mutant("mismatch_ignored", "other days than ordered are taken"),
    mutant("refusal_ends_it", "after a refusal nobody looks whether it was made all the same"),
    mutant("window_without_visibility", "what shows late is forgotten"),
    mutant("stale_read_wins", "an old picture undoes a newer one"),
    mutant("missing_once_is_gone", "what one look-up does not show counts as gone"),
    mutant("lease_means_not_sent", "a call without an answer counts as never sent"),
    mutant("late_evidence_ignored", "what shows after the end is not taken in"),
    mutant("callback_is_state", "a callback's word is taken without a look"),
    mutant("no_answer_is_not_sent", "a reserve without an answer is sent again"),
    mutant("purchase_assumed", "a purchase without an answer counts as done"),
    mutant("cancel_assumed", "a cancellation without an answer counts as done"),
    mutant("never_swept", "nobody looks again for what was sent"),
    mutant("old_wish_wins", "an older wish replaces a newer one"),
    mutant("told_gone_too_early", "what is still there is told to be gone"),
    mutant("any_change_accepted", "what the supplier changed is taken for what was agreed to"),
    mutant("change_not_told", "nobody is told what the supplier changed"),
    // payment-verification-core
    mutant("reorg_ignored", "money in a block that left still counts"),
    mutant("first_block_is_final", "money counts as final in its first block"),
    mutant("finalised_again", "the same money is entered twice"),
    mutant("late_money_pays", "money after the closing pays the booking"),
    mutant("excess_forgotten", "what was paid too much is in no account"),
    mutant("reversal_ignored", "final money that left stays in the ledger"),
    mutant("lost_charge_counts", "what a card's bank took back still counts"),
    mutant("short_pays", "any money pays any price"),
    mutant("closed_without_reading", "unpaid is said before the blocks were read"),
    mutant("refund_address_dropped", "the address that a refund gets is forgotten"),
    mutant("card_kept_held", "what is held of an undone booking's card is never let go"),
    mutant("held_card_is_final", "what a card holds counts as taken"),
    mutant("sent_unapproved", "a large refund is sent before a second person let it go"),
    // booking-core
    mutant("old_news_wins", "old news of a leg replaces newer"),
    mutant("deaf_when_closed", "what comes after the end is not taken in"),
    mutant("paid_on_sight", "money that is seen and not final buys the rooms"),
    mutant("told_before_the_answer", "money told of after the closing buys the rooms"),
    mutant("never_too_late_to_pay", "a booking that nobody pays waits for ever"),
    mutant("one_leg_not_released", "one leg is forgotten in the undo"),
    mutant("points_kept", "points do not go back"),
    mutant("payment_left_open", "the payment of an undone booking is never closed"),
    mutant("refund_not_asked", "money that is due back is not asked for"),
    mutant("fee_forgotten", "the fee of a cancellation goes back, too"),
    mutant("refund_asked_again", "what was asked back is asked back again"),
    mutant("closed_over_a_leg", "a booking is closed while a leg is out"),
    mutant("points_not_captured", "redeemed points stay set aside"),
    mutant("all_bought_at_once", "several legs that cost something are bought at once"),
    mutant("any_rise_borne", "whatever a supplier asks more is ours to bear"),
    mutant("raise_not_paid", "what the customer agreed to pay more is not asked for"),
    mutant("amended_unbought", "what was bought is given up for what is not"),
    mutant("replaced_leg_stays", "what another leg took the place of is not given back"),
    mutant("failed_amendment_stays", "what was to take a place and could not is not given back"),
    mutant("difference_kept", "what a leg costs less does not go back"),
    mutant("difference_on_sight", "a dearer leg is bought with money that is seen and not final"),
    mutant("difference_left_open", "a payment for a leg that cannot be had is never closed"),
    mutant("any_fee_agreed", "a fee is taken that nobody agreed to"),
    mutant("accepted_again", "the same click makes a second booking"),
    mutant("timers_forgotten", "nothing wakes a booking at its deadlines"),
    mutant("deadlines_far_away", "a booking is woken at its deadlines a thousand times too late"),
    mutant("any_change_agreed", "an answer to one change counts for another"),
    mutant("never_refunded", "what a supplier took back is never refunded"),
    // rewards-core
    mutant("too_few_points_do", "fewer points are taken than were redeemed"),
    mutant("earned_points_stay", "points of a cancelled booking stay"),
    mutant("barred_forgotten", "a booking that ended before its confirmation was heard earns"),
    mutant("released_into_nothing", "points that go back arrive nowhere"),
];

/// Makes a mistake on this thread from now on, or none.
#[cfg(feature = "mutants")]
pub(crate) fn make(name: Option<&'static str>) {
    contracts::mutants::make(name);
}

/// In this build there are no mistakes.
#[cfg(not(feature = "mutants"))]
pub(crate) fn make(name: Option<&'static str>) {
    assert_eq!(name, None, "this was built without mistakes on purpose");
}
