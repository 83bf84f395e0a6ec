//! What came of the checks: a page for people, one line for machines.

use contracts::supplier::Supplier;
use serde::Serialize;

/// What one check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// As expected.
    Passed,
    /// Not as expected.
    Failed,
    /// Not promised by this dialect, or not shown in this run.
    Skipped,
    /// Impossible after what failed before: nothing is known.
    NotTested,
}

impl Outcome {
    /// The word of the report.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::NotTested => "not tested",
        }
    }
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// What must hold.
    pub expected: &'static str,
    /// What it came to.
    pub outcome: Outcome,
    /// What was seen, without a secret and without a name.
    pub seen: String,
    /// How long it took.
    pub took_ms: u64,
}

/// All checks of one endpoint.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The dialect.
    pub dialect: Supplier,
    /// The endpoint.
    pub url: String,
    /// The checks, in the order they were made.
    pub checks: Vec<Check>,
}

impl Report {
    /// How many checks came to this.
    #[must_use]
    pub fn count(&self, outcome: Outcome) -> usize {
        self.checks.iter().filter(|check| check.outcome == outcome).count()
    }

    /// Whether nothing failed, and nothing was left untested.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.count(Outcome::Failed) + self.count(Outcome::NotTested) == 0
    }

    /// What a check came to.
    #[must_use]
    pub fn outcome(&self, name: &str) -> Option<Outcome> {
        self.checks.iter().find(|check| check.name == name).map(|check| check.outcome)
    }

    /// One line of JSON.
    #[must_use]
    pub fn line(&self) -> String {
        let names = |outcome| -> Vec<&str> {
            let of = self.checks.iter().filter(|check| check.outcome == outcome);
            of.map(|check| check.name).collect()
        };
        serde_json::json!({
            "dialect": self.dialect.word(),
            "url": self.url,
            "passed": self.count(Outcome::Passed),
            "failed": names(Outcome::Failed),
            "skipped": names(Outcome::Skipped),
            "not_tested": names(Outcome::NotTested),
        })
        .to_string()
    }

    /// The page, whole and by itself.
    #[must_use]
    pub fn page(&self) -> String {
        let rows: String = self.checks.iter().map(row).collect();
        let (dialect, url) = (escape(self.dialect.word()), escape(&self.url));
        let [passed, failed, skipped, not_tested] =
            [Outcome::Passed, Outcome::Failed, Outcome::Skipped, Outcome::NotTested]
                .map(|outcome| self.count(outcome));
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <title>{dialect}: {passed} passed, {failed} failed</title><style>{STYLE}</style>\
             </head><body><h1>{dialect}</h1><p>{url}</p>\
             <p>{passed} passed, {failed} failed, {skipped} skipped, {not_tested} not tested</p>\
             <table><thead><tr><th>check</th><th>what must hold</th><th>result</th>\
             <th>what was seen</th><th>ms</th></tr></thead><tbody>{rows}</tbody></table>\
             </body></html>\n"
        )
    }
}

const STYLE: &str = "\
    body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}\
    td,th{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid #ccc}\
    .passed{color:#12633a}.failed,.not-tested{color:#a4161a;font-weight:600}.skipped{color:#666}";

fn row(check: &Check) -> String {
    let (word, took) = (check.outcome.word(), check.took_ms);
    let class = word.replace(' ', "-");
    format!(
        "<tr><td>{}</td><td>{}</td><td class=\"{class}\">{word}</td><td>{}</td>\
         <td>{took}</td></tr>",
        escape(check.name),
        escape(check.expected),
        escape(&check.seen),
    )
}

/// Text as it may stand in a page; parts of it come from the endpoint.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
