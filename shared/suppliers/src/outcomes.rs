//! What a reply means, as data: looked up exactly, and what is not listed is unknown.

use contracts::messages::RefusedWhy;

use crate::answer::Operation;

/// What a status and an error code prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Surely done; for a look-up: surely answered.
    SureYes,
    /// Surely something exists under this client reference: look it up. Never a refusal.
    Taken,
    /// Surely not done, and asking again does not help.
    SureNo(RefusedWhy),
    /// Surely not done: only at another price.
    PriceChanged,
    /// Surely not done, and not even tried: it may be sent again.
    NotSent,
    /// A look-up that found nothing.
    NotFound,
    /// It may or may not be done.
    Unknown,
}

impl Verdict {
    /// The word used in metrics and journals.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::SureYes | Self::Taken => "sure_yes",
            Self::SureNo(_) => "sure_no",
            Self::PriceChanged => "price_changed",
            Self::NotSent => "not_sent",
            Self::NotFound => "not_found",
            Self::Unknown => "unknown",
        }
    }
}

/// One published rule.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Of which operation.
    pub operation: Operation,
    /// With which status.
    pub status: u16,
    /// With which error code; `None` where the rule holds whatever the body says.
    pub code: Option<&'static str>,
    /// What it proves.
    pub verdict: Verdict,
    /// Where the supplier says so.
    pub source: &'static str,
}

/// Everything one supplier publishes about its replies.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// The supplier's word; more suppliers may be listed than there are dialects.
    pub supplier: &'static str,
    /// The rules.
    pub rules: &'static [Rule],
}

impl Table {
    /// What a reply with this status and these error codes proves.
    ///
    /// One error among several that proves existence outweighs all others; then the first code that
    /// is listed counts, then a rule for the status alone. Anything else is unknown.
    #[must_use]
    pub fn verdict(&self, operation: Operation, status: u16, codes: &[String]) -> Verdict {
        let listed = |code: Option<&str>| {
            self.rules
                .iter()
                .find(|r| r.operation == operation && r.status == status && r.code == code)
                .map(|r| r.verdict)
        };
        let by_code: Vec<Verdict> = codes.iter().filter_map(|c| listed(Some(c))).collect();
        if by_code.contains(&Verdict::Taken) {
            return Verdict::Taken;
        }
        by_code.first().copied().or_else(|| listed(None)).unwrap_or(Verdict::Unknown)
    }
}

/// Every table.
pub static TABLES: [&Table; 5] = [
    &crate::rapid::OUTCOMES,
    &crate::etg::OUTCOMES,
    &crate::hotelbeds::OUTCOMES,
    &crate::duffel::OUTCOMES,
    &crate::neutral::OUTCOMES,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rule_is_listed_twice_and_each_names_its_source() {
        for table in TABLES {
            for (n, rule) in table.rules.iter().enumerate() {
                assert!(rule.source.len() > 20, "{} {rule:?}", table.supplier);
                let again = table.rules.iter().skip(n + 1).any(|r| {
                    (r.operation, r.status, r.code) == (rule.operation, rule.status, rule.code)
                });
                assert!(!again, "{} {rule:?}", table.supplier);
            }
        }
    }
}
