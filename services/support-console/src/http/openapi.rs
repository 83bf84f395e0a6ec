//! The API's own description, OpenAPI 3.1 at `/openapi.json`: a row for each operation, and the
//! shapes that its answers have.

mod schema;
mod shapes;

use chassis::http::Json;
use contracts::supplier::Supplier;
use serde_json::{Map, Value, json};

use self::schema::of;

/// One thing that staff can ask for.
struct Operation {
    method: &'static str,
    path: &'static str,
    /// In one line, for people.
    does: &'static str,
    /// The least role.
    role: &'static str,
    query: &'static [&'static str],
    /// The name of the body's shape.
    body: Option<&'static str>,
    status: u16,
    /// The name of the answer's shape; none for an answer without a body.
    answer: Option<&'static str>,
}

const fn get(
    path: &'static str,
    does: &'static str,
    query: &'static [&'static str],
    answer: &'static str,
) -> Operation {
    let (method, role, body) = ("get", "support_viewer", None);
    Operation { method, path, does, role, query, body, status: 200, answer: Some(answer) }
}

const fn post(
    path: &'static str,
    does: &'static str,
    role: &'static str,
    body: &'static str,
    (status, answer): (u16, Option<&'static str>),
) -> Operation {
    Operation { method: "post", path, does, role, query: &[], body: Some(body), status, answer }
}

const OPERATOR: &str = "support_operator";
const APPROVER: &str = "support_approver";
const LETTERS: &[&str] =
    &["consumer", "cause", "booking_id", "state", "letter_cause_id", "limit", "cursor"];
const ACTS: &[&str] =
    &["dead_letter_id", "booking_id", "replay_run_id", "actor", "limit", "cursor"];

const OPERATIONS: &[Operation] = &[
    get("/v1/dead-letters", "Lists dead letters, the newest first", LETTERS, "Letters"),
    get("/v1/dead-letters/{id}", "Shows one with all that came with it, masked", &[], "Letter"),
    get(
        "/v1/dead-letters/{id}/preview",
        "Says what a replay would do, by the code that would do it; nothing is written",
        &[],
        "Preview",
    ),
    post(
        "/v1/dead-letters/{id}/replay",
        "Sends it again, as it was or mended; nobody knows yet what comes of it",
        OPERATOR,
        "Replay",
        (202, Some("Done")),
    ),
    post(
        "/v1/dead-letters/{id}/discard",
        "Puts it aside, until the shown instant in a way that can be taken back",
        OPERATOR,
        "Because",
        (200, Some("Done")),
    ),
    post(
        "/v1/dead-letters/{id}/restore",
        "Takes it back from where it was put aside",
        OPERATOR,
        "Because",
        (200, Some("Done")),
    ),
    post(
        "/v1/dead-letters/{id}/unmask",
        "Shows it with nothing hidden; the look is recorded",
        OPERATOR,
        "Because",
        (200, Some("Unmasked")),
    ),
    get("/v1/replays", "Lists replays of many, the newest first", &[], "Runs"),
    post(
        "/v1/replays",
        "Sends many again, in growing steps that stop by themselves",
        OPERATOR,
        "NewRun",
        (202, Some("Run")),
    ),
    get("/v1/replays/{id}", "Shows how far one is", &[], "Run"),
    post(
        "/v1/replays/{id}/{change}",
        "Holds one, lets it go on, or ends it: pause, resume, stop",
        OPERATOR,
        "Because",
        (200, Some("Run")),
    ),
    get("/v1/edits", "Lists edits that wait for a second person", &[], "Edits"),
    post(
        "/v1/edits/{id}/approve",
        "Lets somebody else's edit pass and sends the letter so",
        APPROVER,
        "Because",
        (202, Some("Done")),
    ),
    post(
        "/v1/edits/{id}/refuse",
        "Lets it not pass; its author may take it back",
        APPROVER,
        "Because",
        (204, None),
    ),
    get("/v1/attention", "Tells what needs a person, the worst first", &[], "Attention"),
    get("/v1/flow", "Tells what waits at the broker and what is not sent yet", &[], "Flow"),
    get("/v1/suppliers", "Tells how suppliers do: breakers, budgets, quotas", &[], "Suppliers"),
    post(
        "/v1/suppliers/{supplier}/reset",
        "Closes a breaker by hand: everything is sent there again",
        APPROVER,
        "Because",
        (200, Some("Supplier")),
    ),
    get(
        "/v1/suppliers/{supplier}/comparison",
        "Tells how its whole list was compared with ours the last time",
        &[],
        "Comparison",
    ),
    get(
        "/v1/cases",
        "Lists what differs at suppliers or is not as they document it, the oldest first",
        &[],
        "Cases",
    ),
    get("/v1/cases/{id}", "Shows one with what we have and what they have", &[], "Case"),
    post(
        "/v1/cases/{id}/close",
        "Says that it is seen to; what is another difference opens it again",
        OPERATOR,
        "Because",
        (200, Some("Case")),
    ),
    get(
        "/v1/payment-cases",
        "Lists what is odd about payments, the newest first",
        &[],
        "OddPayments",
    ),
    get("/v1/payment-cases/{id}", "Shows one with what shows it", &[], "OddPayment"),
    post(
        "/v1/payment-cases/{id}/close",
        "Says that it is seen to; nothing is sent and no booking changes",
        OPERATOR,
        "Because",
        (200, Some("OddPayment")),
    ),
    post(
        "/v1/payment-cases/{id}/write-off",
        "Says that money that left its chain is lost for good: its booking waits for it no more",
        APPROVER,
        "Because",
        (200, Some("OddPayment")),
    ),
    post(
        "/v1/callbacks/{id}/again",
        "Has a supplier's callback said once more: whoever hears of it looks there again",
        OPERATOR,
        "Because",
        (202, None),
    ),
    get("/v1/acts", "Lists what staff did or were kept from, the newest first", ACTS, "Acts"),
    get(
        "/v1/bookings/{id}/seen",
        "Shows it as its customer sees it, now or as of an earlier change",
        &["at"],
        "Seen",
    ),
    get(
        "/v1/bookings/{id}/legs",
        "Tells how its legs stand at suppliers, and what is safe for each",
        &[],
        "Legs",
    ),
    post(
        "/v1/bookings/{id}/legs/{leg}/acts",
        "Repairs a leg, if its owner finds it safe",
        OPERATOR,
        "LegAct",
        (202, Some("Leg")),
    ),
    get("/v1/bookings/{id}/review", "Says why it waits and what is safe", &[], "Review"),
    post(
        "/v1/bookings/{id}/review",
        "Looks into a booking that waits, leaves it to others, or settles a leg of it",
        OPERATOR,
        "ReviewAct",
        (200, Some("Review")),
    ),
    post(
        "/v1/bookings/{id}/refunds/{refund}/proof",
        "Names the transaction that brought a refund; only the chain proves it",
        APPROVER,
        "Proof",
        (202, Some("RefundStanding")),
    ),
    post(
        "/v1/bookings/{id}/refunds/{refund}/settlement",
        "Answers for what is missing of a refund: given otherwise, or owed no more",
        APPROVER,
        "Because",
        (200, Some("RefundStanding")),
    ),
    get("/v1/refunds", "Lists refunds that a second person has to let go", &[], "WaitingRefunds"),
    post(
        "/v1/bookings/{id}/refunds/{refund}/approval",
        "Lets a refund go; refused to whoever looked into the booking",
        APPROVER,
        "Because",
        (202, None),
    ),
    post(
        "/v1/bookings/{id}/travellers",
        "Shows who travels; the look is recorded",
        OPERATOR,
        "Because",
        (200, Some("Travellers")),
    ),
    get("/v1/bookings/{id}/timeline", "Tells all that happened to it", &[], "Timeline"),
    get("/v1/search", "Finds bookings and letters by any reference or trace", &["key"], "Found"),
    post(
        "/v1/search/contacts",
        "Finds bookings by an e-mail address; the search is recorded, the address is not",
        OPERATOR,
        "FindContact",
        (200, Some("FoundBookings")),
    ),
];

/// The document.
pub(crate) async fn show() -> Json<Value> {
    std::future::ready(Json(document())).await
}

fn document() -> Value {
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(operation.method.to_owned(), described(operation));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Holdfast support console",
            "description": "What support sees and does. Every act needs a reason and is in the \
                            audit, allowed or not. Instants are UTC. Errors are \
                            `application/problem+json` (RFC 9457) with a stable `code`.",
            "version": "1",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "security": [{ "bearer": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "EdDSA, with `iss`, `aud` holdfast, `exp`, `sub`, and `roles` of staff",
            }},
            "schemas": shapes::all(),
        },
    })
}

