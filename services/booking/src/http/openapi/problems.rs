//! What goes wrong, for the document: one reusable answer for each status.

use std::collections::BTreeMap;

use chassis::api_error::PROBLEM_JSON;
use utoipa::{
    IntoResponses, Modify, PartialSchema as _, ToSchema as _,
    openapi::{
        Content, ContentBuilder, Ref, RefOr, Response, ResponseBuilder, path::Operation,
        schema::Schema,
    },
};

use super::shapes::{FieldError, Problem};

/// Makes a set of answers of one status.
macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:literal $words:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([($status.to_owned(), RefOr::T(answer($words)))])
            }
        }
    )*};
}

problems! {
    Malformed = "400" "The request is none: no JSON, or a header that is missing or unreadable";
    BadTicket = "401" "There is no ticket, or it is not valid here, or it has ended";
    NotFound = "404" "There is nothing here, or nothing of this account";
    Refused = "409" "It cannot be done as things are; `code` says why";
    Invalid = "422" "Fields are wrong; `errors` names all of them";
    TooMany = "429" "Too many at once; `Retry-After` says when to come again";
    Unavailable = "503" "Something that is needed does not answer; `Retry-After` says when to come again";
}

/// What any address may answer beside its own.
pub(super) struct Anywhere;

impl Modify for Anywhere {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut schemas = Vec::new();
        Problem::schemas(&mut schemas);
        schemas.push((Problem::name().into_owned(), Problem::schema()));
        schemas.push((FieldError::name().into_owned(), FieldError::schema()));
        components.schemas.extend(schemas);
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                add(operation);
            }
        }
    }
}

fn add(operation: &mut Operation) {
    let answers = [
        ("401", "There is no bearer token, or it is not valid here"),
        ("default", "Anything else that goes wrong"),
    ];
    for (status, words) in answers {
        let responses = &mut operation.responses.responses;
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(answer(words)));
    }
}

fn answer(words: &str) -> Response {
    let problem: RefOr<Schema> = Ref::from_schema_name(Problem::name()).into();
    let content: Content = ContentBuilder::new().schema(Some(problem)).build();
    ResponseBuilder::new().description(words).content(PROBLEM_JSON, content).build()
}
