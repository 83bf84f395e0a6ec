//! The form of a source file: its name, its head, its size, and who may acknowledge a message.

use super::Finding;
use super::law::PURE;
use crate::tree::File;

/// A line is a line on everybody's screen.
const COLUMNS: usize = 100;
/// Past this a file is looked at: is it one subject?
const SOURCE_LINES: usize = 400;
const TEST_LINES: usize = 800;
const README_LINES: usize = 80;
/// Names that say what kind of thing is inside and not which.
const NAMELESS: &[&str] = &["utils", "util", "helpers", "common", "misc", "types"];
const PURE_LINTS: &[&str] =
    &["clippy::as_conversions", "clippy::float_arithmetic", "clippy::wildcard_enum_match_arm"];
/// Where acknowledging lives.
const ACKS: &str = "shared/messaging/src/";

/// Checks one file.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    let lines = file.text.lines().count();
    if file.path.ends_with("README.md") && file.path.contains('/') && lines > README_LINES {
        note(&mut found, file, format!("{lines} lines; a README is a page ({README_LINES})"));
    }
    if !file.is_rust() {
        return found;
    }
    check_name(file, &mut found);
    check_head(file, &mut found);
    check_size(file, lines, &mut found);
    check_acks(file, &mut found);
    check_redis(file, &mut found);
    found
}

fn problem(found: &mut Vec<Finding>, file: &File, text: impl std::fmt::Display) {
    found.push(Finding::Problem(format!("{}: {text}", file.path)));
}

fn note(found: &mut Vec<Finding>, file: &File, text: impl std::fmt::Display) {
    found.push(Finding::Note(format!("{}: {text}", file.path)));
}

fn check_name(file: &File, found: &mut Vec<Finding>) {
    let mut parts: Vec<&str> = file.path.trim_end_matches(".rs").split('/').collect();
    if parts.last() == Some(&"mod") {
        problem(found, file, "write foo.rs and foo/bar.rs, not foo/mod.rs");
        parts.pop();
    }
    if let Some(name) = parts.iter().find(|part| NAMELESS.contains(part)) {
        problem(found, file, format!("'{name}' names no subject"));
    }
    let below_src = parts.iter().skip_while(|part| **part != "src").count();
    if below_src > 4 {
        note(found, file, "modules deeper than two");
    }
}

fn check_head(file: &File, found: &mut Vec<Finding>) {
    // A crate may have its README for a head.
    let readme = "#![doc = include_str!(\"";
    if !file.text.starts_with("//! ") && !file.text.starts_with(readme) {
        problem(found, file, "does not begin with //!, one sentence for what it is for");
    }
    let pure = PURE.iter().any(|package| file.path == format!("{}/src/lib.rs", folder(package)));
    let dense: String = file.text.split_whitespace().collect();
    let asked = |lint: &str| {
        dense
            .split("#![warn(")
            .skip(1)
            .any(|warn| warn.split(")]").next().is_some_and(|l| l.contains(lint)))
    };
    for lint in PURE_LINTS.iter().filter(|lint| pure && !asked(lint)) {
        problem(found, file, format!("a pure crate asks for #![warn({lint})]"));
    }
}

/// The folder of a pure package: a service's core is nested in it.
fn folder(package: &str) -> String {
    match package.strip_suffix("-core") {
        Some("messaging") => "shared/messaging/core".into(),
        Some(service) => format!("services/{service}/core"),
        None => format!("shared/{package}"),
    }
}

fn check_size(file: &File, lines: usize, found: &mut Vec<Finding>) {
    let limit = if file.is_test() { TEST_LINES } else { SOURCE_LINES };
    // Tests at the end of a file are not its size.
    let own = if file.is_test() {
        lines
    } else {
        file.text.lines().take_while(|line| *line != "#[cfg(test)]").count()
    };
    if own > limit {
        note(found, file, format!("{own} lines, past {limit}: is it one subject?"));
    }
    for (number, line) in file.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS && !line.contains("://") {
            let text = format!("{}: {columns} columns, past {COLUMNS}", number + 1);
            if file.is_test() || is_unbreakable(line) {
                note(found, file, text);
            } else {
                problem(found, file, text);
            }
        }
    }
}

/// Whether a line cannot be made shorter: a text between quotes, or a row of a table in a comment.
fn is_unbreakable(line: &str) -> bool {
    let line = line.trim_start();
    if line.starts_with("//") { line.contains("| ") } else { line.contains('"') }
}

fn check_acks(file: &File, found: &mut Vec<Finding>) {
    // The testkit and the journeys take messages out of queues as a person's own hand does; xtask
    // names the calls.
    let exempt = [ACKS, "shared/testkit/", "shared/e2e/", "scripts/xtask/"];
    if file.is_test() || exempt.iter().any(|folder| file.path.starts_with(folder)) {
        return;
    }
    for call in [".basic_ack(", ".basic_nack(", ".basic_reject(", ".ack(", ".nack(", ".reject("] {
        if file.text.contains(call) {
            problem(found, file, format!("{call}…): only {ACKS} acknowledges messages"));
        }
    }
}

