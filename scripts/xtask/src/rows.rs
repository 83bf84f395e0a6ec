//! The rows: statements that must hold, each with the tests that decide it.
//!
//! `rows.toml` has the statements and what was taken out of the code to see their tests fail. A
//! test names its rows in doc lines (`/// Row: A1`). Both sides are held against each other, so
//! that neither drifts.

mod scan;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::tree;
use scan::Found;

const HOME: &str = "scripts/xtask/rows.toml";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    row: Vec<Row>,
}

/// One statement.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    text: String,
    /// The tests that decide it, as the sources name them.
    #[serde(default)]
    tests: Vec<String>,
    /// What was removed from the code, and that the tests went red.
    #[serde(default)]
    took_out: String,
    /// What is still missing of a row that does not hold in full; such a row is not claimed.
    #[serde(default)]
    open: String,
}

/// Prints every row with its tests and what was taken out to see them fail.
pub(crate) fn print(root: &Path) -> bool {
    let (rows, found) = read(root);
    for row in &rows {
        println!("{:<4} {}", row.id, row.text.trim());
        for test in found.tests.get(&row.id).into_iter().flatten() {
            println!("     test      {test}");
        }
        if !row.open.is_empty() {
            println!("     open      {}", row.open.trim());
        }
        if !row.took_out.is_empty() {
            println!("     took out  {}", row.took_out.trim());
        }
    }
    let proven = rows.iter().filter(|row| complaints(row, &found).is_empty()).count();
    println!("{proven} of {} rows have their tests and were seen to fail", rows.len());
    true
}

/// Says everything that is missing, in one go, and whether nothing is.
pub(crate) fn check(root: &Path) -> bool {
    let (rows, found) = read(root);
    let missing = disagreements(&rows, &found);
    for line in &missing {
        println!("rows: {line}");
    }
    missing.is_empty()
}

fn read(root: &Path) -> (Vec<Row>, Found) {
    let text = fs::read_to_string(root.join(HOME)).unwrap_or_else(|e| panic!("{HOME}: {e}"));
    let rows: Rows = toml::from_str(&text).unwrap_or_else(|e| panic!("{HOME}: {e}"));
    (rows.row, scan::tests(&tree::read(root)))
}

/// Everything in which the list and the sources do not agree.
fn disagreements(rows: &[Row], found: &Found) -> Vec<String> {
    let mut missing = Vec::new();
    let mut seen = BTreeMap::<&str, u32>::new();
    for row in rows {
        *seen.entry(row.id.as_str()).or_default() += 1;
        missing.extend(complaints(row, found));
    }
    for (id, times) in seen.iter().filter(|(_, times)| **times > 1) {
        missing.push(format!("{id} stands {times} times in {HOME}"));
    }
    for (id, tests) in found.tests.iter().filter(|(id, _)| !seen.contains_key(id.as_str())) {
        missing.push(format!("{} names the row {id}, which is not in {HOME}", tests.join(", ")));
    }
    missing.extend(found.misplaced.iter().cloned());
    missing
}

fn complaints(row: &Row, found: &Found) -> Vec<String> {
    let mut missing = Vec::new();
    let id = &row.id;
    if row.text.trim().is_empty() {
        missing.push(format!("{id} says nothing"));
    }
    match found.tests.get(id) {
        None => missing.push(format!("{id} has no test with the doc line `/// Row: {id}`")),
        Some(tests) if *tests != row.tests => {
            missing.push(format!("{id}: {HOME} should say tests = {tests:?}"));
        }
        Some(_) => {}
    }
    if row.took_out.trim().is_empty() && row.open.trim().is_empty() {
        missing.push(format!("{id}: took_out is empty; remove what the row asks for and see red"));
    }
    if row.took_out.contains("not seen red") && row.open.trim().is_empty() {
        missing.push(format!("{id}: took_out says that something was not seen red, open does not"));
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tests: &[&str], took_out: &str) -> Row {
        Row {
            id: "A1".into(),
            text: "It holds.".into(),
            tests: tests.iter().map(|t| (*t).into()).collect(),
            took_out: took_out.into(),
            open: String::new(),
        }
    }

    fn found(tests: &[(&str, &str)]) -> Found {
        let mut found = Found::default();
        for (id, test) in tests {
            found.tests.entry((*id).into()).or_default().push((*test).into());
        }
        found
    }

    fn said(rows: &[Row], found: &Found) -> String {
        disagreements(rows, found).join("\n")
    }

    #[test]
    fn a_row_with_its_test_and_its_proof_is_accepted() {
        assert_eq!(said(&[row(&["x::a"], "the lock")], &found(&[("A1", "x::a")])), "");
    }

    #[test]
    fn a_row_without_a_test_is_named() {
        assert!(said(&[row(&[], "the lock")], &found(&[])).contains("A1 has no test"));
        // A list that names a test which is gone is no proof.
        assert!(said(&[row(&["x::a"], "the lock")], &found(&[])).contains("A1 has no test"));
    }

    #[test]
    fn a_row_that_was_never_seen_to_fail_is_named() {
        let said = said(&[row(&["x::a"], " ")], &found(&[("A1", "x::a")]));
        assert!(said.contains("A1: took_out is empty"), "{said}");
    }

    #[test]
    fn a_row_of_which_a_part_was_never_seen_to_fail_is_open() {
        let half = row(&["x::a"], "the lock. The newest test was not seen red.");
        let found = found(&[("A1", "x::a")]);
        assert!(said(&[half], &found).contains("A1: took_out says"));
        let half = row(&["x::a"], "the lock. The newest test was not seen red.");
        assert_eq!(said(&[Row { open: "its newest test".into(), ..half }], &found), "");
    }

    #[test]
    fn a_row_that_is_open_says_so_instead_of_a_proof() {
        let open = Row { open: "the other half".into(), ..row(&["x::a"], "") };
        assert_eq!(said(&[open], &found(&[("A1", "x::a")])), "");
    }

    #[test]
    fn a_test_of_an_unknown_row_is_named() {
        let said = said(&[row(&["x::a"], "y")], &found(&[("A1", "x::a"), ("Z9", "x::b")]));
        assert_eq!(said, "x::b names the row Z9, which is not in scripts/xtask/rows.toml");
    }

    #[test]
    fn a_list_of_tests_that_drifted_is_named_with_what_it_should_say() {
        let said = said(&[row(&["x::old"], "y")], &found(&[("A1", "x::a"), ("A1", "x::b")]));
        assert!(said.contains(r#"tests = ["x::a", "x::b"]"#), "{said}");
    }

    #[test]
    fn a_row_that_stands_twice_is_named() {
        let rows = [row(&["x::a"], "y"), row(&["x::a"], "y")];
        assert!(said(&rows, &found(&[("A1", "x::a")])).contains("A1 stands 2 times"));
    }

    #[test]
    fn everything_that_is_missing_is_said_in_one_go() {
        let rows = [row(&[], ""), Row { id: "A2".into(), ..row(&[], "") }];
        assert_eq!(disagreements(&rows, &found(&[])).len(), 4);
    }
}
