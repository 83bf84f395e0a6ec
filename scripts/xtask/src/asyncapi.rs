//! Holds the AsyncAPI document against every one that was published before: what breaks who reads
//! or writes by an older one is a new version of the message.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

const DOCUMENT: &str = "docs/asyncapi.json";

/// Fails where today's document breaks one that the history holds.
pub(crate) fn check(root: &Path) -> bool {
    let today = std::fs::read_to_string(root.join(DOCUMENT)).expect("the document is there");
    let today: Value = serde_json::from_str(&today).expect("the document is JSON");
    let mut said = BTreeSet::new();
    let published = published(root);
    for before in &published {
        said.extend(broken(before, &today));
    }
    for line in &said {
        println!("{DOCUMENT}: {line}");
    }
    if said.is_empty() {
        println!("{DOCUMENT}: breaks none of {} published before", published.len());
    } else {
        println!(
            "what breaks a reader or a writer is a new version of the message, beside the old"
        );
    }
    said.is_empty()
}

/// Every document that the history holds; none where there is no history.
fn published(root: &Path) -> Vec<Value> {
    let git = |arguments: &[&str]| {
        let out = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let commits = git(&["log", "--format=%H", "--", DOCUMENT]).unwrap_or_default();
    let documents = commits.lines().filter_map(|commit| {
        let text = git(&["show", &format!("{commit}:{DOCUMENT}")])?;
        serde_json::from_str(&text).ok()
    });
    documents.collect()
}

/// What `now` breaks of `before`, a line each.
fn broken(before: &Value, now: &Value) -> Vec<String> {
    let mut comparing = Comparing { before, now, said: Vec::new(), under_way: BTreeSet::new() };
    for (name, message) in fields(&before["components"]["messages"]) {
        let Some(today) = now["components"]["messages"].get(name) else {
            if !has_newer(now, name) {
                comparing.say(name, "is gone without a newer version");
            }
            continue;
        };
        for part in ["headers", "payload"] {
            comparing.shape(&format!("{name} {part}"), &message[part], &today[part]);
        }
        let exchange = |document: &Value| {
            document["channels"][name]["bindings"]["amqp"]["exchange"]["name"].clone()
        };
        if exchange(before) != exchange(now) {
            comparing.say(name, "goes to another exchange");
        }
    }
    comparing.said
}

/// Whether there is another message of the same name with a higher version.
fn has_newer(document: &Value, name: &str) -> bool {
    let parts = |name: &str| -> Option<(String, u32)> {
        let (what, version) = name.rsplit_once(".v")?;
        Some((what.to_owned(), version.parse().ok()?))
    };
    let Some((what, version)) = parts(name) else { return false };
    let messages = fields(&document["components"]["messages"]);
    messages.filter_map(|(name, _)| parts(name)).any(|(of, newer)| of == what && newer > version)
}

fn fields(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    object.as_object().into_iter().flatten()
}

fn words(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().map(Value::to_string).collect()
}

struct Comparing<'a> {
    before: &'a Value,
    now: &'a Value,
    said: Vec<String>,
    /// Shapes that are being compared further out.
    under_way: BTreeSet<String>,
}

impl<'a> Comparing<'a> {
    fn say(&mut self, at: &str, what: &str) {
        self.said.push(format!("{at} {what}"));
    }

    fn shape(&mut self, at: &str, before: &'a Value, now: &'a Value) {
        let named = (before["$ref"].as_str().unwrap_or(""), now["$ref"].as_str().unwrap_or(""));
        let key = format!("{} {}", named.0, named.1);
        if !named.0.is_empty() && !self.under_way.insert(key.clone()) {
            return;
        }
        self.behind(at, resolved(self.before, before), resolved(self.now, now));
        self.under_way.remove(&key);
    }

    /// Compares two shapes whose names were looked up.
    fn behind(&mut self, at: &str, before: &'a Value, now: &'a Value) {
        for word in ["type", "format", "pattern", "const", "minimum", "maximum"] {
            if before.get(word) != now.get(word) {
                let told = |shape: &Value| shape.get(word).map_or("none".into(), Value::to_string);
                let what = format!("has another {word}: {} was {}", told(now), told(before));
                self.say(at, &what);
            }
        }
        let (was, is) = (words(&before["required"]), words(&now["required"]));
        for name in is.difference(&was) {
            self.say(at, &format!("needs {name}, which was not needed"));
        }
        for name in was.difference(&is) {
            self.say(at, &format!("need not have {name}, which was always there"));
        }
        for word in words(&before["enum"]).difference(&words(&now["enum"])) {
            self.say(at, &format!("does not know the word {word} any more"));
        }
        for (name, field) in fields(&before["properties"]) {
            match now["properties"].get(name) {
                Some(today) => self.shape(&format!("{at}.{name}"), field, today),
                None => self.say(at, &format!("has no {name} any more")),
            }
        }
        if before.get("items").is_some() && now.get("items").is_some() {
            self.shape(&format!("{at}[]"), &before["items"], &now["items"]);
        }
        for form in before["oneOf"].as_array().into_iter().flatten() {
            let named = name_of(self.before, form);
            let forms = now["oneOf"].as_array().into_iter().flatten();
            match forms.into_iter().find(|today| name_of(self.now, today) == named) {
                Some(today) => self.shape(&format!("{at} {named}"), form, today),
                None => self.say(at, &format!("has no form {named} any more")),
            }
        }
    }
}

