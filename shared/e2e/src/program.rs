//! One child process: started, asked whether it lives, killed, found again by the next command.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// What is started and how.
#[derive(Debug, Clone)]
pub(crate) struct Recipe {
    pub(crate) exe: PathBuf,
    pub(crate) args: Vec<String>,
    /// The whole environment: nothing is inherited.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) dir: PathBuf,
    pub(crate) log: PathBuf,
    /// Whether it outlives whoever starts it.
    pub(crate) lasting: bool,
}

/// A process of ours.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) noted: Noted,
    child: Option<Child>,
}

/// What tells a process from another that got its number later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Noted {
    pub(crate) pid: u32,
    exe: PathBuf,
    /// In clock ticks since the machine started.
    started: u64,
}

impl Recipe {
    /// Starts it; its output goes to the end of its log.
    pub(crate) fn start(&self) -> anyhow::Result<Program> {
        // As the kernel will name it. It is started by its own name: some programs are several, by
        // name.
        let exe = self.exe.canonicalize();
        let exe = exe.with_context(|| format!("no program {}", self.exe.display()))?;
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("opening {}", self.log.display()))?;
        let mut command = if self.lasting {
            // A session of its own: no terminal's end reaches it. `setsid` becomes the program and
            // keeps its number.
            let mut command = Command::new("/usr/bin/setsid");
            command.arg(&self.exe);
            command
        } else {
            Command::new(&self.exe)
        };
        command.args(&self.args).env_clear().envs(self.env.iter().cloned()).current_dir(&self.dir);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("starting {}", exe.display()))?;
        let pid = child.id();
        let started = stat(pid).map_or(0, |(_, started)| started);
        Ok(Program { noted: Noted { pid, exe, started }, child: Some(child) })
    }
}

impl Program {
    /// The process that an earlier command noted, if it still runs.
    pub(crate) fn found(noted: Noted) -> Option<Self> {
        noted.lives().then_some(Self { noted, child: None })
    }

    pub(crate) fn lives(&self) -> bool {
        self.noted.lives()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if !self.noted.lives() {
            // A script that became another program does not live as what was started.
            if let Some(child) = &mut self.child {
                child.kill().ok();
            }
            return self.reap();
        }
        self.noted.signal("KILL");
        self.reap();
        self.gone_within(Duration::from_secs(10));
    }

    /// SIGTERM, and SIGKILL when that does not help in time.
    pub(crate) fn stop(&mut self, within: Duration) {
        if self.noted.lives() {
            self.noted.signal("TERM");
        }
        if !self.gone_within(within) {
            self.kill();
        }
        self.reap();
    }

    /// SIGTERM without waiting.
    pub(crate) fn ask_to_stop(&self) {
        if self.noted.lives() {
            self.noted.signal("TERM");
        }
    }

    fn gone_within(&self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while self.noted.lives() {
            if Instant::now() > until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        true
    }

    fn reap(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.wait().ok();
        }
    }
}

impl Noted {
    /// Whether the process is there, is that program, and is not only waiting to be reaped.
    pub(crate) fn lives(&self) -> bool {
        let Some((state, started)) = stat(self.pid) else { return false };
        if state == 'Z' || started != self.started {
            return false;
        }
        let exe = std::fs::read_link(format!("/proc/{}/exe", self.pid));
        // A program that was built anew while it ran is named so by the kernel.
        let same = |exe: &Path| {
            let text = exe.to_string_lossy();
            let text = text.strip_suffix(" (deleted)").unwrap_or(&text);
            Path::new(text) == self.exe || text.ends_with("/setsid")
        };
        exe.is_ok_and(|exe| same(&exe))
    }

    fn signal(&self, signal: &str) {
        let line = format!("kill -{signal} {}", self.pid);
        Command::new("/bin/sh").args(["-c", &line]).stderr(Stdio::null()).status().ok();
    }
}

/// State and start time of a process.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    Some((fields.first()?.chars().next()?, fields.get(19)?.parse().ok()?))
}
