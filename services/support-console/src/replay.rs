//! A dead letter as it would be sent again: by a preview, or for good.

use chassis::{ApiError, FieldError, trace, trace::TraceContext};
use contracts::{
    envelope::header,
    ids::MessageId,
    mend::{self, Fault, FaultKind},
    message::Message as _,
    messages::CallbackReceived,
};
use messaging::{Address, Replay};
use serde_json::{Map, Value, json};
use tracing::Span;

use crate::store::Whole;

/// What a letter becomes when it is sent again.
pub(crate) struct Plan {
    pub(crate) replay: Replay,
    /// Where a mended body differs from the original.
    pub(crate) changed: Option<Vec<String>>,
}

/// What of a letter is sent again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What<'a> {
    /// It as it came, byte for byte.
    Original,
    /// A body that is mended if nothing that is locked differs.
    Mended(&'a Value),
    /// A body that was mended before, with where it differs: these bytes were agreed to, and what
    /// their type reads from them is the same as it was.
    Agreed(&'a [u8], &'a [String]),
}

/// Makes the replay of a letter, mended or byte for byte.
///
/// # Errors
/// 409 when nobody could get it, 422 when the mended body is not one or changes what is locked.
pub(crate) fn plan(whole: &Whole, attempt: i64, what: What<'_>) -> Result<Plan, ApiError> {
    let summary = &whole.summary;
    let consumer = summary.addressee.clone().ok_or_else(|| {
        ApiError::conflict("no_addressee", "no consumer is known that would get it")
    })?;
    // The inbox counts attempts in a column of that size.
    let attempt = i32::try_from(attempt).ok().and_then(|attempt| u32::try_from(attempt).ok());
    let attempt = attempt.ok_or_else(|| {
        ApiError::conflict("no_further_attempt", "its number of attempts is as high as it gets")
    })?;
    let (body, changed) = match what {
        What::Original => (whole.body.clone(), None),
        What::Mended(body) => {
            let mended = mended(whole, body)?;
            (mended.body, Some(mended.changed))
        }
        What::Agreed(body, changed) => (body.to_vec(), Some(changed.to_vec())),
    };
    let origin =
        Address { exchange: summary.exchange.clone(), routing_key: summary.routing_key.clone() };
    let message_id = MessageId(summary.message_id);
    let headers = whole.headers.clone();
    let replay = Replay { message_id, attempt, origin, consumer, headers, body };
    Ok(Plan { replay, changed })
}

/// Whether an edit of such a message needs a second person: all that move money or a booking's
/// state do. What a supplier called about is only a hint to look.
pub(crate) fn needs_second(message_type: Option<&str>) -> bool {
    message_type != Some(CallbackReceived::TYPE)
}

/// A trace of its own, linked to that of the delivery that failed and to the request.
pub(crate) fn span(whole: &Whole, replay: &Replay) -> Span {
    let span = tracing::info_span!(
        parent: None,
        "replay",
        otel.name = %format_args!("replay to {}", replay.consumer),
        message.id = %replay.message_id,
        attempt = replay.attempt,
        consumer = replay.consumer,
        booking.id = whole.summary.booking_id.map(tracing::field::display),
        dead_letter.id = %whole.summary.dead_letter_id,
    );
    if let Some(failed) = failed_in(&whole.headers) {
        trace::link(&span, &failed);
    }
    if let Some(request) = trace::current() {
        trace::link(&span, &request);
    }
    span
}

fn failed_in(headers: &Map<String, Value>) -> Option<TraceContext> {
    let text = |name| headers.get(name).and_then(Value::as_str).map(str::to_owned);
    let tracestate = text(header::TRACESTATE);
    Some(TraceContext { traceparent: text(header::TRACEPARENT)?, tracestate })
}

fn mended(whole: &Whole, body: &Value) -> Result<mend::Mended, ApiError> {
    let summary = &whole.summary;
    let (Some(name), Some(subject)) = (summary.message_type.as_deref(), summary.subject) else {
        let detail = "it does not say of what type it is and what it is about";
        return Err(ApiError::conflict("not_mendable", detail));
    };
    mend::mend(name, subject, &whole.body, body).map_err(|faults| {
        let locked = faults.iter().filter(|fault| fault.kind == FaultKind::Locked);
        let locked: Vec<_> = locked.map(|fault| fault.pointer.clone()).collect();
        ApiError::invalid(faults.into_iter().map(field_error).collect())
            .with("locked", json!(locked))
    })
}

fn field_error(fault: Fault) -> FieldError {
    let code = match fault.kind {
        FaultKind::Unreadable => "invalid",
        FaultKind::Locked => "locked",
        FaultKind::Unchanged => "unchanged",
    };
    FieldError::new(format!("/body{}", fault.pointer), code, fault.detail)
}
