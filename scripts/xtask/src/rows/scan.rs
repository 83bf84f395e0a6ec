//! Finds the tests that name rows, by reading the sources.

use std::collections::BTreeMap;

use crate::tree::File;

/// What the sources say of rows.
#[derive(Default)]
pub(crate) struct Found {
    /// Row → the tests that name it, sorted.
    pub(crate) tests: BTreeMap<String, Vec<String>>,
    /// Row lines that stand above something else than a test that runs.
    pub(crate) misplaced: Vec<String>,
}

/// Reads every Rust file. A test's name is its package, its modules by file, and its function.
pub(crate) fn tests(files: &[File]) -> Found {
    let mut found = Found::default();
    for file in files.iter().filter(|f| f.is_rust() && !f.path.starts_with("scripts/xtask/")) {
        scan(file, &mut found);
    }
    for tests in found.tests.values_mut() {
        tests.sort();
    }
    found
}

fn scan(file: &File, found: &mut Found) {
    let mut ids: Vec<String> = Vec::new();
    let mut attributes = String::new();
    for (number, line) in file.text.lines().enumerate() {
        let line = line.trim();
        if let Some(named) = line.strip_prefix("/// Row:") {
            let words = named.split([',', ' ']).filter(|word| !word.is_empty());
            ids.extend(words.map(|word| word.trim_end_matches('.').to_owned()));
        } else if let Some(name) = function(line) {
            let runs = attributes.contains("test") && !attributes.contains("ignore");
            for id in ids.drain(..) {
                if runs {
                    found
                        .tests
                        .entry(id)
                        .or_default()
                        .push(format!("{}::{name}", module(&file.path)));
                } else {
                    let at = format!("{}:{}", file.path, number + 1);
                    found.misplaced.push(format!("{at}: {name} names the row {id} and is no test"));
                }
            }
            attributes.clear();
        } else if line.starts_with("#[") {
            attributes.push_str(line);
        } else if !line.starts_with("//") && ids.is_empty() {
            attributes.clear();
        }
    }
    for id in ids {
        found.misplaced.push(format!("{}: the row {id} stands above no test", file.path));
    }
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let mut rest = line;
    for word in ["pub ", "pub(crate) ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    let rest = rest.strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

/// `services/booking/tests/it/http.rs` is `booking::it::http`; `services/booking/core/src/tests.rs`
/// is
/// `booking-core::tests`.
fn module(path: &str) -> String {
    let (package, inside) = ["/src/", "/tests/"]
        .iter()
        .find_map(|folder| path.split_once(folder))
        .unwrap_or((path, ""));
    let mut folders = package.split('/').skip(1);
    let mut name = folders.next().unwrap_or(package).to_owned();
    for nested in folders {
        name.push('-');
        name.push_str(nested);
    }
    for part in inside.trim_end_matches(".rs").split('/') {
        if !matches!(part, "" | "main" | "lib") {
            name.push_str("::");
            name.push_str(part);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Found {
        tests(&[File { path: path.into(), text: text.into() }])
    }

    #[test]
    fn a_test_is_found_with_all_its_rows() {
        let text = "/// Row: A1\n/// Row: B3\n#[tokio::test]\nasync fn it_holds() {\n}\n";
        let found = found("services/booking/tests/it/http.rs", text);
        assert_eq!(found.tests["A1"], ["booking::it::http::it_holds"]);
        assert_eq!(found.tests["B3"], ["booking::it::http::it_holds"]);
        assert!(found.misplaced.is_empty());
    }

    #[test]
    fn a_row_between_other_doc_lines_and_attributes_is_found() {
        let text = "/// Says more.\n///\n/// Row: A1\n/// And more.\n#[test]\n#[expect(x, reason = \"y\")]\n\
                    fn it_holds() {}\n/// Row: A1\n#[test]\nfn also() {}\n";
        let found = found("services/booking/core/src/tests.rs", text);
        assert_eq!(
            found.tests["A1"],
            ["booking-core::tests::also", "booking-core::tests::it_holds"]
        );
    }

    #[test]
    fn a_row_above_no_test_is_said() {
        assert_eq!(found("shared/x/src/a.rs", "/// Row: A1\nfn plain() {}\n").misplaced.len(), 1);
        assert_eq!(found("shared/x/src/a.rs", "/// Row: A1\n").misplaced.len(), 1);
        let ignored = concat!("/// Row: A1\n#[test]\n#[ign", "ore]\nfn never() {}\n");
        assert_eq!(found("shared/x/src/a.rs", ignored).misplaced.len(), 1);
        // The attribute of the test before is not this function's.
        let after = "#[test]\nfn before() {}\n/// Row: A1\nfn plain() {}\n";
        assert_eq!(found("shared/x/src/a.rs", after).misplaced.len(), 1);
    }

    #[test]
    fn names_follow_the_files() {
        assert_eq!(module("shared/messaging/core/src/tests.rs"), "messaging-core::tests");
        assert_eq!(module("shared/simulation/tests/seeds.rs"), "simulation::seeds");
        assert_eq!(module("services/rewards/tests/it/main.rs"), "rewards::it");
    }
}
