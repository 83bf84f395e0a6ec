//! What a person, or a board, should see of an event, once it is sure to stay.

use chassis::metrics::{self, Counter};
use contracts::ids::{BookingId, LegId};
use supplier_sync_core::{Event, Leg};
use tracing::Span;

/// An event that is told of when its transaction is committed: a preview is taken back, and a batch
/// that fails is run again.
pub(crate) struct Noted {
    booking_id: BookingId,
    leg_id: LegId,
    supplier: &'static str,
    event: Event,
    span: Span,
}

impl Noted {
    /// Nothing when the event is an everyday one.
    pub(super) fn of(leg: &Leg, event: &Event, span: &Span) -> Option<Self> {
        let told = match event {
            Event::Mismatch { .. }
            | Event::AttemptProvenDead { .. }
            | Event::GaveUp { .. }
            | Event::InvariantBroken { .. }
            | Event::LookAsked { .. }
            | Event::Adopted { .. }
            | Event::CancelAsked { .. }
            | Event::DeclaredAbsent { .. }
            | Event::Told { undo_failing: Some(_), .. } => true,
            Event::Wanted { .. }
            | Event::GuestsWanted { .. }
            | Event::GuestsSettled { .. }
            | Event::AttemptMade { .. }
            | Event::Began { .. }
            | Event::Answered { .. }
            | Event::LeaseRanOut { .. }
            | Event::Hinted { .. }
            | Event::Agreed { .. }
            | Event::Told { .. } => false,
        };
        told.then(|| Self {
            booking_id: leg.booking_id,
            leg_id: leg.leg_id,
            supplier: leg.order.supplier.word(),
            event: event.clone(),
            span: span.clone(),
        })
    }

    /// Counts it and writes it to the log.
    pub(super) fn tell(&self) {
        self.span.in_scope(|| self.tell_in_span());
    }

    fn tell_in_span(&self) {
        let Self { booking_id, leg_id, supplier, event, .. } = self;
        match event {
            Event::Mismatch { reference, .. } => tracing::warn!(
                booking.id = %booking_id, leg.id = %leg_id, supplier, reference,
                "a reservation is not as it was ordered: other dates, a higher price or other names"
            ),
            Event::AttemptProvenDead { attempt, .. } => tracing::info!(
                booking.id = %booking_id, leg.id = %leg_id, supplier, attempt,
                "an attempt is proven dead"
            ),
            Event::GaveUp { attempt } => tracing::warn!(
                booking.id = %booking_id, leg.id = %leg_id, supplier, attempt,
                "an attempt could not be sent for too long and is given up"
            ),
            Event::InvariantBroken { what } => tracing::error!(
                booking.id = %booking_id, leg.id = %leg_id, supplier, what,
                "a rule of the leg was found broken"
            ),
            Event::Told { undo_failing: Some(failing), .. } => {
                let labels = [("supplier", *supplier), ("kind", "undo_failing")];
                metrics::add(Counter::DriftCases, &labels, 1);
                tracing::warn!(
                    booking.id = %booking_id, leg.id = %leg_id, supplier,
                    tries = failing.attempts, why = ?failing.why,
                    "a reservation that is not wanted could not be given back so far"
                );
            }
            Event::LookAsked { attempt, by, .. } => tracing::info!(
                booking.id = %booking_id, leg.id = %leg_id, supplier, attempt, by,
                "a member of staff asked for a look-up"
            ),
            Event::Adopted { reference, by, .. } => tracing::info!(
                booking.id = %booking_id, leg.id = %leg_id, supplier, reference, by,
                "a member of staff took a reservation that is dearer than ordered"
            ),
            Event::CancelAsked { reference, by, .. } => tracing::info!(
                booking.id = %booking_id, leg.id = %leg_id, supplier, reference, by,
                "a member of staff gave a reservation back"
            ),
            Event::DeclaredAbsent { attempt, by, .. } => tracing::info!(
                booking.id = %booking_id, leg.id = %leg_id, supplier, attempt, by,
                "a member of staff declared something absent"
            ),
            Event::Wanted { .. }
            | Event::GuestsWanted { .. }
            | Event::GuestsSettled { .. }
            | Event::AttemptMade { .. }
            | Event::Began { .. }
            | Event::Answered { .. }
            | Event::LeaseRanOut { .. }
            | Event::Hinted { .. }
            | Event::Agreed { .. }
            | Event::Told { .. } => {}
        }
    }
}
