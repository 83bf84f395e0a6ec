//! JSON-RPC over HTTP as nodes of both families speak it: several questions in one exchange.

use std::{collections::BTreeMap, time::Duration};

use chassis::{HttpClient, HttpClientConfig, HttpRequest, http_client::CannotMakeClient};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json, value::RawValue};

use super::ChainError;

/// A full block of a busy chain is a few megabytes with all that is told of it; some of them are
/// asked for together.
const ANSWER_MAX: usize = 128 * 1024 * 1024;
/// A node that takes longer is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// One answer of a batch.
#[derive(Deserialize)]
struct Reply {
    id: usize,
    result: Option<Box<RawValue>>,
    error: Option<RpcError>,
}

/// Why a node refuses; its words are not kept, they may hold anything.
#[derive(Deserialize)]
struct RpcError {
    code: i64,
}

/// What a node answers to one question: something, or a code.
pub(super) type Answer = Result<Box<RawValue>, i64>;

/// A node's door.
#[derive(Debug, Clone)]
pub(super) struct Rpc {
    // An address of a hosted node often has its key in it.
    url: SecretString,
    http: HttpClient,
}

impl Rpc {
    pub(super) fn new(url: SecretString) -> Result<Self, CannotMakeClient> {
        let http = HttpClient::new(HttpClientConfig {
            timeout: ANSWER_WITHIN,
            max_body: ANSWER_MAX,
            ..HttpClientConfig::default()
        })?;
        Ok(Self { url, http })
    }

    /// Asks several things in one exchange; the answers come in the order of the questions, each an
    /// answer or a refusal of its own.
    pub(super) async fn ask(
        &self,
        asked: &'static str,
        calls: &[(&'static str, Value)],
    ) -> Result<Vec<Answer>, ChainError> {
        let body: Vec<_> = calls
            .iter()
            .enumerate()
            .map(|(id, (method, params))| {
                json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
            })
            .collect();
        let not_readable = |source| ChainError::NotReadable { asked, source };
        let body = serde_json::to_vec(&body).map_err(not_readable)?;
        let request = HttpRequest::new(http::Method::POST, self.url.expose_secret()).json(body);
        let reply = self.http.send(request).await;
        let reply = reply.map_err(|source| ChainError::NoAnswer { asked, source })?;
        if !reply.status.is_success() {
            return Err(ChainError::Refused { asked, code: i64::from(reply.status.as_u16()) });
        }
        let replies: Vec<Reply> = serde_json::from_slice(&reply.body).map_err(not_readable)?;
        let mut answers: BTreeMap<usize, Reply> =
            replies.into_iter().map(|reply| (reply.id, reply)).collect();
        let in_order = (0..calls.len()).map(|id| match answers.remove(&id) {
            Some(Reply { error: Some(error), .. }) => Ok(Err(error.code)),
            Some(Reply { result: Some(result), .. }) => Ok(Ok(result)),
            // An absent result and an explicit null are the same to the reader: there is no such
            // thing.
            Some(Reply { result: None, .. }) => {
                RawValue::from_string("null".to_owned()).map(Ok).map_err(not_readable)
            }
            None => Err(ChainError::Refused { asked, code: 0 }),
        });
        in_order.collect()
    }

    /// The same, where a refusal of one question is a refusal of all.
    pub(super) async fn ask_all(
        &self,
        asked: &'static str,
        calls: &[(&'static str, Value)],
    ) -> Result<Vec<Box<RawValue>>, ChainError> {
        let answers = self.ask(asked, calls).await?.into_iter();
        answers.map(|answer| answer.map_err(|code| ChainError::Refused { asked, code })).collect()
    }
}

/// Reads an answer as what it must be.
pub(super) fn read<T: DeserializeOwned>(
    asked: &'static str,
    raw: &RawValue,
) -> Result<T, ChainError> {
    serde_json::from_str(raw.get()).map_err(|source| ChainError::NotReadable { asked, source })
}
