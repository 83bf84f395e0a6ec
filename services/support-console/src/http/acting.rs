//! Who acts, from where, and whether they may: whatever the answer, the audit has it.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use chassis::{
    ApiError, FieldError,
    auth::{Bearer, Claims},
};
use contracts::{ids::BookingId, internal::Versions, supplier::Supplier};
use http::{HeaderMap, request::Parts};
use messaging::StoreError;
use serde::{Deserialize as _, Deserializer, de::Error as _};
use uuid::Uuid;

use super::{failed, has_rank};
use crate::{
    App, mask,
    store::{self, Act, Outcome},
};

const REASON_MAX: usize = 500;
/// What a proxy says of where a request came from is cut here.
const FORWARDED_MAX: usize = 100;

/// Whoever sent a request.
pub(crate) struct Actor {
    claims: Claims,
    from_where: String,
}

impl FromRequestParts<App> for Actor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Bearer(claims) = Bearer::from_request_parts(parts, app).await?;
        Ok(Self { claims, from_where: from_where(parts, app) })
    }
}

/// The address of a request, whoever stands behind our own proxies, and what others claim: that
/// stands beside the address and not in its place.
fn from_where(parts: &Parts, app: &App) -> String {
    let Some(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0) else {
        return "unknown".to_owned();
    };
    let claimed = forwarded(&parts.headers).collect::<Vec<_>>().join(",");
    let origin = app.proxies.origin(peer.ip(), forwarded(&parts.headers));
    if origin != peer.ip().to_canonical() {
        format!("{origin} by way of {peer}")
    } else if claimed.is_empty() {
        peer.to_string()
    } else {
        format!("{peer}, for {}", address_like(&claimed))
    }
}

/// What proxies, or whoever says to be one, tell of where a request came from.
pub(crate) fn forwarded(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = &str> {
    headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok())
}

fn address_like(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_hexdigit() || ".:,[] ".contains(*c);
    text.chars().filter(plain).take(FORWARDED_MAX).collect()
}

impl Actor {
    /// Who it is.
    pub(crate) fn name(&self) -> &str {
        &self.claims.sub
    }
}

/// Reads a reason among the fields of a body.
pub(crate) fn reason<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    is_reason(&text).map_err(D::Error::custom)?;
    Ok(text)
}

fn is_reason(text: &str) -> Result<&str, String> {
    let reason = text.trim();
    if (1..=REASON_MAX).contains(&reason.chars().count()) && !reason.contains('\0') {
        return Ok(reason);
    }
    Err(format!("must have 1 to {REASON_MAX} characters"))
}

/// What the audit keeps of why something was refused. Of fields that are wrong it keeps where and
/// of what kind: what a reader says of a value may quote it.
fn recorded(error: &ApiError) -> String {
    if error.errors.is_empty() {
        return error.to_string();
    }
    let places = error.errors.iter().map(|field| {
        let place = if field.pointer.is_empty() {
            "the whole".to_owned()
        } else {
            mask::pointer(&field.pointer)
        };
        format!("{place} {}", field.code)
    });
    let places: Vec<_> = places.collect();
    format!("{} {}: {}", error.status.as_u16(), error.code, places.join(", "))
}

/// Something that a member of staff is about to do.
pub(crate) struct Attempt {
    app: App,
    actor: Actor,
    act: &'static str,
    about: About,
    reason: Option<String>,
}

/// What an act is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct About {
    pub(crate) dead_letter_id: Option<Uuid>,
    pub(crate) booking_id: Option<Uuid>,
    pub(crate) replay_run_id: Option<Uuid>,
    /// What differs at a supplier, or is not as documented.
    pub(crate) case_id: Option<Uuid>,
    /// What is odd about a payment.
    pub(crate) payment_case_id: Option<Uuid>,
    /// What a supplier pushed.
    pub(crate) callback_id: Option<Uuid>,
    pub(crate) supplier: Option<Supplier>,
}

impl About {
    /// What it is besides what has a column of its own.
    fn word(&self) -> Option<String> {
        let case = self.case_id.map(|id| format!("case:{id}"));
        let odd = || self.payment_case_id.map(|id| format!("payment_case:{id}"));
        let callback = || self.callback_id.map(|id| format!("callback:{id}"));
        let supplier = || self.supplier.map(|supplier| format!("supplier:{supplier}"));
        case.or_else(odd).or_else(callback).or_else(supplier)
    }
}

