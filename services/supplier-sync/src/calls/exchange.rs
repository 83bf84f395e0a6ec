//! One exchange with a supplier: made if its lease allows, read by the dialect, sealed for the
//! journal.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chassis::{
    metrics::{self, Counter, Histogram},
    trace,
};
use chrono::TimeDelta;
use contracts::{
    internal::{PriceCheckRequest, TravellersReply},
    messages::{LegAsks, RefusedWhy},
    offer::{PriceCheck, Reprice},
    supplier::Supplier,
};
use supplier_sync_core::{
    Call, Doing, Fact,
    gate::{self, Class},
};
use suppliers::{
    Amend, Answer, Ask, Asked, Dialect, HttpReply, HttpRequest, Known, Left, NextCall, Quota,
    Reserve, Sent, Unclear, dialect,
};
use tracing::{Span, field::Empty};

use super::{fee, ordered, record::Answered, wish};
use crate::{
    App,
    accounts::{self, Account},
    cache::Passage,
    handle::Started,
    sample,
    shop::{self, Checked},
    store,
};

/// What a supplier answered waits no longer than this for the cache to forget what it knew.
const FORGET_WITHIN: Duration = Duration::from_millis(250);
/// When the process stops, calls in flight get this long; it is given 25 s in all.
const STOP_GRACE: Duration = Duration::from_secs(15);

/// The span of a call; part of the trace of what asked for it.
pub(super) fn span(started: &Started) -> Span {
    let call = &started.call;
    let operation = call.doing.operation().word();
    let span = tracing::info_span!(
        parent: None,
        "supplier call",
        otel.name = %format_args!("{operation} {}", call.supplier),
        supplier = call.supplier.word(),
        operation,
        booking.id = %call.booking_id,
        leg.id = %call.leg_id,
        attempt.id = call.attempt,
        exchange = call.exchange,
        outcome = Empty,
    );
    if let Some(parent) = &started.trace {
        trace::set_parent(&span, parent);
    }
    span
}

/// What came of a call that was never begun.
pub(super) fn not_begun(started: &Started) -> Answered {
    Draft::of(started)
        .end(Fact::Answered { exchange: started.call.exchange, answer: Answer::NotSent })
}

