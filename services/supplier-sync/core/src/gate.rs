//! Whether a supplier may be asked now: what may be asked in a minute, what it says is left, and
//! whether it answers at all. Pure; the instances share one gate in Redis by a script that says the
//! same.
//!
//! The budget is a bucket: a quarter of a minute's calls may go out at once, and three quarters
//! come back in a minute, so that no minute ever sees more than its limit. Searches leave a share
//! of it alone, price checks half of that; what books, cancels and looks up may use everything.
//!
//! The breaker counts over a window. When enough calls were made and too many of them failed, what
//! would begin something new is refused, while whatever begun must be ended or looked up goes on.
//! Then single probes are let through, and a few good answers close it. Searches have one of their
//! own: there are many times more of them, and what they fail at says nothing of booking.

use std::{collections::BTreeMap, time::Duration};

use contracts::policy::SupplierPolicy;
use suppliers::{Left, Operation, Quota, Scope};

/// A call, in the units of the bucket: what comes back in a millisecond is less than one.
const CALL: i64 = 1_000;
const MINUTE_MS: i64 = 60_000;
/// A smaller limit is taken for this one: a quarter of it has to be a call.
const LIMIT_MIN: i64 = 4;
/// How long a supplier that says too much was asked is left alone, where it does not say how long.
const SPENT_FOR: u64 = 5_000;
/// No supplier is left alone for longer without asking it again; a day's quota ends some time, and
/// a reset that is told wrong must not stop us for ever.
const SPENT_FOR_MAX: u64 = 15 * 60_000;
/// So many good answers in a row close a breaker.
pub const PROBES_NEEDED: i64 = 3;

/// What a call is for, by what it may use and what the breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Somebody looks around.
    Search,
    /// Somebody is about to book.
    PriceCheck,
    /// Makes something new.
    Reserve,
    /// Ends or looks up what was begun, or buys what is held.
    Finish,
}

impl Class {
    /// The class of an operation.
    #[must_use]
    pub const fn of(operation: Operation) -> Self {
        match operation {
            Operation::Search => Self::Search,
            Operation::PriceCheck => Self::PriceCheck,
            Operation::Reserve => Self::Reserve,
            Operation::Confirm | Operation::Cancel | Operation::Amend | Operation::Lookup => {
                Self::Finish
            }
        }
    }

    /// How much later than others it asks a supplier that said that nothing is left: who searches
    /// would take what comes back first.
    #[must_use]
    pub const fn gives_way_ms(self) -> i64 {
        match self {
            Self::Search => 2_000,
            Self::PriceCheck | Self::Reserve | Self::Finish => 0,
        }
    }

    /// Whether an open breaker refuses it.
    #[must_use]
    pub const fn is_stopped(self) -> bool {
        !matches!(self, Self::Finish)
    }
}

/// One supplier's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Calls in a minute.
    pub limit: i64,
    /// Hundredths of it that searches leave alone.
    pub kept_percent: i64,
    /// Over how long the breaker counts.
    pub window_ms: i64,
    /// How many calls it counts at least before it opens.
    pub calls_min: i64,
    /// How many hundredths of them must have failed.
    pub failed_percent: i64,
    /// How long it stays open before it probes.
    pub open_ms: i64,
    /// How long a probe may take before another is let through.
    pub probe_ms: i64,
}

impl Rules {
    /// The rules of a policy.
    #[must_use]
    pub fn of(policy: &SupplierPolicy) -> Self {
        let ms = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
        Self {
            limit: i64::from(policy.calls_per_minute_max),
            kept_percent: i64::from(policy.calls_kept_percent),
            window_ms: ms(policy.breaker_window),
            calls_min: i64::from(policy.breaker_calls_min),
            failed_percent: i64::from(policy.breaker_failed_percent),
            open_ms: ms(policy.breaker_open_for),
            probe_ms: ms(policy.answer_within_max),
        }
    }

    /// The share of one instance that cannot ask the others.
    #[must_use]
    pub const fn alone(self, percent: i64) -> Self {
        Self { limit: self.limit * percent / 100, ..self }
    }

    /// How much goes out at once, and what comes back in a minute.
    #[must_use]
    pub fn bucket(&self) -> (i64, i64) {
        let whole = self.limit.max(LIMIT_MIN) * CALL;
        let burst = whole / 4;
        (burst, whole - burst)
    }

    /// What a class leaves alone, in thousandths.
    #[must_use]
    pub const fn floor(&self, class: Class) -> i64 {
        match class {
            Class::Search => self.kept_percent * 10,
            Class::PriceCheck => self.kept_percent * 5,
            Class::Reserve | Class::Finish => 0,
        }
    }
}

/// What a supplier said is left, in the units of the bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub left: i64,
    pub of: i64,
    /// When it counts anew.
    pub until: i64,
}

/// How things stand at one supplier. Times are milliseconds of one clock.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gate {
    /// What is in the bucket, and when that was so; nothing before the first call.
    pub filled: Option<(i64, i64)>,
    /// What the supplier said, of everything (under no name) or of one path.
    pub allowances: BTreeMap<String, Allowance>,
    /// The breaker of what books.
    pub booking: Breaker,
    /// The breaker of searches: a supplier whose search is ill still sells what was found.
    pub searching: Breaker,
}

/// Whether a supplier answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Breaker {
    /// Its window: when it began, calls, failed ones.
    pub window: (i64, i64, i64),
    /// Since when it is open, until when it only refuses; nothing while it is closed.
    pub open: Option<(i64, i64)>,
    /// Until when a probe is waited for.
    pub probe_until: i64,
    /// Good answers in a row since it began to probe.
    pub good: i64,
}

