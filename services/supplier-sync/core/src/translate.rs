//! Contract messages to commands, answers of a dialect to what they prove.

use contracts::{
    ids::LegId,
    messages::{LegGuestsWanted, LegWanted},
    offer::{FlightSegment, LegOrder},
};
use suppliers::{Answer, SeenReservation, SeenState, Unclear};

use crate::{
    command::Command,
    event::{Outcome, Seen, SeenStage},
};

/// A command and the leg it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    pub leg_id: LegId,
    pub command: Command,
}

impl From<LegWanted> for Inbound {
    fn from(message: LegWanted) -> Self {
        let LegWanted { booking_id, leg_id, version, wanted, order, accepts } = message;
        let order = Box::new(order);
        let command = Command::Want { booking_id, leg_id, version, wanted, order, accepts };
        Self { leg_id, command }
    }
}

impl From<LegGuestsWanted> for Inbound {
    fn from(message: LegGuestsWanted) -> Self {
        let LegGuestsWanted { booking_id, leg_id, version, party } = message;
        Self { leg_id, command: Command::WantGuests { booking_id, version, party } }
    }
}

/// What an answer proves, beside what was ordered. Why something is unknown stays in the journal of
/// exchanges.
pub(crate) fn outcome(answer: &Answer, order: &LegOrder) -> Outcome {
    match answer {
        Answer::NotSent => Outcome::NotSent,
        Answer::Unknown { why: Unclear::Foreign } => Outcome::Misnamed,
        Answer::Unknown { .. } => Outcome::Unknown,
        Answer::Seen(reservations) => {
            let seen = |one: &SeenReservation| seen(one, order);
            Outcome::Seen { reservations: reservations.iter().map(seen).collect() }
        }
        Answer::NotFound => Outcome::NotFound,
        Answer::Refused(why) => Outcome::Refused { why: *why, asks: None },
        Answer::Accepted => Outcome::Accepted,
    }
}

fn seen(reservation: &SeenReservation, order: &LegOrder) -> Seen {
    Seen {
        reference: reservation.reference.clone(),
        handle: reservation.handle.clone(),
        stage: match reservation.state {
            SeenState::Held { until } => SeenStage::Held { until },
            SeenState::Confirmed => SeenStage::Confirmed,
            SeenState::NoShow => SeenStage::NoShow,
            SeenState::Gone => SeenStage::Gone,
            SeenState::Unclear => SeenStage::Listed,
        },
        check_in: reservation.check_in,
        check_out: reservation.check_out,
        price: reservation.price,
        segments: other_flights(&reservation.segments, order.product.segments()),
        as_wanted: None,
        for_others: None,
    }
}

/// The flights that are said, where they are not the ordered ones.
fn other_flights(said: &[FlightSegment], ordered: &[FlightSegment]) -> Vec<FlightSegment> {
    let other = said != ordered && !ordered.is_empty();
    if other { said.to_vec() } else { Vec::new() }
}
