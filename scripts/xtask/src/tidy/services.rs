//! What every service has, so that whoever knows one knows all.

use super::Finding;
use super::law::SERVICES;
use crate::tree::File;

/// The headings of a service's README, in this order.
const HEADINGS: &[&str] = &["Owns", "Hears", "Says", "HTTP", "Tables", "Jobs", "Run it"];

/// Checks the folders under `services/` and what stands for them under `deploy/`.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut problem = |text: String| found.push(Finding::Problem(text));
    let get = |path: &str| files.iter().find(|file| file.path == path);
    for service in SERVICES {
        let env = format!("deploy/env/{service}.env");
        if get(&env).is_none() {
            problem(format!(
                "{env} is missing: every key of {service}, with its default and its reason"
            ));
        }
        let readme = format!("services/{service}/README.md");
        match get(&readme) {
            None => problem(format!("{readme} is missing")),
            Some(file) if headings(&file.text) != HEADINGS => {
                problem(format!("{readme}: its headings (##) are not {}", HEADINGS.join(" · ")));
            }
            Some(_) => {}
        }
    }
    for file in files {
        let Some((service, _)) =
            file.path.strip_prefix("services/").and_then(|p| p.split_once('/'))
        else {
            continue;
        };
        if !SERVICES.contains(&service) && file.path == format!("services/{service}/Cargo.toml") {
            problem(format!("services/{service} is not in the list of services (law.rs)"));
        }
    }
    found
}

fn headings(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("## ")).map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::super::sample::{file, refused};
    use super::*;

    fn whole() -> Vec<File> {
        let readme: String = HEADINGS.iter().map(|h| format!("## {h}\n")).collect();
        SERVICES
            .iter()
            .flat_map(|s| {
                [
                    file(&format!("deploy/env/{s}.env"), ""),
                    file(&format!("services/{s}/README.md"), &readme),
                ]
            })
            .collect()
    }

    #[test]
    fn a_whole_set_is_accepted() {
        assert_eq!(check(&whole()), []);
    }

    #[test]
    fn a_service_without_its_sample_environment_is_refused() {
        let files: Vec<File> =
            whole().into_iter().filter(|f| f.path != "deploy/env/rewards.env").collect();
        refused(&check(&files), "deploy/env/rewards.env is missing");
    }

    #[test]
    fn a_readme_without_a_heading_is_refused() {
        let mut files = whole();
        let readme = files.iter_mut().find(|f| f.path == "services/booking/README.md").unwrap();
        readme.text = readme.text.replace("## Tables\n", "");
        refused(&check(&files), "services/booking/README.md: its headings");
        files.retain(|f| f.path != "services/booking/README.md");
        refused(&check(&files), "services/booking/README.md is missing");
    }

    #[test]
    fn a_service_that_is_not_listed_is_refused() {
        let mut files = whole();
        files.push(file("services/concierge/Cargo.toml", ""));
        refused(&check(&files), "services/concierge is not in the list");
    }
}
