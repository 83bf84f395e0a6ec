//! The one reader of the environment.
//!
//! A service says what it needs in [`Config::from_vars`]; every problem is collected and printed
//! together, so that a machine is set up in one go and not one restart at a time. Tests pass a map
//! and never touch the environment.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    str::FromStr,
    time::Duration,
};

use secrecy::SecretString;

use crate::telemetry::{LogFormat, TelemetryConfig};

mod units;

/// What a service is configured by.
pub trait Config: Sized {
    /// Reads everything the service needs and says all that is wrong with it at once.
    ///
    /// # Errors
    ///
    /// Every problem found; the usual last line is `vars.finish(config)`.
    fn from_vars(vars: &Vars<'_>) -> Result<Self, Problems>;

    /// Where traces go and what is logged.
    fn telemetry(&self) -> &TelemetryConfig;
}

/// The variables of a process, and the problems found while reading them.
///
/// Each method returns a value at once. When a variable is missing or wrong the problem is noted
/// and the value is a stand-in that [`Vars::finish`] never lets out. An empty variable counts as
/// absent.
pub struct Vars<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    asked: RefCell<BTreeSet<String>>,
    problems: RefCell<Vec<Problem>>,
}

/// One thing that is wrong with one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub key: String,
    /// What is wrong; never the value of a secret.
    pub what: String,
}

