//! Whether an endpoint speaks a supplier's dialect: checks made of our connector's own requests,
//! and a report for people.
#![doc = include_str!("../README.md")]

mod checks;
mod desk;
mod judge;
mod ledger;
mod line;
pub mod report;
mod said;
mod stand_in;

use std::time::Duration;

use contracts::supplier::Supplier;
use secrecy::SecretString;

pub use line::{NoEndpoint, endpoint};
pub use report::{Check, Outcome, Report};
pub use stand_in::StandIn;

/// What is to be tested, and how it is reached.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Base URL of the endpoint, without a slash at its end.
    pub url: String,
    /// Whose dialect it claims to speak.
    pub dialect: Supplier,
    /// The key it gave out.
    pub key: String,
    /// The secret that goes with it.
    pub secret: SecretString,
    /// What to look for: a property, a route such as `LHR-JFK`, or a destination. What our
    /// stand-in sells when left out.
    pub what: Option<String>,
    /// How many days ahead.
    pub days_ahead: u64,
    /// How long a reservation may be missing from look-ups.
    pub visible_within: Duration,
    /// How long to wait for a hold to end.
    pub patience: Duration,
}

/// Runs every check, in an order in which each builds on what the ones before it made, and then
/// gives back what still stands.
///
/// # Errors
/// When its address is none, or no HTTP client can be made.
pub async fn run(subject: &Subject) -> anyhow::Result<Report> {
    run_until(subject, std::future::pending()).await
}

/// The same until somebody wants it to stop: what was made until then is given back all the same.
///
/// # Errors
/// When its address is none, or no HTTP client can be made.
pub async fn run_until(
    subject: &Subject,
    stop: impl Future<Output = ()> + Send,
) -> anyhow::Result<Report> {
    let line = line::Line::new(subject)?;
    Ok(checks::all(subject, &line, stop).await)
}