/// What tells one form from the others: its tag, or its type.
fn name_of(document: &Value, form: &Value) -> String {
    let form = resolved(document, form);
    let tag = fields(&form["properties"]).find_map(|(name, field)| {
        let words = field["enum"].as_array().filter(|words| words.len() == 1)?;
        Some(format!("{name} {}", words.first()?))
    });
    tag.unwrap_or_else(|| form["type"].to_string())
}

/// The shape that a name stands for.
fn resolved<'a>(document: &'a Value, shape: &'a Value) -> &'a Value {
    let named = shape["$ref"].as_str().and_then(|name| document.pointer(name.strip_prefix('#')?));
    named.unwrap_or(shape)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        let leg = json!({
            "oneOf": [
                { "type": "object", "required": ["is"], "properties": { "is": { "enum": ["held"] } } },
                { "type": "object", "required": ["is"], "properties": { "is": { "enum": ["gone"] } } },
            ],
        });
        let payload = json!({
            "type": "object",
            "required": ["booking_id", "state"],
            "properties": {
                "booking_id": { "type": "string", "format": "uuid" },
                "note": { "type": "string" },
                "basis": { "enum": ["then", "now"] },
                "state": { "$ref": "#/components/schemas/Leg" },
            },
        });
        let headers =
            json!({ "type": "object", "properties": { "traceparent": { "type": "string" } } });
        json!({
            "channels": {
                "leg.changed.v1": { "bindings": { "amqp": { "exchange": { "name": "events" } } } },
            },
            "components": {
                "schemas": { "Leg": leg },
                "messages": { "leg.changed.v1": { "payload": payload, "headers": headers } },
            },
        })
    }

    #[test]
    fn what_breaks_a_reader_or_a_writer_is_told() {
        const PAYLOAD: &str = "/components/messages/leg.changed.v1/payload";
        let put = |at: &str, value: Value| {
            let mut now = document();
            *now.pointer_mut(at).unwrap() = value;
            now
        };
        let renamed = {
            let mut now = document();
            let fields = now.pointer_mut(&format!("{PAYLOAD}/properties")).unwrap();
            let field = fields.as_object_mut().unwrap().remove("note").unwrap();
            fields["remark"] = field;
            now
        };
        let of = |part: &str| format!("{PAYLOAD}/{part}");
        let forms = "/components/schemas/Leg/oneOf/1/properties/is/enum";
        let exchange = "/channels/leg.changed.v1/bindings/amqp/exchange/name";
        let header = "/components/messages/leg.changed.v1/headers/properties/traceparent/type";
        for (now, said) in [
            (renamed, "has no note any more"),
            (put(&of("properties/note/type"), json!("integer")), "has another type"),
            (put(&of("properties/booking_id/format"), json!("uri")), "has another format"),
            (put(&of("required"), json!(["booking_id", "state", "note"])), "needs \"note\""),
            (put(&of("required"), json!(["state"])), "need not have \"booking_id\""),
            (put(&of("properties/basis/enum"), json!(["then"])), "does not know the word \"now\""),
            (put(forms, json!(["lapsed"])), "has no form is \"gone\""),
            (put(exchange, json!("commands")), "goes to another exchange"),
            (put(header, json!("integer")), "headers.traceparent has another type"),
            (put("/components/messages", json!({})), "is gone without a newer version"),
        ] {
            let told = broken(&document(), &now);
            assert!(told.iter().any(|line| line.contains(said)), "{said}: {told:?}");
        }
    }

    #[test]
    fn what_is_added_or_becomes_a_new_version_breaks_nothing() {
        assert_eq!(broken(&document(), &document()), Vec::<String>::new());
        let mut more = document();
        let payload = &mut more["components"]["messages"]["leg.changed.v1"]["payload"];
        payload["properties"]["no_show"] = json!({ "type": "boolean" });
        payload["properties"]["basis"]["enum"] = json!(["then", "now", "fiat"]);
        more["components"]["messages"]["leg.seen.v1"] = json!({ "payload": { "type": "object" } });
        assert_eq!(broken(&document(), &more), Vec::<String>::new());
        let mut newer = document();
        let messages = newer["components"]["messages"].as_object_mut().unwrap();
        messages.remove("leg.changed.v1");
        messages.insert("leg.changed.v2".to_owned(), json!({ "payload": { "type": "object" } }));
        assert_eq!(broken(&document(), &newer), Vec::<String>::new());
    }
}