fn described(operation: &Operation) -> Value {
    let named = operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let in_path = named.map(|name| {
        let schema = match name {
            "change" => json!({ "enum": ["pause", "resume", "stop"] }),
            "supplier" => json!({ "enum": Supplier::ALL.map(Supplier::word) }),
            _ => json!({ "type": "string", "format": "uuid" }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let in_query = operation.query.iter().map(|name| {
        let schema = match *name {
            "at" => json!({ "type": "integer", "minimum": 0 }),
            "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 200 }),
            "cursor" | "key" | "actor" | "cause" | "consumer" => json!({ "type": "string" }),
            "state" => json!({ "$ref": "#/components/schemas/State" }),
            _ => json!({ "type": "string", "format": "uuid" }),
        };
        json!({ "name": name, "in": "query", "required": *name == "key", "schema": schema })
    });
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let mut answer = json!({ "description": operation.does });
    if let (Some(shape), Some(fields)) = (operation.answer, answer.as_object_mut()) {
        fields.insert("content".to_owned(), json!({ "application/json": { "schema": of(shape) } }));
    }
    let problem = json!({
        "description": "Why not",
        "content": { "application/problem+json": { "schema": of("Problem") } },
    });
    let mut told = json!({
        "summary": operation.does,
        "description": format!("Needs the role `{}`, or one that may do more.", operation.role),
        "parameters": parameters,
        "responses": { operation.status.to_string(): answer, "default": problem },
    });
    if let (Some(shape), Some(fields)) = (operation.body, told.as_object_mut()) {
        let content = json!({ "application/json": { "schema": of(shape) } });
        fields.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    told
}