fn check_redis(file: &File, found: &mut Vec<Finding>) {
    let Some((_, inside)) = file.path.strip_prefix("services/").and_then(|p| p.split_once("/src/"))
    else {
        return;
    };
    if inside != "cache.rs" && !inside.starts_with("cache/") && file.text.contains("redis::") {
        problem(found, file, "Redis is spoken to in cache.rs only");
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{file, notes, problems, refused};
    use super::*;

    fn source(path: &str, body: &str) -> Vec<Finding> {
        check(&file(path, &format!("//! Has a purpose.\n{body}")))
    }

    #[test]
    fn a_plain_file_is_accepted() {
        assert_eq!(source("services/booking/src/http/quotes.rs", "fn x() {}\n"), []);
    }

    #[test]
    fn a_file_without_a_purpose_is_refused() {
        refused(&check(&file("shared/x/src/a.rs", "fn x() {}\n")), "does not begin with //!");
    }

    #[test]
    fn a_name_without_a_subject_is_refused() {
        for name in NAMELESS {
            refused(&source(&format!("shared/x/src/{name}.rs"), ""), "names no subject");
        }
        refused(&source("shared/x/src/common/a.rs", ""), "names no subject");
        refused(&source("shared/x/src/a/mod.rs", ""), "not foo/mod.rs");
    }

    #[test]
    fn a_long_line_is_refused() {
        let long = "x".repeat(101);
        refused(&source("shared/x/src/a.rs", &format!("// {long}\n")), "2: 104 columns");
        refused(&source("shared/x/src/a.rs", &format!("let a = {long};\n")), "columns");
        for fine in [format!("let a = \"{long}\";\n"), format!("/// | {long} |\n")] {
            let found = source("shared/x/src/a.rs", &fine);
            assert_eq!((problems(&found).len(), notes(&found).len()), (0, 1));
        }
        assert_eq!(notes(&source("shared/x/tests/it/main.rs", &long)).len(), 1);
        let address = format!("// https://example.com/{long}\n");
        assert_eq!(source("shared/x/src/a.rs", &address), []);
    }

    #[test]
    fn a_long_file_is_noted() {
        let long = "fn x() {}\n".repeat(401);
        let found = source("shared/x/src/a.rs", &long);
        assert_eq!((problems(&found).len(), notes(&found).len()), (0, 1));
        assert_eq!(source("shared/x/src/tests.rs", &long), []);
        assert_eq!(
            source("shared/x/src/a.rs", &format!("#[cfg(test)]\nmod tests {{}}\n{long}")),
            []
        );
        assert_eq!(notes(&source("shared/x/src/tests.rs", &long.repeat(2))).len(), 1);
        assert_eq!(notes(&check(&file("shared/x/README.md", &"x\n".repeat(81)))).len(), 1);
    }

    #[test]
    fn a_pure_crate_without_its_lints_is_refused() {
        let bad = "#![warn(clippy::as_conversions, clippy::float_arithmetic)]\n";
        let path = "services/booking/core/src/lib.rs";
        refused(&source(path, bad), "wildcard_enum_match_arm");
        // Named elsewhere is not asked for.
        let elsewhere = format!("{bad}// clippy::wildcard_enum_match_arm\n");
        refused(&source(path, &elsewhere), "wildcard_enum_match_arm");
        let good = "#![warn(\n    clippy::as_conversions,\n    clippy::float_arithmetic,\n    \
                    clippy::wildcard_enum_match_arm,\n)]\n";
        assert_eq!(source(path, good), []);
        assert_eq!(problems(&source("shared/messaging/core/src/lib.rs", "")).len(), 3);
        assert_eq!(problems(&source("shared/contracts/src/lib.rs", "")).len(), 3);
    }

    #[test]
    fn acknowledging_outside_messaging_is_refused() {
        for call in ["basic_ack", "basic_nack", "basic_reject", "ack", "nack", "reject"] {
            let body = format!("fn x() {{ delivery.{call}(options) }}\n");
            refused(&source("services/booking/src/handle.rs", &body), "acknowledges messages");
            assert_eq!(source("shared/messaging/src/consumer.rs", &body), []);
            assert_eq!(source("services/booking/tests/it/main.rs", &body), []);
        }
    }

    #[test]
    fn redis_outside_the_cache_is_refused() {
        let body = "use redis::Client;\n";
        refused(&source("services/booking/src/store.rs", body), "cache.rs only");
        assert_eq!(source("services/booking/src/cache.rs", body), []);
        assert_eq!(source("services/booking/tests/it/main.rs", body), []);
    }
}