/// Makes the exchange and says what came of it.
pub(super) async fn make(app: &App, started: Started) -> Answered {
    let mut draft = Draft::of(&started);
    let call = started.call;
    let exchange = call.exchange;
    let answered = |answer| Fact::Answered { exchange, answer };
    if time_left(&call, started.began).is_none() {
        return draft.end(answered(Answer::NotSent));
    }
    let Some(account) = app.accounts.of(call.supplier) else {
        return draft.end(answered(Answer::NotSent));
    };
    let Ok(travellers) = ordered::travellers(app, &call).await else {
        return draft.end(answered(Answer::NotSent));
    };
    let ask = ask(&call, &travellers);
    let dialect = dialect(call.supplier);
    let request = match first(dialect, account, &ask) {
        Ok(request) => request,
        Err(Impossible::LookFirst) => return draft.end(Fact::NoHandle { exchange }),
        Err(Impossible::Never) => {
            return draft.end(answered(Answer::Refused(RefusedWhy::Rejected)));
        }
    };
    let path = request.path_and_query.clone();
    let class = Class::of(call.doing.operation());
    // Booking's answer may have been waited for, and a gate that is asked counts the call.
    if !wish::stands(app, &call).await || time_left(&call, started.began).is_none() {
        return draft.end(answered(Answer::NotSent));
    }
    match app.gates.ask(call.supplier, class, &path).await {
        Passage::Go => {}
        // Somebody waits for it, and nothing is paid yet.
        Passage::Open(_) if matches!(call.doing, Doing::Reserve { hold: true }) => {
            draft.row.outcome = "turned_away";
            return draft.end(Fact::TurnedAway { exchange });
        }
        Passage::Wait(wait) | Passage::Open(wait) => return draft.put_off(exchange, wait),
    }
    // Once more: what leaves after its lease could become a second reservation.
    let Some(within) = time_left(&call, started.began) else {
        return draft.end(answered(Answer::NotSent));
    };
    let begun = Instant::now();
    let talk = Talk { app, supplier: call.supplier, account, dialect, ask: &ask };
    let Talked { sent, earlier, spent, left } = tokio::select! {
        all = talk.hold(request, within, &mut draft) => all,
        // Whatever was sent is then as good as unanswered.
        () = grace_is_over(app) => Talked::silent(),
    };
    let took = begun.elapsed();
    let asked = Asked {
        operation: call.doing.operation(),
        client_reference: &call.client_reference,
        hold: matches!(call.doing, Doing::Reserve { hold: true }),
        earlier: &earlier,
    };
    let answer = dialect.read(&asked, &sent);
    draft.note(app, &answer, took);
    draft.cases = odd(&call, &answer, &sent);
    draft.cases.extend(fee::higher(dialect, &call, &earlier, &sent));
    let compared = ordered::compare(app, dialect, &call, travellers, &answer).await;
    draft.cases.extend(compared.cases);
    let names = (compared.names, compared.strangers);
    if sells_less(&call, &answer) {
        forget(app, &call).await;
    }
    let well = if spent.is_some() { None } else { is_well(&answer, &earlier) };
    let (path, quota) = left.map_or((path, None), |(path, quota)| (path, Some(quota)));
    app.gates.hear(call.supplier, (class, &path), quota.as_ref(), well).await;
    match spent.filter(|_| answer == Answer::NotSent) {
        Some(wait) => draft.put_off(exchange, wait),
        None => draft.end(learnt(app, &call, answer, names).await),
    }
}

/// Whether what is remembered of the offers may be wrong now: what was just taken, or perhaps
/// taken, may have been the last one, and some offers can be ordered once.
fn sells_less(call: &Call, answer: &Answer) -> bool {
    let taken = matches!(call.doing, Doing::Reserve { .. }) && *answer != Answer::NotSent;
    let gone = matches!(answer, Answer::Refused(RefusedWhy::SoldOut | RefusedWhy::PriceChanged));
    taken || gone
}

/// What an answer comes to; where only the price is another one, with what it is now.
async fn learnt(
    app: &App,
    call: &Call,
    answer: Answer,
    (names, strangers): (BTreeMap<String, bool>, BTreeMap<String, bool>),
) -> Fact {
    let exchange = call.exchange;
    if !names.is_empty() || !strangers.is_empty() {
        return Fact::Named { exchange, answer, names, strangers };
    }
    let repriced = match (call.doing, &answer, &call.order.reprice) {
        (
            Doing::Reserve { .. },
            Answer::Refused(RefusedWhy::PriceChanged),
            Some(Reprice { rate_key, cost: None, .. }),
        ) => asks(app, call, rate_key).await,
        _ => None,
    };
    match repriced {
        Some(asks) => Fact::Repriced { exchange, asks },
        None => Fact::Answered { exchange, answer },
    }
}

/// What the supplier asks for an order now; nothing where it does not say.
async fn asks(app: &App, call: &Call, rate_key: &str) -> Option<LegAsks> {
    let order = &call.order;
    let request = PriceCheckRequest {
        supplier: call.supplier,
        rate_key: rate_key.to_owned(),
        occupancy: order.occupancy.clone(),
        currency: order.price.currency,
    };
    match shop::price_check(app, &request).await {
        Checked::Answer(
            PriceCheck::Available { book_key, price, terms }
            | PriceCheck::PriceChanged { book_key, price, terms },
        ) => Some(LegAsks { book_key, price, terms }),
        Checked::Answer(PriceCheck::SoldOut)
        | Checked::Expired
        | Checked::BadKey
        | Checked::Unavailable => None,
    }
}

