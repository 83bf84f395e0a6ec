//! The law of the tree, executable. Prose explains it; this refuses what breaks it.
//!
//! A problem fails the check. A note is printed and fails nothing: sizes are aims.

mod dependencies;
mod law;
mod manifests;
mod services;
mod sources;
mod words;

use std::path::Path;
use std::process::Command;

use crate::tree;

/// What a check found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Problem(String),
    Note(String),
}

/// Runs every check, prints what it found, and says whether the tree holds.
pub(crate) fn run(root: &Path) -> bool {
    let files = tree::read(root);
    let packages = dependencies::parse(&metadata(root));
    let mut found = dependencies::check(&packages);
    let own: Vec<&str> = packages.iter().map(|p| p.name.as_str()).collect();
    for file in &files {
        found.extend(manifests::check(file, &own));
        found.extend(sources::check(file));
        found.extend(words::check(file));
    }
    found.extend(services::check(&files));
    report(&found)
}

fn report(found: &[Finding]) -> bool {
    let mut problems = 0;
    for finding in found {
        match finding {
            Finding::Problem(text) => {
                problems += 1;
                println!("tidy: {text}");
            }
            Finding::Note(text) => println!("note: {text}"),
        }
    }
    if problems > 0 {
        println!("tidy: {problems} to mend");
    }
    problems == 0
}

fn metadata(root: &Path) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo speaks UTF-8")
}

/// What the checks' own tests share: a bad sample in, the findings as text out.
#[cfg(test)]
mod sample {
    use super::Finding;
    use crate::tree::File;

    pub(crate) fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    pub(crate) fn problems(found: &[Finding]) -> Vec<&str> {
        found
            .iter()
            .filter_map(|f| match f {
                Finding::Problem(text) => Some(text.as_str()),
                Finding::Note(_) => None,
            })
            .collect()
    }

    pub(crate) fn notes(found: &[Finding]) -> Vec<&str> {
        found
            .iter()
            .filter_map(|f| match f {
                Finding::Note(text) => Some(text.as_str()),
                Finding::Problem(_) => None,
            })
            .collect()
    }

    /// Asserts that exactly one problem was found, and that it says `what`.
    pub(crate) fn refused(found: &[Finding], what: &str) {
        let problems = problems(found);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(what), "{problems:?} does not say {what:?}");
    }
}
