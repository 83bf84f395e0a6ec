#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

pub mod api_error;
pub mod auth;
pub mod backoff;
pub mod blind;
pub mod chain;
pub mod config;
pub mod fields;
pub mod flights;
pub mod http;
pub mod http_client;
pub mod metrics;
pub mod mint;
pub mod process;
pub mod seal;
pub mod sign;
pub mod telemetry;
pub mod trace;

pub use api_error::{ApiError, FieldError};
pub use chain::chain;
pub use config::{Config, Problems, Vars};
pub use flights::Flights;
pub use http_client::{HttpClient, HttpClientConfig, HttpError, HttpReply, HttpRequest};
pub use process::{Command, Process, Tasks, main};
pub use secrecy::{ExposeSecret, SecretString};
pub use telemetry::{LogFormat, TelemetryConfig};
pub use tokio_util::sync::CancellationToken;