/// Has the cache forget what it knew of an order; where Redis hangs, the answer is written down
/// meanwhile.
async fn forget(app: &App, call: &Call) {
    let (cache, order) = (app.cache.clone(), call.order.clone());
    let forgetting = app
        .process
        .tasks
        .to_the_end("forget an order", async move { cache.forget_order(&order).await });
    drop(tokio::time::timeout(FORGET_WITHIN, forgetting).await);
}

/// What is odd about an answer: each a case, with a masked sample of it.
fn odd(call: &Call, answer: &Answer, sent: &Sent) -> Vec<store::NewCase> {
    let Sent::Reply(reply) = sent else { return Vec::new() };
    let (supplier, operation) = (call.supplier, call.doing.operation());
    let cases: Vec<_> = match answer {
        Answer::Unknown { why: Unclear::Malformed { what } } => {
            vec![sample::contract(supplier, operation, what, &reply.body)]
        }
        Answer::Unknown { why: why @ Unclear::Foreign } => {
            vec![sample::contract(supplier, operation, &why.to_string(), &reply.body)]
        }
        Answer::Seen(seen) => {
            seen.iter().filter_map(|s| sample::odd(supplier, operation, s, &reply.body)).collect()
        }
        Answer::NotSent
        | Answer::Unknown { .. }
        | Answer::NotFound
        | Answer::Refused(_)
        | Answer::Accepted => return Vec::new(),
    };
    let leg = Some((call.leg_id, call.booking_id));
    cases.into_iter().map(|case| store::NewCase { leg, ..case }).collect()
}

/// Whether a supplier that answers so is well; nothing where it was not asked.
fn is_well(answer: &Answer, earlier: &[HttpReply]) -> Option<bool> {
    match answer {
        // What was to follow earlier calls had no time any more.
        Answer::NotSent if !earlier.is_empty() => None,
        Answer::NotSent => Some(false),
        Answer::Unknown { why } => Some(match why {
            Unclear::NoAnswer | Unclear::Malformed { .. } | Unclear::Foreign => false,
            Unclear::Status { status, .. } => *status < 500,
            Unclear::AcceptedOnly | Unclear::Duplicate | Unclear::Incomplete => true,
        }),
        Answer::Seen(_) | Answer::NotFound | Answer::Refused(_) | Answer::Accepted => Some(true),
    }
}

/// How long an exchange may take. Nothing when it waited for so long that it could outlive its
/// lease: then it must not be sent at all.
fn time_left(call: &Call, began: Instant) -> Option<Duration> {
    let lease = (call.lease_until - call.began_at).to_std().unwrap_or_default();
    let within = lease * 3 / 4;
    (began.elapsed() + within < lease).then_some(within)
}

async fn grace_is_over(app: &App) {
    app.process.shutdown.cancelled().await;
    tokio::time::sleep(STOP_GRACE).await;
}

/// One exchange with a supplier, and all it takes.
struct Talk<'a> {
    app: &'a App,
    supplier: Supplier,
    account: &'a Account,
    dialect: &'static dyn Dialect,
    ask: &'a Ask<'a>,
}

/// How far the last call of an exchange got, and the replies to those before.
struct Talked {
    sent: Sent,
    earlier: Vec<HttpReply>,
    /// That the last reply turned the call away because too much was asked, and how long to wait.
    spent: Option<Duration>,
    /// What the last reply said is left, where that is something, and the path it is left for: told
    /// to the gate together with how the exchange ended.
    left: Option<(String, Quota)>,
}

impl Talked {
    const fn silent() -> Self {
        Self::cut(Sent::NoAnswer, Vec::new())
    }

    /// The last call got no reply.
    const fn cut(sent: Sent, earlier: Vec<HttpReply>) -> Self {
        Self { sent, earlier, spent: None, left: None }
    }
}

