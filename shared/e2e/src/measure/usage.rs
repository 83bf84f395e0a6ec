//! What processes used, as the kernel counts it: processor time, and memory at its highest.

use std::{collections::BTreeMap, fs, time::Duration};

/// `sysconf(_SC_CLK_TCK)` of every Linux there is.
const TICKS_PER_SECOND: u64 = 100;

/// Groups of processes by name, and what each group has used so far.
#[derive(Debug, Clone, Default)]
pub struct Usage(pub BTreeMap<String, Duration>);

/// Which processes belong to a group.
#[derive(Debug, Clone)]
pub enum Group {
    One(u32),
    /// A server with a process for each connection: its children that ended count as well, but not
    /// those named, which serve whoever measures.
    Family(u32, Vec<u32>),
}

impl Usage {
    /// What the groups have used since their processes began.
    #[must_use]
    pub fn of(groups: &BTreeMap<String, Group>) -> Self {
        let used = groups.iter().map(|(name, group)| {
            let ticks = match group {
                Group::One(pid) => ticks(*pid).map_or(0, |(own, _)| own),
                Group::Family(pid, but) => {
                    let (own, ended) = ticks(*pid).unwrap_or_default();
                    let living = children(*pid).into_iter().filter(|child| !but.contains(child));
                    let living = living.filter_map(ticks);
                    own + ended + living.map(|(own, _)| own).sum::<u64>()
                }
            };
            (name.clone(), Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
        });
        Self(used.collect())
    }

    /// What was used since then.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let less = |(name, now): (&String, &Duration)| {
            let earlier = before.0.get(name).copied().unwrap_or_default();
            (name.clone(), now.saturating_sub(earlier))
        };
        Self(self.0.iter().map(less).collect())
    }

    #[must_use]
    pub fn total(&self) -> Duration {
        self.0.values().sum()
    }
}

/// The most memory a process ever had, in MiB.
#[must_use]
pub fn peak_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}

/// The process that started this one.
#[must_use]
pub fn parent(pid: u32) -> Option<u32> {
    fields(pid)?.get(1)?.parse().ok()
}

/// (own, that of children that ended)
fn ticks(pid: u32) -> Option<(u64, u64)> {
    let fields = fields(pid)?;
    let at = |place: usize| fields.get(place)?.parse::<u64>().ok();
    Some((at(11)? + at(12)?, at(13)? + at(14)?))
}

fn children(pid: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|child| parent(*child) == Some(pid)).collect()
}

/// The fields of `/proc/<pid>/stat` after the name, beginning with the state.
fn fields(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}