/// Whether a call may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Go,
    /// Too much was asked: not before then.
    Wait {
        until: i64,
    },
    /// The breaker is open: not before then.
    Open {
        until: i64,
    },
}

impl Gate {
    /// Asks whether a call may go out, and counts it when it may.
    pub fn ask(&mut self, rules: &Rules, class: Class, path: &str, now: i64) -> Verdict {
        let breaker = self.breaker(class);
        let mut probes = false;
        if let Some((_, until)) = breaker.open.filter(|_| class.is_stopped()) {
            let until = until.max(breaker.probe_until);
            if now < until {
                return Verdict::Open { until };
            }
            probes = true;
        }
        let floor = rules.floor(class);
        for name in ["", path] {
            let Some(told) = self.allowances.get(name) else { continue };
            let until = told.until + if told.left < CALL { class.gives_way_ms() } else { 0 };
            if now < until && told.left - CALL < told.of * floor / 1_000 {
                return Verdict::Wait { until };
            }
        }
        let (burst, per_minute) = rules.bucket();
        let level = self.level(rules, now);
        let floor = (burst * floor / 1_000).min(burst - CALL);
        let short = floor + CALL - level;
        if short > 0 {
            let wait = (short * MINUTE_MS + per_minute - 1) / per_minute;
            return Verdict::Wait { until: now + wait };
        }
        if probes {
            self.breaker(class).probe_until = now + rules.probe_ms;
        }
        self.spend(rules, path, now);
        Verdict::Go
    }

    /// Counts a call that goes out whatever is left: an exchange that has begun is not left half
    /// done.
    pub fn spend(&mut self, rules: &Rules, path: &str, now: i64) {
        let (burst, _) = rules.bucket();
        let level = (self.level(rules, now) - CALL).max(-burst);
        self.filled = Some((level, now));
        for name in ["", path] {
            if let Some(told) = self.allowances.get_mut(name) {
                told.left = (told.left - CALL).max(0);
            }
            if path.is_empty() {
                break;
            }
        }
    }

    /// What is in the bucket now.
    #[must_use]
    pub fn level(&self, rules: &Rules, now: i64) -> i64 {
        let (burst, per_minute) = rules.bucket();
        let Some((level, at)) = self.filled else { return burst };
        // A clock that went back fills nothing.
        let since = (now - at).clamp(0, 2 * MINUTE_MS);
        (level + since * per_minute / MINUTE_MS).min(burst)
    }

    /// Learns what a supplier said of what is left; the newest word counts.
    pub fn allow(&mut self, rules: &Rules, path: &str, quota: &Quota, now: i64) {
        let (name, told) = allowance(rules, path, quota, now);
        self.allowances.insert(name, told);
    }

    /// Learns whether a call was answered as it should be.
    pub fn note(&mut self, rules: &Rules, class: Class, well: bool, now: i64) {
        self.breaker(class).note(rules, well, now);
    }

    /// Closes both breakers and forgets what they counted.
    pub fn close(&mut self) {
        self.booking = Breaker::default();
        self.searching = Breaker::default();
    }

    /// The breaker that counts the calls of a class.
    const fn breaker(&mut self, class: Class) -> &mut Breaker {
        match class {
            Class::Search => &mut self.searching,
            Class::PriceCheck | Class::Reserve | Class::Finish => &mut self.booking,
        }
    }
}

impl Breaker {
    fn note(&mut self, rules: &Rules, well: bool, now: i64) {
        if let Some((since, until)) = self.open {
            if now < until {
                return;
            }
            self.probe_until = 0;
            self.good = if well { self.good + 1 } else { 0 };
            if !well {
                self.open = Some((since, now + rules.open_ms));
            } else if self.good >= PROBES_NEEDED {
                *self = Self::default();
            }
            return;
        }
        let (began, calls, failed) = self.window;
        let over = now - began >= rules.window_ms;
        let (began, calls, failed) = if over { (now, 0, 0) } else { (began, calls, failed) };
        let (calls, failed) = (calls + 1, failed + i64::from(!well));
        self.window = (began, calls, failed);
        if calls >= rules.calls_min && failed * 100 >= calls * rules.failed_percent {
            self.open = Some((now, now + rules.open_ms));
            self.good = 0;
            self.probe_until = 0;
        }
    }
}

/// How long a supplier that turned a call away is left alone.
#[must_use]
pub fn wait(quota: &Quota) -> Duration {
    let told = quota.resets_in.unwrap_or(Duration::from_millis(SPENT_FOR));
    told.clamp(Duration::from_millis(1), Duration::from_millis(SPENT_FOR_MAX))
}

/// What a reply says, in the units of the bucket, and under which name.
#[must_use]
pub fn allowance(rules: &Rules, path: &str, quota: &Quota, now: i64) -> (String, Allowance) {
    let count = |calls: u64| i64::try_from(calls.min(u64::from(u32::MAX))).unwrap_or(0) * CALL;
    let whole = rules.limit.max(LIMIT_MIN) * CALL;
    let (left, of) = match quota.left {
        Left::Nothing => (0, whole),
        Left::Percent(percent) => (whole * i64::from(percent) / 100, whole),
        Left::Calls { left, of } => (count(left), count(of)),
    };
    let wait = i64::try_from(wait(quota).as_millis()).unwrap_or(i64::MAX / 4);
    let name = match quota.scope {
        Scope::Account => String::new(),
        Scope::Path => path.to_owned(),
    };
    (name, Allowance { left, of, until: now + wait })
}

#[cfg(test)]
mod tests;
