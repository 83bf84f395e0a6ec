//! `holdfast-support`: what staff can ask the console for, from a terminal. A command becomes one
//! call of the API, and its answer lines that a terminal can take. Pure but for [`run`].

mod commands;
mod lines;

use std::time::Duration;

use chassis::{
    HttpClient, HttpClientConfig, SecretString,
    http_client::{CallError, HttpRequest},
};
use clap::Parser;
use http::Method;
use serde_json::Value;

use commands::Command;
pub use lines::printable;

const WITHIN: Duration = Duration::from_secs(30);

/// Support from the terminal: dead letters, replays, repairs.
///
/// Ends with 0 when it is done, 1 when the console refuses, 2 for a command that is none, 3 when
/// there is no answer and nobody knows whether it is done.
#[derive(Debug, Parser)]
#[command(name = "holdfast-support")]
pub struct Flags {
    /// The console's address; without it, `HOLDFAST_SUPPORT_URL`
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// Print the console's own answer
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    command: Command,
}

/// One call of the console's API.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub method: Method,
    /// With its query.
    pub path: String,
    pub body: Option<Value>,
}

/// How a call ended.
#[derive(Debug)]
pub enum Ended {
    /// With this answer.
    Done(Value),
    /// The console says no, and why.
    Refused(String),
    /// Nobody knows whether it is done.
    Unknown(String),
}

impl Flags {
    /// What the console is asked.
    ///
    /// # Errors
    /// When a body is no JSON.
    pub fn call(&self) -> Result<Call, String> {
        self.command.call()
    }

    /// Lines for a person, of an answer.
    #[must_use]
    pub fn lines(&self, answer: &Value) -> String {
        lines::of(answer)
    }
}

/// Makes the call.
///
/// # Errors
/// When no client can be made.
pub async fn run(url: &str, token: &SecretString, call: Call) -> anyhow::Result<Ended> {
    let http = HttpClient::new(HttpClientConfig::default())?;
    let url = format!("{}{}", url.trim_end_matches('/'), call.path);
    let request = HttpRequest::new(call.method, url).bearer(Some(token)).within(WITHIN);
    let request = match call.body {
        Some(body) => request.json(serde_json::to_vec(&body)?),
        None => request,
    };
    Ok(match http.call::<Value>(request).await {
        Ok(answer) => Ended::Done(answer),
        Err(CallError::Refused { status, problem }) if status.is_client_error() => {
            let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
            Ended::Refused(format!("{} {}: {}", status.as_u16(), text("code"), text("detail")))
        }
        Err(error) => Ended::Unknown(chassis::chain(&error).to_string()),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use serde_json::json;

    use super::*;

    const ID: &str = "0198c0de-0000-7000-8000-000000000001";

    fn call(line: &str) -> Result<Call, String> {
        let words = std::iter::once("holdfast-support").chain(line.split(' '));
        Flags::try_parse_from(words).map_err(|error| error.to_string())?.call()
    }

    #[test]
    fn every_command_is_well_formed_and_says_what_it_does() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            command.get_subcommands().for_each(check);
        }
        let command = Flags::command();
        command.clone().debug_assert();
        check(&command);
    }

    #[test]
    fn a_command_is_one_call() {
        let listed = call("letters --cause rejected --limit 3").unwrap();
        assert_eq!((listed.method, listed.body), (Method::GET, None));
        assert_eq!(listed.path, "/v1/dead-letters?cause=rejected&limit=3");
        assert_eq!(call("find a&b=c").unwrap().path, "/v1/search?key=a%26b%3Dc");
        let found = call("find-email ana@example.org --reason asked").unwrap();
        let body = json!({ "reason": "asked", "email": "ana@example.org" });
        assert_eq!((found.path.as_str(), found.body), ("/v1/search/contacts", Some(body)));
        let run = call("run begin --reason mended --ladder 1,5 --at-most 9").unwrap();
        let body = json!({ "reason": "mended", "ladder": [1, 5], "at_most": 9 });
        assert_eq!((run.path.as_str(), run.body), ("/v1/replays", Some(body)));
        let absent =
            call(&format!("repair {ID} declare-absent {ID} 2 --evidence mail --reason told"));
        let body = json!({
            "reason": "told", "evidence": "mail",
            "act": { "is": "declare_absent", "attempt": 2, "reference": null },
        });
        assert_eq!(absent.unwrap().body, Some(body));
    }

    #[test]
    fn an_act_needs_its_reason_and_an_id_is_one() {
        assert!(call(&format!("discard {ID}")).unwrap_err().contains("--reason"));
        assert!(call("letter none").is_err());
        assert!(call(&format!("replay {ID} --reason x --body nonsense")).is_err());
        assert!(call("launch").is_err());
    }
}