impl Talk<'_> {
    /// Makes the calls, one after the other, in the time there is.
    async fn hold(&self, first: HttpRequest, within: Duration, draft: &mut Draft) -> Talked {
        let by = Instant::now() + within;
        let mut earlier = Vec::new();
        let mut call = NextCall { request: first, after: Duration::ZERO };
        loop {
            let left = by.saturating_duration_since(Instant::now());
            if !earlier.is_empty() {
                if left <= call.after {
                    // The exchange ends before this one could be sent.
                    return Talked::cut(Sent::NotSent, earlier);
                }
                self.app.gates.spend(self.supplier, &call.request.path_and_query).await;
            }
            if !call.after.is_zero() {
                tokio::time::sleep(call.after).await;
            }
            draft.asks(&call.request);
            let path = call.request.path_and_query.clone();
            let sent = self.account.send(call.request, left.saturating_sub(call.after)).await;
            let Sent::Reply(reply) = sent else { return Talked::cut(sent, earlier) };
            draft.hears(&reply);
            let quota = self.dialect.quota(&reply, accounts::signed_at());
            earlier.push(reply);
            let (access, now) = (&self.account.access, accounts::signed_at());
            let next = self.dialect.go_on(access, now, self.ask, &earlier);
            let nothing = quota.as_ref().filter(|quota| quota.left == Left::Nothing);
            let spent = nothing.map(gate::wait);
            // That nothing is left, others are to know at once, and the next call is counted after
            // what was said; else the gate is told at the end.
            let at_once = next.is_some() || spent.is_some();
            if at_once && let Some(quota) = &quota {
                let place = (Class::Finish, path.as_str());
                self.app.gates.hear(self.supplier, place, Some(quota), None).await;
            }
            match next {
                Some(next) => call = next,
                None => {
                    let sent = earlier.pop().map_or(Sent::NoAnswer, Sent::Reply);
                    let left = quota.filter(|_| !at_once).map(|quota| (path, quota));
                    return Talked { sent, earlier, spent, left };
                }
            }
        }
    }
}

/// What an exchange is for, in the dialects' words.
fn ask<'a>(call: &'a Call, travellers: &'a TravellersReply) -> Ask<'a> {
    let client_reference = call.client_reference.as_str();
    let (reference, handle) = (call.reference.as_deref(), call.handle.as_deref());
    let known = Known { client_reference, reference, handle };
    match call.doing {
        Doing::Reserve { hold } => {
            let order = &call.order;
            Ask::Reserve(Reserve { client_reference, order, travellers, hold })
        }
        Doing::Confirm => Ask::Confirm(known),
        Doing::Cancel => Ask::Cancel(known),
        Doing::Amend => Ask::Amend(Amend { known, travellers }),
        Doing::LookUp { .. } => Ask::LookUp(known),
    }
}

/// Why there is no request to send.
enum Impossible {
    /// The dialect needs a look-up first.
    LookFirst,
    /// It can never be made.
    Never,
}

fn first(
    dialect: &dyn Dialect,
    account: &Account,
    ask: &Ask<'_>,
) -> Result<HttpRequest, Impossible> {
    let (access, now) = (&account.access, accounts::signed_at());
    match ask {
        Ask::Reserve(reserve) => {
            dialect.reserve(access, now, reserve).map_err(|_bad_key| Impossible::Never)
        }
        Ask::Confirm(known) => {
            dialect.confirm(access, now, known).map_err(|_none| Impossible::LookFirst)
        }
        Ask::Cancel(known) => {
            dialect.cancel(access, now, known).map_err(|_none| Impossible::LookFirst)
        }
        Ask::Amend(amend) => {
            dialect.amend(access, now, amend).map_err(|_none| Impossible::LookFirst)
        }
        Ask::LookUp(known) => Ok(dialect.lookup(access, now, known)),
    }
}

