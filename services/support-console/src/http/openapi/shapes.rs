//! The shapes of bodies.

use serde_json::{Map, Value, json};

use super::schema::{anything, count, id, instant, many, object, of, text, truth, words};

/// Every shape by its name.
pub(super) fn all() -> Value {
    let mut shapes = Map::new();
    for (name, shape) in
        [letters(), runs(), suppliers(), bookings(), refunds(), bodies()].into_iter().flatten()
    {
        shapes.insert(name.to_owned(), shape);
    }
    Value::Object(shapes)
}

type Shapes = Vec<(&'static str, Value)>;

#[expect(clippy::too_many_lines, reason = "a line for each field")]
fn letters() -> Shapes {
    let summary = [
        ("dead_letter_id", id()),
        ("queue", text()),
        ("consumer?", text()),
        ("cause", text()),
        ("detail?", text()),
        ("message_id", id()),
        ("message_type?", text()),
        ("attempt", count()),
        ("attempts", count()),
        ("exchange", text()),
        ("routing_key", text()),
        ("subject?", id()),
        ("booking_id?", id()),
        ("trace_id?", text()),
        ("first_at", instant()),
        ("last_at", instant()),
        ("parked_at", instant()),
        ("addressee?", text()),
        ("state", of("State")),
        ("state_at?", instant()),
        ("restorable_until?", instant()),
        ("replay_attempt?", count()),
        ("next_dead_letter_id?", id()),
        ("letter_cause_id", id()),
    ];
    let more = [
        ("headers", anything()),
        ("body_base64?", text()),
        ("body_text?", text()),
        ("body_bytes", count()),
        ("body_masked", truth()),
        ("history", many(of("Happened"))),
        ("replay_of?", id()),
        ("came_before?", id()),
        ("replay_late", truth()),
    ];
    let whole: Vec<_> = summary.iter().cloned().chain(more).collect();
    let state = json!({
        "enum": ["parked", "replaying", "succeeded", "failed_again", "discarded"],
        "description": "`succeeded` is said only when the consumer's own inbox says so.",
    });
    vec![
        ("State", state),
        ("LetterSummary", object(&summary)),
        ("Letter", object(&whole)),
        (
            "Letters",
            object(&[("dead_letters", many(of("LetterSummary"))), ("next_cursor?", text())]),
        ),
        (
            "Happened",
            object(&[
                ("version", count()),
                ("at", instant()),
                ("event", text()),
                ("actor?", text()),
                ("reason?", text()),
                ("consumer?", text()),
                ("attempt?", count()),
                ("mended?", many(text())),
                ("trace_id?", text()),
                ("restorable_until?", instant()),
                ("next_dead_letter_id?", id()),
                ("detail?", text()),
            ]),
        ),
        (
            "Preview",
            object(&[
                ("dead_letter_id", id()),
                ("consumer", text()),
                ("attempt", count()),
                (
                    "effect",
                    words(&["changes", "no_change", "repeat", "dead_again", "fails_for_now"]),
                ),
                ("why", text()),
                ("before?", text()),
                ("after?", text()),
                ("changes?", many(text())),
            ]),
        ),
        (
            "Done",
            object(&[
                ("dead_letter_id", id()),
                ("state", of("State")),
                ("replay?", of("Sent")),
                ("restorable_until?", instant()),
                ("edit?", of("Edit")),
            ]),
        ),
        (
            "Sent",
            object(&[
                ("consumer", text()),
                ("attempt", count()),
                ("trace_id?", text()),
                ("mended?", many(text())),
            ]),
        ),
        (
            "Unmasked",
            object(&[
                ("dead_letter_id", id()),
                ("headers", anything()),
                ("body_base64", text()),
                ("body_text?", text()),
            ]),
        ),
        ("Edits", many(of("Edit"))),
        (
            "Edit",
            object(&[
                ("edit_id", id()),
                ("dead_letter_id", id()),
                ("made_at", instant()),
                ("proposer", text()),
                ("reason?", text()),
                ("changed", many(text())),
            ]),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a line for each field")]
fn runs() -> Shapes {
    let run = [
        ("replay_run_id", id()),
        ("made_at", instant()),
        ("about", text()),
        ("ladder", many(count())),
        ("per_second", count()),
        ("failed_percent_max", count()),
        ("letters", count()),
        ("state", words(&["running", "paused", "stopped", "done"])),
        ("why?", text()),
        ("changed_at", instant()),
        ("at_most?", count()),
        ("actor", text()),
        ("reason?", text()),
        ("left", count()),
        ("pending", count()),
        ("succeeded", count()),
        ("late", count()),
        ("failed", count()),
        ("refused", count()),
    ];
    let cause = [
        ("letter_cause_id", id()),
        ("supplier", text()),
        ("consumer", text()),
        ("message_type", text()),
        ("cause", text()),
        ("error", text()),
        ("parked", count()),
        ("replaying", count()),
        ("total", count()),
        ("first_at", instant()),
        ("last_at", instant()),
        ("newest_id", id()),
        ("hours", many(count())),
    ];
    let late = [
        ("dead_letter_id", id()),
        ("booking_id?", id()),
        ("consumer", text()),
        ("attempt", count()),
        ("since", instant()),
    ];
    let item = json!({
        "type": "array", "minItems": 2, "maxItems": 2,
        "prefixItems": [text(), of("AttentionItem")],
        "description": "Who tells it, and what.",
    });
    vec![
        ("Run", object(&run)),
        ("Runs", many(of("Run"))),
        ("Cause", object(&cause)),
        (
            "Attention",
            object(&[
                ("causes", many(of("Cause"))),
                ("items", many(item)),
                ("breakers", many(of("Supplier"))),
                ("cases", many(of("Case"))),
                ("cases_open", count()),
                ("counts", anything()),
                ("more", truth()),
                ("owners", many(of("Answering"))),
                ("late_replays", many(object(&late))),
                ("replays_late", count()),
                ("proof", of("Proven")),
            ]),
        ),
        ("Proven", object(&[("last?", of("Proof")), ("trouble?", text())])),
        ("Proof", object(&[("at", instant()), ("differences?", count())])),
        (
            "AttentionItem",
            object(&[
                ("kind", text()),
                ("booking_id?", id()),
                ("what", text()),
                ("since", instant()),
                ("by?", instant()),
            ]),
        ),
        ("Answering", object(&[("owner", text()), ("answers", truth()), ("why?", text())])),
        (
            "Flow",
            object(&[
                ("queues?", many(of("Queue"))),
                ("unsent", many(of("Unsent"))),
                ("owners", many(of("Answering"))),
            ]),
        ),
        (
            "Queue",
            object(&[
                ("of", text()),
                ("messages", count()),
                ("listening", count()),
                ("dead", count()),
                ("trying_since?", instant()),
            ]),
        ),
        ("Unsent", object(&[("owner", text()), ("due", count()), ("oldest?", instant())])),
        ("Acts", object(&[("acts", many(of("Act"))), ("next_cursor?", text())])),
        (
            "Act",
            object(&[
                ("act_id", id()),
                ("at", instant()),
                ("actor", text()),
                ("roles", many(text())),
                ("from_where", text()),
                ("act", text()),
                ("outcome", words(&["begun", "done", "denied", "refused", "not_known"])),
                ("reason?", text()),
                ("refusal?", text()),
                ("dead_letter_id?", id()),
                ("booking_id?", id()),
                ("replay_run_id?", id()),
                ("about?", text()),
                ("version_before?", count()),
                ("version_after?", count()),
                ("trace_id?", text()),
            ]),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "a line for each field")]
fn suppliers() -> Shapes {
    let by_hand = || object(&[("staff", text()), ("why", text()), ("at", instant())]);
    let breaker = [
        ("state", words(&["closed", "open", "half_open"])),
        ("opened_at?", instant()),
        ("probes_at?", instant()),
        ("calls", count()),
        ("failed", count()),
        ("reset?", by_hand()),
    ];
    let quota = [("path?", text()), ("left_percent", count()), ("until", instant())];
    let supplier = [
        ("supplier", text()),
        ("shared", truth()),
        ("breaker", object(&breaker)),
        ("calls_per_minute_max", count()),
        ("calls_free", count()),
        ("quotas", many(object(&quota))),
    ];
    let comparison = [
        ("comparison_id", id()),
        ("supplier", text()),
        ("asked_by?", text()),
        ("begun_at", instant()),
        ("ended_at?", instant()),
        ("outcome", words(&["under_way", "done", "given_up"])),
        ("pages", count()),
        ("listed", count()),
        ("differing", count()),
        ("missing", count()),
        ("unknown", count()),
        ("open_cases?", count()),
    ];
    let case = [
        ("case_id", id()),
        ("supplier", text()),
        ("kind", text()),
        ("subject", text()),
        ("booking_id?", id()),
        ("leg_id?", id()),
        ("ours", json!({})),
        ("theirs", json!({})),
        ("opened_at", instant()),
        ("last_at", instant()),
        ("times", count()),
        ("closed?", by_hand()),
    ];
    let odd = [
        ("case_id", id()),
        ("reason", text()),
        ("subject", text()),
        ("payment_id", id()),
        ("booking_id", id()),
        ("chain?", text()),
        ("transaction?", text()),
        ("contract?", text()),
        ("units?", text()),
        ("asset?", text()),
        ("amount_decimal?", text()),
        ("opened_at", instant()),
        ("closed_at?", instant()),
        ("closed_by?", text()),
        ("closed_because?", text()),
    ];
    vec![
        ("Supplier", object(&supplier)),
        ("Suppliers", object(&[("suppliers", many(of("Supplier")))])),
        ("Comparison", object(&comparison)),
        ("Case", object(&case)),
        ("Cases", object(&[("cases", many(of("Case")))])),
        ("OddPayment", object(&odd)),
        ("OddPayments", object(&[("cases", many(of("OddPayment"))), ("open", count())])),
    ]
}

#[expect(clippy::too_many_lines, reason = "a line for each field")]
fn bookings() -> Shapes {
    vec![
        (
            "Timeline",
            object(&[
                ("booking_id", id()),
                ("entries", many(of("Entry"))),
                ("owners", many(of("Answering"))),
            ]),
        ),
        (
            "Entry",
            object(&[
                ("owner", text()),
                ("at", instant()),
                ("partner_at?", instant()),
                ("kind", text()),
                ("what", text()),
                ("actor", text()),
                ("message_id?", id()),
                ("trace_id?", text()),
                ("reference?", text()),
                ("detail?", anything()),
            ]),
        ),
        (
            "Found",
            object(&[
                ("found", many(of("Match"))),
                ("callbacks", many(of("FoundCallback"))),
                ("dead_letters", many(id())),
                ("owners", many(of("Answering"))),
            ]),
        ),
        (
            "FoundCallback",
            object(&[("callback_id", id()), ("supplier", text()), ("received_at", instant())]),
        ),
        ("FoundBookings", object(&[("found", many(of("Match")))])),
        ("Match", object(&[("booking_id", id()), ("by", text()), ("owner", text())])),
        (
            "Review",
            object(&[
                ("review?", anything()),
                ("safe", many(anything())),
                ("versions?", of("Versions")),
            ]),
        ),
        ("Versions", object(&[("before", count()), ("after", count())])),
        (
            "Leg",
            object(&[
                ("leg_id", id()),
                ("supplier", text()),
                ("wanted", text()),
                ("told?", json!({})),
                ("undo_failing?", anything()),
                ("in_doubt_since?", instant()),
                ("attempts", many(anything())),
                ("safe", many(anything())),
                ("versions?", of("Versions")),
            ]),
        ),
        ("Legs", object(&[("legs", many(of("Leg")))])),
        (
            "Seen",
            object(&[
                ("version", count()),
                ("newest", count()),
                ("at", instant()),
                ("shown", anything()),
            ]),
        ),
        (
            "Travellers",
            object(&[
                ("travellers", many(anything())),
                ("email", text()),
                ("phone", text()),
                ("special_requests?", text()),
            ]),
        ),
    ]
}

fn refunds() -> Shapes {
    vec![
        (
            "RefundStanding",
            object(&[
                ("state", words(&["granted", "sent", "confirmed", "failed"])),
                ("missing", text()),
                ("versions?", of("Versions")),
            ]),
        ),
        ("WaitingRefunds", object(&[("refunds", many(of("WaitingRefund")))])),
        (
            "WaitingRefund",
            object(&[
                ("refund_id", id()),
                ("booking_id", id()),
                ("payment_id", id()),
                ("amount", anything()),
                ("amount_decimal", text()),
                ("basis", words(&["then", "now", "fiat"])),
                ("sends_decimal?", text()),
                ("worth?", anything()),
                ("has_address", truth()),
                ("handled_by?", text()),
                ("granted_at", instant()),
            ]),
        ),
    ]
}

fn bodies() -> Shapes {
    let reason = || ("reason", json!({ "type": "string", "minLength": 1, "maxLength": 500 }));
    let leg_act = json!({
        "type": "object", "required": ["is"],
        "properties": {
            "is": words(&["look_up", "adopt", "cancel", "declare_absent"]),
            "reference": text(), "attempt": count(),
        },
    });
    vec![
        ("Because", object(&[reason()])),
        ("FindContact", object(&[reason(), ("email", text())])),
        ("Replay", object(&[reason(), ("body?", json!({}))])),
        (
            "NewRun",
            object(&[
                reason(),
                ("letter_cause_id?", id()),
                ("consumer?", text()),
                ("cause?", text()),
                ("at_most?", count()),
                ("ladder?", many(count())),
            ]),
        ),
        ("LegAct", object(&[reason(), ("evidence?", text()), ("act", leg_act)])),
        (
            "ReviewAct",
            object(&[
                reason(),
                ("act", words(&["take", "release", "leave_leg", "give_back_leg"])),
                ("leg_id?", id()),
            ]),
        ),
        ("Proof", object(&[reason(), ("transaction", text())])),
        (
            "Problem",
            json!({
                "type": "object", "required": ["type", "title", "status", "code"],
                "properties": {
                    "type": text(), "title": text(), "status": count(), "code": text(),
                    "detail": text(),
                    "errors": many(object(&[
                        ("pointer", text()), ("code", text()), ("detail", text()),
                    ])),
                },
            }),
        ),
    ]
}
