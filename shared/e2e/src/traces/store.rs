//! Spans by trace, in memory, the oldest traces going first when there are too many.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Span;

/// Some hundred bytes each: far more bookings than anybody looks at.
const SPANS_MAX: usize = 200_000;
/// The attribute that names a booking.
const BOOKING: &str = "booking.id";

/// Every span that was received lately.
#[derive(Debug, Default)]
pub struct Store {
    traces: BTreeMap<String, Vec<Span>>,
    /// In the order in which their first span came.
    order: VecDeque<String>,
    bookings: BTreeMap<String, BTreeSet<String>>,
    /// From a trace to those that are linked to it.
    linked: BTreeMap<String, BTreeSet<String>>,
    spans: usize,
}

impl Store {
    pub fn add(&mut self, span: Span) {
        if let Some(booking) = span.attributes.get(BOOKING) {
            self.bookings.entry(booking.clone()).or_default().insert(span.trace_id.clone());
        }
        for link in &span.links {
            self.linked.entry(link.trace_id.clone()).or_default().insert(span.trace_id.clone());
        }
        let trace = self.traces.entry(span.trace_id.clone()).or_default();
        if trace.is_empty() {
            self.order.push_back(span.trace_id.clone());
        }
        trace.push(span);
        self.spans += 1;
        while self.spans > SPANS_MAX {
            self.forget_the_oldest();
        }
    }

    fn forget_the_oldest(&mut self) {
        let Some(trace_id) = self.order.pop_front() else { return };
        let spans = self.traces.remove(&trace_id).unwrap_or_default();
        self.spans -= spans.len();
        self.linked.remove(&trace_id);
        for booking in spans.iter().filter_map(|span| span.attributes.get(BOOKING)) {
            if let Some(traces) = self.bookings.get_mut(booking) {
                traces.remove(&trace_id);
                if traces.is_empty() {
                    self.bookings.remove(booking);
                }
            }
        }
        for link in spans.iter().flat_map(|span| &span.links) {
            if let Some(traces) = self.linked.get_mut(&link.trace_id) {
                traces.remove(&trace_id);
            }
        }
    }

    /// Every span, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Span> {
        self.traces.values().flatten()
    }

    /// The spans of a trace, earliest first.
    #[must_use]
    pub fn trace(&self, trace_id: &str) -> Vec<Span> {
        let mut spans = self.traces.get(trace_id).cloned().unwrap_or_default();
        spans.sort_by_key(|span| span.start_ns);
        spans
    }

    /// The spans of every trace that names the booking, and of those that are linked with one of
    /// them.
    #[must_use]
    pub fn booking(&self, booking_id: &str) -> Vec<Span> {
        let own = self.bookings.get(booking_id).cloned().unwrap_or_default();
        let mut all = own.clone();
        for trace_id in &own {
            all.extend(self.linked.get(trace_id).into_iter().flatten().cloned());
            let spans = self.traces.get(trace_id).into_iter().flatten();
            all.extend(spans.flat_map(|span| span.links.iter().map(|link| link.trace_id.clone())));
        }
        let mut spans: Vec<Span> =
            all.iter().filter_map(|id| self.traces.get(id)).flatten().cloned().collect();
        spans.sort_by_key(|span| span.start_ns);
        spans
    }

    /// How many spans and traces are kept.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.spans, self.traces.len())
    }
}