/// The journal's row of an exchange, while it is made.
struct Draft {
    leg_id: contracts::ids::LegId,
    row: store::Exchange,
    trace: Option<trace::TraceContext>,
    /// What was sent and what came, of all its calls. Personal data.
    asked: Vec<u8>,
    heard: Vec<u8>,
    cases: Vec<store::NewCase>,
}

impl Draft {
    fn of(started: &Started) -> Self {
        let call = &started.call;
        let row = store::Exchange {
            leg_id: call.leg_id.0,
            number: call.exchange,
            supplier: call.supplier.word(),
            operation: call.doing.operation().word(),
            client_reference: call.client_reference.clone(),
            status: None,
            outcome: "not_sent",
            detail: None,
            request_sealed: None,
            reply_sealed: None,
            began_at: call.began_at,
            took_ms: 0,
        };
        let trace = trace::current().or_else(|| started.trace.clone());
        let (asked, heard, cases) = (Vec::new(), Vec::new(), Vec::new());
        Self { leg_id: call.leg_id, row, trace, asked, heard, cases }
    }

    fn asks(&mut self, request: &HttpRequest) {
        append(&mut self.asked, &accounts::written(request));
    }

    /// Notes a reply's body.
    fn hears(&mut self, reply: &HttpReply) {
        self.row.status = Some(reply.status);
        append(&mut self.heard, &reply.body);
    }

    fn note(&mut self, app: &App, answer: &Answer, took: Duration) {
        self.row.request_sealed = self.seal(app, "request", &self.asked);
        if self.row.status.is_some() {
            self.row.reply_sealed = self.seal(app, "reply", &self.heard);
        }
        self.row.outcome = answer.word();
        self.row.detail = detail(answer);
        self.row.took_ms = i32::try_from(took.as_millis()).unwrap_or(i32::MAX);
        Span::current().record("outcome", answer.word());
        let (supplier, operation) = (self.row.supplier, self.row.operation);
        let labels = [("supplier", supplier), ("operation", operation), ("outcome", answer.word())];
        metrics::add(Counter::SupplierCalls, &labels, 1);
        let labels = [("supplier", supplier), ("operation", operation)];
        metrics::observe(Histogram::SupplierSeconds, &labels, took);
        if let Answer::Unknown { why } = answer {
            metrics::add(Counter::SupplierUnknowns, &labels, 1);
            report(why, &self.row);
        }
    }

    fn seal(&self, app: &App, column: &str, plain: &[u8]) -> Option<Vec<u8>> {
        let place = store::exchange_place(self.leg_id.0, self.row.number, column);
        // Without its text an exchange is still worth its row.
        app.sealer.seal(plain, place.as_bytes()).ok()
    }

    /// The call was not made, or turned away: not before so long.
    fn put_off(mut self, exchange: u32, wait: Duration) -> Answered {
        self.row.outcome = "put_off";
        let wait = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
        self.end(Fact::PutOff { exchange, wait })
    }

    fn end(self, fact: Fact) -> Answered {
        let Self { leg_id, row, cases, trace, .. } = self;
        Answered { leg_id, fact, row, cases, trace }
    }
}

/// What one call of an exchange adds to what is sealed; the calls stand apart by a line.
fn append(text: &mut Vec<u8>, part: &[u8]) {
    if !text.is_empty() {
        text.extend_from_slice(b"\n\n--\n\n");
    }
    text.extend_from_slice(part);
}

/// What the journal says of an answer in clear; a column takes every character but one.
fn detail(answer: &Answer) -> Option<String> {
    let detail = match answer {
        Answer::Unknown { why } => Some(why.to_string()),
        Answer::Refused(why) => Some(format!("{why:?}")),
        Answer::NotSent | Answer::Seen(_) | Answer::NotFound | Answer::Accepted => None,
    };
    detail.map(|text| text.replace('\0', "?"))
}

fn report(why: &Unclear, row: &store::Exchange) {
    tracing::warn!(
        supplier = row.supplier, operation = row.operation, why = %why,
        "the outcome of a call is not known; it is looked up"
    );
}
