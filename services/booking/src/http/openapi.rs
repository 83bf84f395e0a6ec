//! The gateway's own description: OpenAPI 3.1 at `/openapi.json`, a reader of it at `/docs`.
//!
//! Each handler describes itself above its code; this gathers them. What is internal is typed in
//! `contracts::internal` and is not described here.

pub(super) mod problems;
pub(crate) mod shapes;

use axum::{
    Router,
    middleware::map_response,
    response::{IntoResponse as _, Response},
    routing::get,
};
use chassis::http::Json;
use http::{HeaderValue, header};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use self::problems::Anywhere;
use super::{
    activities, amendment, bookings, cancellation, change, events, flights, history, qr, quotes,
    rebooking, refund, search, terms, views,
};

/// The reader may load nothing from elsewhere: it works where there is no network.
const ONLY_FROM_HERE: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast booking gateway",
        description = "Search, quote, book. Amounts are texts of whole smallest units with a scale; \
                       instants are UTC. Errors are `application/problem+json` (RFC 9457) with a \
                       stable `code`, and name every wrong field at once.",
        version = "1",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        search::stays,
        flights::flights,
        activities::activities,
        quotes::create,
        quotes::show,
        views::assets,
        views::rewards,
        bookings::create,
        bookings::show,
        history::history,
        qr::show,
        cancellation::cancel,
        cancellation::cancel_leg,
        amendment::amend,
        change::answer,
        terms::accept,
        refund::give,
        rebooking::rebook,
        events::follow,
    ),
    tags(
        (name = "stays", description = "Rooms that can be booked"),
        (name = "flights", description = "Flights that can be booked"),
        (name = "activities", description = "Activities that can be booked"),
        (name = "quotes", description = "A price that is promised for some minutes"),
        (name = "bookings", description = "From the click to the stay"),
        (name = "account", description = "What belongs to the account"),
    ),
    security(("bearer" = [])),
    modifiers(&Bearer, &Anywhere),
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("EdDSA, with `iss`, `aud` holdfast, `exp`, and `sub`, the account"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    }
}

/// The document.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// Serves the document and its reader.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    // The reader's default asks a service on the network whether the document is well formed.
    let config = Config::from("/openapi.json").validator_url("none");
    let reader = Router::from(SwaggerUi::new("/docs").config(config));
    Router::new()
        .route("/openapi.json", get(async || Json(document()).into_response()))
        .merge(reader.layer(map_response(shut_in)))
}

async fn shut_in(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(ONLY_FROM_HERE));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_reads_the_document_learns_what_becomes_of_a_wish_said_twice() {
        let document = serde_json::to_value(document()).unwrap();
        let leg = "/v1/bookings/{id}/legs/{leg_id}";
        for path in [
            "/v1/bookings/{id}/cancellation".to_owned(),
            format!("{leg}/cancellation"),
            format!("{leg}/change"),
            "/v1/bookings/{id}/terms".to_owned(),
        ] {
            let told = &document["paths"][&path]["post"]["responses"]["202"]["description"];
            assert!(told.as_str().unwrap().contains("said again is the same wish"), "{path}");
        }
    }
}
