//! The way to the endpoint: one request after the other, as supplier-sync makes them.

use std::{
    error::Error,
    fmt,
    sync::OnceLock,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use contracts::supplier::Supplier;
use reqwest::{Client, Method as Verb, redirect::Policy};
use suppliers::{
    Access, Answer, Ask, Asked, Dialect, HttpReply, HttpRequest, Left, Operation, SeenReservation,
    Sent, Unclear, dialect,
};

use crate::Subject;

/// The longest wait for an answer.
const WITHIN: Duration = Duration::from_secs(30);
/// The largest answer that is read.
const BODY_MAX: usize = 8 * 1024 * 1024;

/// What every answer of ours carries (partner-api.yaml, info).
const RATE_LIMIT: [&str; 3] = ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"];

/// What came of an exchange.
pub(crate) struct Heard {
    /// As our connector reads it.
    pub(crate) answer: Answer,
    /// How far its last call got; nothing where the dialect could not make the first.
    last: Option<Sent>,
}

impl Heard {
    /// What is known without a call.
    pub(crate) fn of(answer: Answer) -> Self {
        Self { answer, last: None }
    }

    /// What it shows.
    pub(crate) fn seen(&self) -> Vec<SeenReservation> {
        match &self.answer {
            Answer::Seen(seen) => seen.clone(),
            Answer::NotSent
            | Answer::Unknown { .. }
            | Answer::NotFound
            | Answer::Refused(_)
            | Answer::Accepted => Vec::new(),
        }
    }

    /// The status of the last reply.
    pub(crate) fn status(&self) -> Option<u16> {
        match &self.last {
            Some(Sent::Reply(reply)) => Some(reply.status),
            Some(Sent::NotSent | Sent::NoAnswer) | None => None,
        }
    }

    /// Whether nobody took the call.
    pub(crate) fn is_nobody(&self) -> bool {
        matches!(self.last, Some(Sent::NotSent))
    }

    /// Whether the last call was one over the limit.
    pub(crate) fn is_over_limit(&self, dialect: &dyn Dialect) -> bool {
        let Some(Sent::Reply(reply)) = &self.last else { return false };
        dialect.quota(reply, now()).is_some_and(|quota| quota.left == Left::Nothing)
    }

    /// In a few words.
    pub(crate) fn told(&self) -> String {
        match (&self.answer, self.status()) {
            (Answer::Unknown { why: Unclear::Malformed { what } }, Some(status)) => {
                format!("status {status}, not as documented: {what}")
            }
            (Answer::Unknown { why }, _) => why.to_string(),
            (Answer::Refused(why), _) => format!("refused ({why:?})"),
            (Answer::Seen(seen), _) => {
                let each = seen.iter().map(|it| format!("{} {}", it.reference, it.state.word()));
                format!("seen: {}", each.collect::<Vec<_>>().join(", "))
            }
            (Answer::NotSent, Some(status)) => format!("turned away with {status}"),
            (Answer::NotSent, None) if self.is_nobody() => NOBODY.to_owned(),
            (Answer::NotSent, None) => "nothing says how to ask that".to_owned(),
            (Answer::NotFound | Answer::Accepted, _) => self.answer.word().replace('_', " "),
        }
    }
}

/// What is said where no connection is to be had.
pub(crate) const NOBODY: &str = "nobody listens there";

/// A signed way to the endpoint.
pub(crate) struct Line {
    http: Client,
    base: String,
    pub(crate) access: Access,
    pub(crate) dialect: &'static dyn Dialect,
    /// The first answer that did not say how much more may be asked, where each is to.
    unlimited: OnceLock<String>,
}

impl Line {
    pub(crate) fn new(subject: &Subject) -> anyhow::Result<Self> {
        let http = Client::builder().no_proxy().redirect(Policy::none()).timeout(WITHIN).build()?;
        let access = Access {
            key: subject.key.clone(),
            secret: subject.secret.clone(),
            email: "conformance@holdfast.example".to_owned(),
            customer_ip: "192.0.2.1".to_owned(),
            country_code: "DE".to_owned(),
            language: "en-US".to_owned(),
        };
        let base = endpoint(&subject.url)?.trim_end_matches('/').to_owned();
        let dialect = dialect(subject.dialect);
        Ok(Self { http, base, access, dialect, unlimited: OnceLock::new() })
    }

    /// The first answer that did not say how much more may be asked, where each is to.
    pub(crate) fn unlimited(&self) -> Option<&str> {
        self.unlimited.get().map(String::as_str)
    }

    /// Notes whether an answer says how much more may be asked. Only ours promises that of each.
    fn note_limits(&self, call: &str, reply: &HttpReply) {
        let says = |name: &str| {
            let mut all = reply.headers.iter().filter(|(known, _)| known == name);
            all.any(|(_, value)| value.trim().parse::<u64>().is_ok())
        };
        let lacking = RATE_LIMIT.into_iter().find(|name| !says(name));
        if self.dialect.supplier() == Supplier::Neutral
            && let Some(name) = lacking
        {
            self.unlimited.get_or_init(|| {
                format!("expected `{name}` with every answer; none came with {call}")
            });
        }
    }

    /// Sends one request and reads the whole answer.
    pub(crate) async fn send(&self, request: HttpRequest) -> Sent {
        let Ok(verb) = Verb::from_bytes(request.method.word().as_bytes()) else {
            return Sent::NotSent;
        };
        let path = request.path_and_query.split('?').next().unwrap_or_default();
        let call = format!("{} {path}", request.method.word());
        let mut made = self.http.request(verb, format!("{}{}", self.base, request.path_and_query));
        for (name, value) in &request.headers {
            made = made.header(name, value);
        }
        match made.body(request.body.unwrap_or_default()).send().await {
            Ok(response) => {
                let sent = whole(response).await;
                if let Sent::Reply(reply) = &sent {
                    self.note_limits(&call, reply);
                }
                sent
            }
            Err(error) if error.is_connect() || error.is_builder() => Sent::NotSent,
            Err(_) => Sent::NoAnswer,
        }
    }

    /// Makes all the calls of an exchange and reads what came of it.
    pub(crate) async fn exchange(&self, ask: &Ask<'_>) -> Heard {
        let Some(first) = self.first(ask) else {
            return Heard::of(Answer::NotSent);
        };
        let by = Instant::now() + WITHIN;
        let mut replies: Vec<HttpReply> = Vec::new();
        let (mut request, mut after) = (first, Duration::ZERO);
        let sent = loop {
            tokio::time::sleep(after).await;
            let sent = self.send(request).await;
            let Sent::Reply(reply) = sent else { break sent };
            replies.push(reply);
            match self.dialect.go_on(&self.access, now(), ask, &replies) {
                Some(next) if Instant::now() + next.after < by => {
                    (request, after) = (next.request, next.after);
                }
                Some(_) => break Sent::NoAnswer,
                None => break replies.pop().map_or(Sent::NoAnswer, Sent::Reply),
            }
        };
        let (operation, client_reference, hold) = about(ask);
        let asked = Asked { operation, client_reference, hold, earlier: &replies };
        Heard { answer: self.dialect.read(&asked, &sent), last: Some(sent) }
    }

    /// The first request of an exchange; nothing where the dialect cannot make it.
    pub(crate) fn first(&self, ask: &Ask<'_>) -> Option<HttpRequest> {
        let (dialect, access, now) = (self.dialect, &self.access, now());
        match ask {
            Ask::Reserve(reserve) => dialect.reserve(access, now, reserve).ok(),
            Ask::Confirm(known) => dialect.confirm(access, now, known).ok(),
            Ask::Cancel(known) => dialect.cancel(access, now, known).ok(),
            Ask::Amend(amend) => dialect.amend(access, now, amend).ok(),
            Ask::LookUp(known) => Some(dialect.lookup(access, now, known)),
        }
    }
}

/// The address of an endpoint, or why it is none.
///
/// # Errors
/// When it does not say how and whom to call.
pub fn endpoint(text: &str) -> Result<String, NoEndpoint> {
    let url = reqwest::Url::parse(text).ok();
    let fits = url.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if fits { Ok(text.to_owned()) } else { Err(NoEndpoint) }
}

/// The text is no address of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoEndpoint;

impl fmt::Display for NoEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is no base URL: write http:// or https://, a host, and perhaps a path")
    }
}

impl Error for NoEndpoint {}

/// The time that signatures carry.
#[expect(clippy::disallowed_methods, reason = "for the endpoint's eyes")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}

fn about<'a>(ask: &Ask<'a>) -> (Operation, &'a str, bool) {
    match ask {
        Ask::Reserve(reserve) => (Operation::Reserve, reserve.client_reference, reserve.hold),
        Ask::Confirm(known) => (Operation::Confirm, known.client_reference, false),
        Ask::Cancel(known) => (Operation::Cancel, known.client_reference, false),
        Ask::Amend(amend) => (Operation::Amend, amend.known.client_reference, false),
        Ask::LookUp(known) => (Operation::Lookup, known.client_reference, false),
    }
}

async fn whole(mut response: reqwest::Response) -> Sent {
    let status = response.status().as_u16();
    let headers = response.headers().iter();
    let text = |value: &reqwest::header::HeaderValue| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    };
    let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= BODY_MAX => body.extend(chunk),
            Ok(None) => return Sent::Reply(HttpReply { status, headers, body }),
            Ok(Some(_)) | Err(_) => return Sent::NoAnswer,
        }
    }
}
