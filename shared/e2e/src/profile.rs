//! The durations a stack runs with: as shipped, or short enough that somebody outside can wait for
//! them.

use std::str::FromStr;

use contracts::{policy::Policy, supplier::Supplier};
use serde::{Deserialize, Serialize};

/// A set of durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// As shipped.
    Default,
    /// Seconds instead of minutes, hours and days.
    Fast,
    /// Short, but a booking gets the time that people need to watch it.
    Demo,
}

/// (table, key, value as TOML); `supplier.*` is every supplier's, `search.*` every product's.
pub type Change = (&'static str, &'static str, &'static str);

const FAST: &[Change] = &[
    ("lock", "for", r#""6s""#),
    ("lock", "open_per_account_max", "500"),
    ("search.*", "soft_for", r#""3s""#),
    ("search.*", "hard_for", r#""9s""#),
    ("search", "deadline", r#""4s""#),
    ("supplier.*", "price_check_deadline", r#""4s""#),
    ("booking", "pending_for_max", r#""8s""#),
    ("booking", "payment_window", r#""8s""#),
    ("booking", "settle_for_max", r#""20s""#),
    ("booking", "commit_for_max", r#""20s""#),
    ("booking", "unwind_for_max", r#""20s""#),
    ("booking", "review_for_max", r#""60s""#),
    ("supplier.*", "answer_within_max", r#""2s""#),
    ("supplier.*", "visible_after_max", r#""1s""#),
    ("supplier.*", "ladder", r#"["200ms", "400ms", "800ms", "1s", "2s"]"#),
    ("supplier.*", "sweep", r#"["4s", "10s", "30s"]"#),
    ("supplier.*", "retry_not_sent_for", r#""6s""#),
    ("payment", "watch_every", r#""200ms""#),
    ("payment", "grace", r#""2s""#),
    ("payment", "head_age_max", r#""30s""#),
    ("payment", "refund_ask_first", r#""200ms""#),
    ("payment", "refund_ask_max", r#""1s""#),
    ("payment", "refund_for_max", r#""15s""#),
    ("rewards", "vest_after", r#""3s""#),
    // A machine that does everything at once is slow, and nobody waits before a page.
    ("support", "owners_within", r#""10s""#),
    ("messaging", "retry_first", r#""100ms""#),
    ("messaging", "retry_max", r#""2s""#),
];

const DEMO: &[Change] = &[
    ("lock", "for", r#""60s""#),
    ("booking", "pending_for_max", r#""30s""#),
    ("booking", "payment_window", r#""60s""#),
    ("booking", "settle_for_max", r#""60s""#),
    ("supplier.*", "retry_not_sent_for", r#""20s""#),
];

impl Profile {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Fast => "fast",
            Self::Demo => "demo",
        }
    }

    /// The whole policy file of this profile, made of the one that ships.
    ///
    /// # Panics
    /// When the shipped file has no such key: a profile names only what exists.
    #[must_use]
    pub fn policy(self) -> String {
        let (text, unknown) = self.policy_of(contracts::policy::DEFAULT);
        assert!(unknown.is_empty(), "there is no {unknown:?}");
        Policy::parse(&text).expect("the profile is a policy");
        text
    }

    /// The same made of another build's file, and what of the profile that has no place for.
    ///
    /// # Panics
    /// When it is no TOML.
    #[must_use]
    pub fn policy_of(self, shipped: &str) -> (String, Vec<String>) {
        let mut policy: toml::Table = toml::from_str(shipped).unwrap();
        let mut unknown = Vec::new();
        let changes: Vec<Change> = match self {
            Self::Default => Vec::new(),
            Self::Fast => FAST.to_vec(),
            Self::Demo => [FAST, DEMO].concat(),
        };
        policy.insert("profile".to_owned(), self.name().into());
        for (table, key, value) in changes {
            for table in tables(table) {
                if change(&mut policy, &table, key, value).is_none() {
                    unknown.push(format!("{table}.{key}"));
                }
            }
        }
        (toml::to_string(&policy).unwrap(), unknown)
    }
}

fn tables(named: &str) -> Vec<String> {
    match named.strip_suffix(".*") {
        Some("search") => {
            ["stay", "flight", "activity"].map(|kind| format!("search.{kind}")).into()
        }
        Some(of) => Supplier::ALL.map(|supplier| format!("{of}.{supplier}")).into(),
        None => vec![named.to_owned()],
    }
}

/// Nothing when there is no such key.
fn change(policy: &mut toml::Table, table: &str, key: &str, value: &str) -> Option<()> {
    let mut at = policy;
    for part in table.split('.') {
        at = at.get_mut(part)?.as_table_mut()?;
    }
    let old = at.get_mut(key)?;
    let line: toml::Table = toml::from_str(&format!("value = {value}")).unwrap();
    *old = line["value"].clone();
    Some(())
}

/// A policy with some values changed.
///
/// # Panics
/// When it is no policy, or has no such key.
#[must_use]
pub(crate) fn changed(policy: &str, changes: &[Change]) -> String {
    let mut changed: toml::Table = toml::from_str(policy).unwrap();
    for (table, key, value) in changes {
        for table in tables(table) {
            let found = change(&mut changed, &table, key, value);
            assert!(found.is_some(), "there is no {table}.{key}");
        }
    }
    toml::to_string(&changed).unwrap()
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Default, Self::Fast, Self::Demo]
            .into_iter()
            .find(|profile| profile.name() == text)
            .ok_or_else(|| "must be default, fast or demo".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_profile_changes_what_it_names_and_keeps_the_rest() {
        let shipped = Policy::parse(contracts::policy::DEFAULT).unwrap();
        let fast = Policy::parse(&Profile::Fast.policy()).unwrap();
        assert_eq!(fast.lock.lasts_for, Duration::from_secs(6));
        assert_eq!(fast.booking.payment_window, Duration::from_secs(8));
        assert_eq!(fast.supplier.rapid.visible_after_max, Duration::from_secs(1));
        assert_eq!(fast.rewards.vest_after, Duration::from_secs(3));
        assert_eq!(fast.booking.idempotency_for, shipped.booking.idempotency_for);
        assert_eq!(fast.messaging.attempts_max, shipped.messaging.attempts_max);
        assert_eq!(Policy::parse(&Profile::Default.policy()).unwrap(), shipped);
    }
}
