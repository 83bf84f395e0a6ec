//! Holds what cargo says of the packages against the law of imports.

use serde::Deserialize;

use super::Finding;
use super::law::{HOMES, Home, IMPURE, OURS, PURE, SERVICES};

/// One package of the workspace, as `cargo metadata` tells it.
#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// Reads the answer of `cargo metadata --no-deps`.
pub(crate) fn parse(metadata: &str) -> Vec<Package> {
    serde_json::from_str::<Metadata>(metadata).expect("cargo metadata is as documented").packages
}

/// Checks every dependency of every package.
pub(crate) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in packages {
        let Some(law) = OURS.iter().find(|a| a.package == package.name) else {
            found.push(Finding::Problem(format!(
                "package {} is not in scripts/xtask/src/tidy/law.rs: say whom it may import",
                package.name
            )));
            continue;
        };
        for dependency in &package.dependencies {
            let in_tests = dependency.kind.as_deref() == Some("dev");
            let name = dependency.name.as_str();
            let ours = packages.iter().any(|p| p.name == name);
            if ours && !law.normal.contains(&name) && !(in_tests && law.tests.contains(&name)) {
                found.push(Finding::Problem(format!("{} may not import {name}", package.name)));
            }
            if !in_tests && is_pure(&package.name) && IMPURE.contains(&name) {
                found.push(Finding::Problem(format!(
                    "{} is pure: it may not import {name}",
                    package.name
                )));
            }
            if let Some(home) = HOMES.iter().find(|h| is_named(h, name))
                && !lives_in(home.normal, &package.name)
                && !(in_tests && lives_in(home.tests, &package.name))
            {
                found.push(Finding::Problem(format!(
                    "{} may not import {name}: {}",
                    package.name, home.instead
                )));
            }
        }
    }
    found
}

fn is_pure(package: &str) -> bool {
    PURE.contains(&package) || package == "simulation"
}

fn is_named(home: &Home, name: &str) -> bool {
    home.dependency.strip_suffix('*').map_or(home.dependency == name, |head| name.starts_with(head))
}

fn lives_in(homes: &[&str], package: &str) -> bool {
    homes.contains(&package) || (homes.contains(&"services") && SERVICES.contains(&package))
}

#[cfg(test)]
mod tests {
    use super::super::sample::{problems, refused};
    use super::*;

    fn found(package: &str, dependencies: &[(&str, Option<&str>)]) -> Vec<Finding> {
        let mut packages: Vec<Package> = OURS
            .iter()
            .filter(|a| a.package != package)
            .map(|a| Package { name: a.package.into(), dependencies: Vec::new() })
            .collect();
        let dependencies = dependencies
            .iter()
            .map(|(name, kind)| Dependency { name: (*name).into(), kind: kind.map(Into::into) })
            .collect();
        packages.push(Package { name: package.into(), dependencies });
        check(&packages)
    }

    #[test]
    fn a_service_may_not_import_a_service() {
        refused(&found("rewards", &[("booking", None)]), "rewards may not import booking");
        refused(
            &found("rewards", &[("booking-core", None)]),
            "rewards may not import booking-core",
        );
    }

    #[test]
    fn what_ships_may_not_import_what_is_for_tests() {
        refused(&found("booking", &[("testkit", None)]), "may not import testkit");
        assert_eq!(problems(&found("booking", &[("testkit", Some("dev"))])), Vec::<&str>::new());
    }

    #[test]
    fn the_doubles_know_neither_contracts_nor_suppliers() {
        refused(&found("doubles", &[("contracts", None)]), "doubles may not import contracts");
        refused(
            &found("doubles", &[("suppliers", Some("dev"))]),
            "doubles may not import suppliers",
        );
    }

    #[test]
    fn a_core_has_no_runtime() {
        refused(&found("booking-core", &[("tokio", None)]), "is pure");
        refused(&found("simulation", &[("tokio", None)]), "is pure");
    }

    #[test]
    fn an_outside_crate_stays_in_its_home() {
        refused(&found("booking", &[("lapin", None)]), "hear and speak through `messaging`");
        refused(&found("booking", &[("reqwest", None)]), "chassis::HttpClient");
        refused(&found("chassis", &[("redis", None)]), "Redis is a service's cache");
        refused(&found("chassis", &[("sqlx", None)]), "speak SQL");
        refused(&found("rewards", &[("opentelemetry_sdk", Some("dev"))]), "has the telemetry");
        assert_eq!(problems(&found("booking", &[("reqwest", Some("dev"))])), Vec::<&str>::new());
    }

    #[test]
    fn a_package_without_a_law_is_refused() {
        refused(&found("helpers", &[]), "say whom it may import");
    }

    #[test]
    fn no_list_of_what_ships_names_a_development_crate() {
        const DEVELOPMENT: &[&str] = &["testkit", "doubles", "simulation", "e2e", "xtask"];
        for allowed in OURS.iter().filter(|a| !DEVELOPMENT.contains(&a.package)) {
            for name in allowed.normal {
                assert!(!DEVELOPMENT.contains(name), "{} lists {name}", allowed.package);
            }
        }
    }

    #[test]
    fn what_cargo_says_is_understood() {
        let packages = parse(
            r#"{"packages":[{"name":"rewards","dependencies":[{"name":"booking","kind":null,"req":"*"}]},
                {"name":"booking","dependencies":[]}]}"#,
        );
        refused(&check(&packages), "rewards may not import booking");
    }
}