impl From<BookingId> for About {
    fn from(booking_id: BookingId) -> Self {
        Self { booking_id: Some(booking_id.0), ..Self::default() }
    }
}

impl Attempt {
    /// Goes on only if the caller's role is at least `role`; a denial is recorded.
    ///
    /// # Errors
    /// 403.
    pub(crate) async fn permit(
        app: &App,
        actor: Actor,
        act: &'static str,
        dead_letter_id: Option<Uuid>,
        role: &'static str,
    ) -> Result<Self, ApiError> {
        let about = About { dead_letter_id, ..About::default() };
        Self::permit_about(app, actor, act, about, role).await
    }

    /// The same about anything.
    ///
    /// # Errors
    /// 403.
    pub(crate) async fn permit_about(
        app: &App,
        actor: Actor,
        act: &'static str,
        about: About,
        role: &'static str,
    ) -> Result<Self, ApiError> {
        let may = has_rank(&actor.claims, role);
        let attempt = Self { app: app.clone(), actor, act, about, reason: None };
        if may {
            return Ok(attempt);
        }
        attempt.keep(Outcome::Denied, Some(format!("needs the role {role}"))).await?;
        Err(ApiError::forbidden())
    }

    /// Takes the reason, which every act needs.
    ///
    /// # Errors
    /// 422 when there is none or it is too long.
    pub(crate) fn because(mut self, reason: &str) -> Result<Self, ApiError> {
        let wrong = |detail| ApiError::invalid(vec![FieldError::new("/reason", "invalid", detail)]);
        self.reason = Some(is_reason(reason).map_err(wrong)?.to_owned());
        Ok(self)
    }

    /// Who tries it.
    pub(crate) fn actor_name(&self) -> &str {
        self.actor.name()
    }

    /// Notes what booking it is about.
    pub(crate) fn about(&mut self, booking_id: Option<Uuid>) {
        self.about.booking_id = booking_id;
    }

    /// The act, when it is done.
    pub(crate) fn done(&self) -> Act {
        self.act(Outcome::Done, None)
    }

    /// Records that somebody else will be told to do it.
    ///
    /// # Errors
    /// 500 when it cannot be recorded: then nobody is to be told.
    pub(crate) async fn begun(&self) -> Result<(), ApiError> {
        self.keep(Outcome::Begun, None).await
    }

    /// Records that somebody else has done it, and what that made of what it was done to.
    ///
    /// # Errors
    /// 500 when it cannot be recorded.
    pub(crate) async fn done_elsewhere(&self, versions: Option<Versions>) -> Result<(), ApiError> {
        self.write(self.done().making(versions)).await
    }

    /// Records that it cannot be done, and gives back what the caller is told.
    pub(crate) async fn refused(&self, error: ApiError) -> ApiError {
        self.ended(Outcome::Refused, error).await
    }

    /// Records that whoever was told has not answered, and gives back what the caller is told.
    pub(crate) async fn not_known(&self, error: ApiError) -> ApiError {
        self.ended(Outcome::NotKnown, error).await
    }

    async fn ended(&self, outcome: Outcome, error: ApiError) -> ApiError {
        match self.keep(outcome, Some(recorded(&error))).await {
            Ok(()) => error,
            Err(unrecorded) => unrecorded,
        }
    }

    async fn keep(&self, outcome: Outcome, refusal: Option<String>) -> Result<(), ApiError> {
        self.write(self.act(outcome, refusal)).await
    }

    async fn write(&self, act: Act) -> Result<(), ApiError> {
        let kept = async {
            let taken = self.app.pool.acquire().await;
            let mut conn = taken.map_err(messaging::database("taking a connection"))?;
            store::record(&mut conn, &act).await
        };
        let kept: Result<(), StoreError> = kept.await;
        kept.map_err(|error| failed(&error))
    }

    fn act(&self, outcome: Outcome, refusal: Option<String>) -> Act {
        Act {
            act_id: chassis::mint::uuid7(),
            actor: self.actor.claims.sub.clone(),
            roles: self.actor.claims.roles.iter().cloned().collect(),
            from_where: self.actor.from_where.clone(),
            act: self.act,
            outcome,
            reason: self.reason.clone(),
            refusal,
            dead_letter_id: self.about.dead_letter_id,
            booking_id: self.about.booking_id,
            replay_run_id: self.about.replay_run_id,
            about: self.about.word(),
            versions: None,
            trace_id: chassis::trace::trace_id(&tracing::Span::current()),
        }
    }
}
