//! What is said over the broker, as an AsyncAPI document for whoever reads or writes it.
//!
//! Made of the messages' own types, in tests alone; `docs/asyncapi.json` is what they say now.
//! After a change `UPDATE_EXPECT=1` writes it anew; `cargo xtask asyncapi` refuses what breaks.

mod document;
mod words;

use expect_test::expect_file;
use serde_json::Value;

use crate::routing::HEARD;

/// Row: F7
#[test]
fn the_published_document_is_what_the_types_say() {
    let text = format!("{:#}\n", document::document());
    expect_file!["../../../docs/asyncapi.json"].assert_eq(&text);
}

/// Row: F7
#[test]
fn every_message_that_a_role_hears_is_described_with_its_version_and_its_way() {
    let document = document::document();
    for (role, heard) in HEARD {
        for (kind, name) in heard {
            let message = &document["components"]["messages"][*name];
            let version = name.rsplit_once(".v").unwrap().1;
            assert_eq!(message["x-version"], version, "{name}");
            assert_eq!(message["payload"]["type"], "object", "{name} is an object: {message:#}");
            assert_eq!(message["payload"]["additionalProperties"], false, "{name}");
            let way = &document["channels"][*name]["bindings"]["amqp"]["exchange"]["name"];
            assert_eq!(way, &crate::routing::Routing::default().exchange(*kind), "{name}");
            let listens =
                document["operations"][format!("{role}.receives")]["messages"].to_string();
            assert!(listens.contains(name), "{role} hears {name}");
        }
    }
    let count = |part: &Value| part.as_object().unwrap().len();
    let types: usize = HEARD.iter().map(|(_, heard)| heard.len()).sum();
    // And the dead letter.
    assert_eq!(count(&document["components"]["messages"]), types + 1, "nothing that nobody hears");
}

/// Against AsyncAPI's own schema, which `scripts/lib/asyncapi-check` gets; nothing without it.
#[test]
#[allow(clippy::disallowed_methods, reason = "the script that gets the schema says where it is")]
fn the_document_is_an_asyncapi_document() {
    let Ok(file) = std::env::var("ASYNCAPI_SCHEMA") else { return };
    let schema = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    let document = document::document();
    let wrong: Vec<String> = validator
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let mut without = document;
    without["operations"]["booking.receives"]["action"] = "hears".into();
    assert!(!validator.is_valid(&without), "the schema sees what is wrong");
}
