//! The form of a manifest: lints of the workspace, versions of the workspace, own crates first,
//! sorted.

use super::Finding;
use crate::tree::File;

/// Checks one `Cargo.toml` of a package, and refuses a second `clippy.toml`.
pub(crate) fn check(file: &File, own: &[&str]) -> Vec<Finding> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    if matches!(name, "clippy.toml" | ".clippy.toml") && file.path != "clippy.toml" {
        return vec![Finding::Problem(format!(
            "{}: a second clippy.toml replaces the first and switches every ban off",
            file.path
        ))];
    }
    if name != "Cargo.toml" || file.path == "Cargo.toml" {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut problem = |text: String| found.push(Finding::Problem(format!("{}: {text}", file.path)));
    let manifest: toml::Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(e) => {
            problem(e.message().to_owned());
            return found;
        }
    };
    let lints =
        manifest.get("lints").and_then(|l| l.get("workspace")).and_then(toml::Value::as_bool);
    if lints != Some(true) {
        problem("[lints] workspace = true is missing".into());
    }
    for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for (dependency, value) in
            manifest.get(section).and_then(toml::Value::as_table).into_iter().flatten()
        {
            let inherited = value.get("workspace").and_then(toml::Value::as_bool);
            if inherited != Some(true) {
                problem(format!("{dependency} has a version of its own: workspace = true"));
            }
        }
        let names = names_in(&file.text, section);
        let mut sorted = names.clone();
        sorted.sort_by_key(|name| (!own.contains(name), *name));
        if names != sorted {
            problem(format!("[{section}] is not in order, own crates first: {}", sorted.join(" ")));
        }
    }
    found
}

/// The names of a section as they are written, since a parsed table forgets their order.
fn names_in<'a>(text: &'a str, section: &str) -> Vec<&'a str> {
    let head = format!("[{section}]");
    text.lines()
        .map(str::trim)
        .skip_while(|line| *line != head)
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, _)| key.trim().trim_end_matches(".workspace"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{file, problems, refused};
    use super::*;

    const OWN: &[&str] = &["chassis", "contracts"];

    fn found(manifest: &str) -> Vec<Finding> {
        check(&file("services/x/Cargo.toml", manifest), OWN)
    }

    #[test]
    fn a_manifest_in_order_is_accepted() {
        let good = "[lints]\nworkspace = true\n[dependencies]\nchassis.workspace = true\n\
                    contracts.workspace = true\naxum = { workspace = true, features = [\"ws\"] }\n\
                    tokio.workspace = true\n[dev-dependencies]\ntower.workspace = true\n";
        assert_eq!(problems(&found(good)), Vec::<&str>::new());
    }

    #[test]
    fn a_manifest_without_the_lints_is_refused() {
        refused(&found("[dependencies]\n"), "[lints] workspace = true");
        refused(&found("[lints]\nworkspace = false\n"), "[lints] workspace = true");
    }

    #[test]
    fn a_version_of_its_own_is_refused() {
        refused(
            &found("[lints]\nworkspace = true\n[dependencies]\naxum = \"0.8\"\n"),
            "axum has a version",
        );
        refused(
            &found("[lints]\nworkspace = true\n[dev-dependencies]\naxum = { path = \"x\" }\n"),
            "axum has a version",
        );
    }

    #[test]
    fn an_outside_crate_before_one_of_ours_is_refused() {
        let lints = "[lints]\nworkspace = true\n[dependencies]\n";
        refused(
            &found(&format!("{lints}axum.workspace = true\nchassis.workspace = true\n")),
            "not in order, own crates first: chassis axum",
        );
        refused(
            &found(&format!("{lints}tokio.workspace = true\naxum.workspace = true\n")),
            "not in order",
        );
    }

    #[test]
    fn a_second_clippy_toml_is_refused() {
        refused(&check(&file("services/x/clippy.toml", ""), OWN), "second clippy.toml");
        assert_eq!(problems(&check(&file("clippy.toml", ""), OWN)), Vec::<&str>::new());
    }
}
