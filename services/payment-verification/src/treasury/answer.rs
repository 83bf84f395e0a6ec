//! What the treasury is asked of a refund, and how its answers are read.

use chassis::HttpReply;
use http::StatusCode;
use payment_verification_core::chain::Hash32;
use serde::{Deserialize, Serialize};

use crate::store::refund::Due;

/// A payout as the treasury is told it, and tells it back.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Payout {
    pub(super) id: String,
    /// As CAIP-2 writes it.
    pub(super) chain: String,
    pub(super) asset: String,
    pub(super) contract: Option<String>,
    pub(super) to: String,
    pub(super) amount: String,
}

impl Payout {
    pub(super) fn of(due: &Due) -> Self {
        Self {
            id: due.refund_id.to_string(),
            chain: due.chain.clone(),
            asset: due.asset.clone(),
            contract: due.contract.clone(),
            to: due.to.clone(),
            amount: due.units.clone(),
        }
    }
}

#[derive(Deserialize)]
struct Entry {
    #[serde(flatten)]
    payout: Payout,
    transactions: Vec<Hash32>,
}

/// What the treasury is asked of a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    /// To take it on.
    TakeOn,
    /// What became of it, since it was taken on.
    WhatOf,
    /// Whether it has it, although it says that it cannot send it.
    HasItStill,
}

impl Question {
    pub(super) const fn of(due: &Due) -> Self {
        match (due.failed, due.handed) {
            (true, _) => Self::HasItStill,
            (false, true) => Self::WhatOf,
            (false, false) => Self::TakeOn,
        }
    }
}

/// What the treasury says of a refund.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It has it, and named these transactions.
    Has(Vec<Hash32>),
    /// It cannot send it, and has not.
    Cannot,
    /// It has something else under its id, or knows nothing of what it had.
    Disagrees,
    /// Nothing that says what is: it is asked again.
    Unknown,
}

/// Reads an answer. Only two refusals of a refund that was never taken on say that it never will be
/// sent, and that nothing is known of one that was refused; what is not understood says nothing.
pub(super) fn read(reply: &HttpReply, asked: &Payout, question: Question) -> Answer {
    match reply.status {
        StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED => {
            match serde_json::from_slice::<Entry>(&reply.body) {
                Ok(entry) if entry.payout == *asked => Answer::Has(entry.transactions),
                Ok(_) => Answer::Disagrees,
                Err(error) => {
                    tracing::warn!(%error, "the treasury's answer about a refund cannot be read");
                    Answer::Unknown
                }
            }
        }
        StatusCode::CONFLICT => Answer::Disagrees,
        StatusCode::NOT_FOUND if question == Question::WhatOf => Answer::Disagrees,
        StatusCode::NOT_FOUND if question == Question::HasItStill => Answer::Cannot,
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
            if question == Question::TakeOn =>
        {
            Answer::Cannot
        }
        status => {
            tracing::warn!(%status, "the treasury says nothing of use about a refund");
            Answer::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_refusal_of_what_was_never_taken_on_says_that_nothing_will_be_sent() {
        let asked = Payout {
            id: "r".to_owned(),
            chain: "eip155:1".to_owned(),
            asset: "eth".to_owned(),
            contract: None,
            to: "0xaa".to_owned(),
            amount: "7".to_owned(),
        };
        let hash = format!("0x{}", "1".repeat(64));
        let same = json!({
            "id": "r", "chain": "eip155:1", "asset": "eth", "contract": null, "to": "0xaa", "amount": "7",
            "status": "sent", "transactions": [hash],
        });
        let mut other = same.clone();
        other["amount"] = json!("8");
        let mut odd = same.clone();
        odd["transactions"] = json!(["0x12"]);
        // As chains of the Bitcoin family write it.
        let mut bare = same.clone();
        bare["transactions"] = json!([hash.trim_start_matches("0x")]);
        let has = || Answer::Has(vec![hash.parse().unwrap()]);
        let (unknown, cannot, disagrees) =
            (|| Answer::Unknown, || Answer::Cannot, || Answer::Disagrees);
        for (status, body, before, after, refused) in [
            (200, &same, has(), has(), has()),
            (202, &same, has(), has(), has()),
            (202, &bare, has(), has(), has()),
            (200, &other, disagrees(), disagrees(), disagrees()),
            (200, &odd, unknown(), unknown(), unknown()),
            (400, &other, cannot(), unknown(), unknown()),
            (422, &other, cannot(), unknown(), unknown()),
            (404, &other, unknown(), disagrees(), cannot()),
            (409, &other, disagrees(), disagrees(), disagrees()),
            (401, &other, unknown(), unknown(), unknown()),
            (429, &other, unknown(), unknown(), unknown()),
            (500, &other, unknown(), unknown(), unknown()),
            (302, &other, unknown(), unknown(), unknown()),
        ] {
            let reply = HttpReply {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: body.to_string().into(),
                took: Duration::ZERO,
            };
            for (question, answer) in [
                (Question::TakeOn, before),
                (Question::WhatOf, after),
                (Question::HasItStill, refused),
            ] {
                assert_eq!(read(&reply, &asked, question), answer, "{status} to {question:?}");
            }
        }
    }
}