/// Everything that is wrong with a configuration; prints one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl<'a> Vars<'a> {
    /// Wraps a look-up by key.
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, asked: RefCell::default(), problems: RefCell::default() }
    }

    /// Reads a text that must be there.
    pub fn required(&self, key: &str) -> String {
        self.optional(key).unwrap_or_else(|| self.missing(key))
    }

    /// Reads a text that may be absent.
    pub fn optional(&self, key: &str) -> Option<String> {
        self.asked.borrow_mut().insert(key.to_owned());
        (self.lookup)(key).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Reads a secret that must be there, from the variable or from the file `{key}_FILE` names.
    pub fn secret(&self, key: &str) -> SecretString {
        self.optional_secret(key).unwrap_or_else(|| self.missing::<String>(key).into())
    }

    /// Reads a secret that may be absent, from the variable or from the file `{key}_FILE` names.
    pub fn optional_secret(&self, key: &str) -> Option<SecretString> {
        if let Some(value) = self.optional(key) {
            return Some(value.into());
        }
        let file_key = format!("{key}_FILE");
        let path = (self.lookup)(&file_key).filter(|path| !path.is_empty())?;
        self.read(&file_key, &path).map(|text| text.trim().to_owned().into())
    }

    /// Reads the text of the file that the variable names, if it names one.
    pub fn file(&self, key: &str) -> Option<String> {
        let path = self.optional(key)?;
        self.read(key, &path)
    }

    /// Reads anything that parses from text; `default` when it is absent.
    pub fn parse<T>(&self, key: &str, default: T) -> T
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.parse_optional(key).unwrap_or(default)
    }

    /// Reads anything that parses from text and must be there.
    pub fn parse_required<T>(&self, key: &str) -> T
    where
        T: FromStr<Err: fmt::Display> + Default,
    {
        let text = self.required(key);
        if text.is_empty() { T::default() } else { self.parsed(key, &text).unwrap_or_default() }
    }

    /// Reads anything that parses from text and may be absent.
    pub fn parse_optional<T>(&self, key: &str) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        self.optional(key).and_then(|text| self.parsed(key, &text))
    }

    /// Reads a time with its unit, `200ms`, `30s`, `5m`, `2h`, `1d`; `default` when it is absent.
    pub fn duration(&self, key: &str, default: Duration) -> Duration {
        self.with(key, default, units::duration)
    }

    /// Reads a number of bytes with its unit, `512B`, `64KiB`, `16MiB`; `default` when absent.
    pub fn size(&self, key: &str, default: usize) -> usize {
        self.with(key, default, units::size)
    }

    /// Reads an `http` or `https` address that must be there; without a slash at its end.
    pub fn url(&self, key: &str) -> String {
        self.optional_url(key).unwrap_or_else(|| {
            if self.optional(key).is_some() { String::new() } else { self.missing(key) }
        })
    }

    /// Reads an `http` or `https` address that may be absent; without a slash at its end.
    pub fn optional_url(&self, key: &str) -> Option<String> {
        let text = self.optional(key)?;
        match units::url(&text) {
            Ok(url) => Some(url),
            Err(what) => self.problem(key, what),
        }
    }

    /// Reads an address to listen on, `127.0.0.1:8080`, that must be there.
    pub fn addr(&self, key: &str) -> SocketAddr {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let text = self.required(key);
        if text.is_empty() { nowhere } else { self.parsed(key, &text).unwrap_or(nowhere) }
    }

    /// Reads a list separated by commas; empty when it is absent.
    pub fn list(&self, key: &str) -> Vec<String> {
        let text = self.optional(key).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Reads a value by a function of the caller's; `default` when it is absent.
    pub fn with<T>(
        &self,
        key: &str,
        default: T,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let Some(text) = self.optional(key) else { return default };
        match read(&text) {
            Ok(value) => value,
            Err(what) => {
                self.note(key, what);
                default
            }
        }
    }

    /// Reads `{prefix}_TELEMETRY_OTLP_URL`, `…_TELEMETRY_SHARE`, `{prefix}_LOG_FILTER` and
    /// `…_LOG_FORMAT`.
    pub fn telemetry(&self, prefix: &str) -> TelemetryConfig {
        let default = TelemetryConfig::default();
        TelemetryConfig {
            otlp_url: self.optional_url(&format!("{prefix}_TELEMETRY_OTLP_URL")),
            share: self.with(&format!("{prefix}_TELEMETRY_SHARE"), default.share, units::share),
            log_filter: self.with(&format!("{prefix}_LOG_FILTER"), default.log_filter, |text| {
                crate::telemetry::check_filter(text).map(|()| text.to_owned())
            }),
            log_format: self.parse(&format!("{prefix}_LOG_FORMAT"), LogFormat::Json),
        }
    }

    /// Notes a problem the caller found; `None`, so that it can end a branch.
    pub fn problem<T>(&self, key: &str, what: impl Into<String>) -> Option<T> {
        self.note(key, what.into());
        None
    }

    /// Lets the configuration out if nothing was wrong.
    ///
    /// # Errors
    ///
    /// Every problem noted so far.
    pub fn finish<C>(&self, config: C) -> Result<C, Problems> {
        let problems = self.problems.borrow().clone();
        if problems.is_empty() { Ok(config) } else { Err(Problems(problems)) }
    }

    fn missing<T: Default>(&self, key: &str) -> T {
        self.note(key, "is not set".to_owned());
        T::default()
    }

    fn parsed<T>(&self, key: &str, text: &str) -> Option<T>
    where
        T: FromStr<Err: fmt::Display>,
    {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => self.problem(key, format!("cannot be `{text}`: {error}")),
        }
    }

    fn read(&self, key: &str, path: &str) -> Option<String> {
        match std::fs::read_to_string(Path::new(path)) {
            Ok(text) => Some(text),
            Err(error) => {
                self.problem(key, format!("names `{path}`, which is unreadable: {error}"))
            }
        }
    }

    fn note(&self, key: &str, what: String) {
        let problem = Problem { key: key.to_owned(), what };
        let mut problems = self.problems.borrow_mut();
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, Problem { key, what }) in self.0.iter().enumerate() {
            let line_break = if at == 0 { "" } else { "\n" };
            write!(f, "{line_break}{key} {what}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Reads a configuration from the environment of this process.
///
/// # Errors
///
/// Every problem found.
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
pub fn from_environment<C: Config>() -> Result<C, Problems> {
    C::from_vars(&Vars::new(&|key| std::env::var(key).ok()))
}

/// Checks a service's sample (`deploy/env/<service>.env`) against what the service asks for.
///
/// The sample is the document of the keys, so it must name every key and no other, and the service
/// must start with it. Lines are `KEY=value`, `#` comments or empty; an empty value is an absent
/// one.
///
/// # Errors
///
/// One sentence for each difference.
pub fn check_sample<C: Config>(sample: &str) -> Result<C, Vec<String>> {
    let given: BTreeMap<_, _> = sample
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once('=').unwrap_or((line, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    let lookup = |key: &str| given.get(key).cloned();
    let vars = Vars::new(&lookup);
    let config = C::from_vars(&vars);

    let asked = vars.asked.borrow();
    let unknown = given.keys().filter(|key| !asked.contains(*key));
    let absent = asked.iter().filter(|key| !given.contains_key(*key));
    let mut differences: Vec<_> = unknown.map(|key| format!("{key} is read by nobody")).collect();
    differences.extend(absent.map(|key| format!("{key} is not in the sample")));
    match config {
        Ok(config) if differences.is_empty() => Ok(config),
        Ok(_) => Err(differences),
        Err(problems) => {
            differences
                .extend(problems.0.into_iter().map(|Problem { key, what }| key + " " + &what));
            Err(differences)
        }
    }
}

#[cfg(test)]
mod tests;
