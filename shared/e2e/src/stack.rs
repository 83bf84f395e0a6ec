//! A whole system as processes, with databases, a vhost, Redis, a node and doubles of its own.

mod outside;
mod twin;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use futures::future::{join_all, try_join_all};

pub use twin::Twin;

use crate::{
    checkout::{Checkout, Infra},
    keys::Keys,
    processes::{ASSETS, CACHE, CHAIN_ID, COINS, DOUBLES, LOCKS, Layout, NODE, TRACES},
    profile::{self, Change, Profile},
    program::{Noted, Program, Recipe},
    servers::{self, Database},
    token::Token,
};

/// Every service.
pub const SERVICES: [&str; 6] = [
    "booking",
    "supplier-sync",
    "supplier-callback",
    "payment-verification",
    "rewards",
    "support-console",
];

/// A service that is not ready by then is looked at.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The chassis gives running work 25 s.
const STOP_WITHIN: Duration = Duration::from_secs(28);
/// Lines of a log that are shown when its process fails.
const LAST_LINES: usize = 25;

/// Which test token the stack's node has, in the stack's folder.
const TOKEN: &str = "token.json";

/// What kind of stack is wanted.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names its folder, its databases and its vhost: lower-case letters, digits, `_`.
    pub name: String,
    pub profile: Profile,
    /// Besides what the profile changes of the policy.
    pub policy: Vec<Change>,
    /// Whether the processes outlive whoever starts them.
    pub lasting: bool,
    /// The share of traces that services send.
    pub share_of_traces: f64,
    /// Seconds between blocks; `None` mines each transaction at once.
    pub block_time_s: Option<u64>,
    /// Whether it has a node of the Bitcoin family, too.
    pub coins: bool,
    /// Besides what a stack tells the doubles.
    pub doubles_args: Vec<String>,
    /// Keys of services with values of the caller's, such as `BOOKING_ROLE`.
    pub changes: BTreeMap<String, String>,
    /// Servers of the caller's; nothing for those of the checkout.
    pub infra: Option<Infra>,
    /// Where the services of another build are that this one is to take the place of, and its
    /// `policy.toml`.
    pub services_from: Option<PathBuf>,
    /// Whether progress is told on stderr.
    pub talks: bool,
}

impl Options {
    /// A stack for one test: fast, gone with its handle, silent.
    #[must_use]
    pub fn test(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            profile: Profile::Fast,
            policy: Vec::new(),
            lasting: false,
            share_of_traces: 1.0,
            block_time_s: Some(1),
            coins: false,
            doubles_args: Vec::new(),
            changes: BTreeMap::new(),
            infra: None,
            services_from: None,
            talks: false,
        }
    }
}

/// A running system. Dropping the handle kills its processes, unless they are lasting.
pub struct Stack {
    checkout: Checkout,
    infra: Infra,
    layout: Layout,
    keys: Keys,
    programs: Mutex<BTreeMap<String, Program>>,
    /// The other build that services are started from, until they go over to this one.
    services_from: Mutex<Option<PathBuf>>,
    /// Whether the processes end with this handle.
    owns: bool,
    talks: bool,
}

impl Stack {
    /// Starts everything anew: what an earlier stack of this name left is removed.
    ///
    /// # Errors
    /// When something cannot be had or does not get ready; the end of its log is part of the error.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let checkout = Checkout::find();
        let infra = options.infra.clone().map_or_else(|| checkout.infra(), Ok)?;
        let layout = Layout::new(&options, checkout.bin(), &infra)?;
        let dir = layout.dir(&checkout);
        if let Some(earlier) = Self::open(&options.name)? {
            earlier.end_all(Duration::from_secs(5));
        }
        std::fs::remove_dir_all(&dir).ok();
        std::fs::create_dir_all(dir.join("pids"))
            .with_context(|| format!("making {}", dir.display()))?;
        let policy = match &options.services_from {
            // A build knows the keys of its own policy and no others.
            Some(other) => {
                let shipped = std::fs::read_to_string(other.join("policy.toml"))
                    .context("reading the other build's policy")?;
                options.profile.policy_of(&shipped).0
            }
            None => options.profile.policy(),
        };
        std::fs::write(dir.join("policy.toml"), profile::changed(&policy, &options.policy))?;
        let keys = Keys::generate()?;
        keys.save(&dir.join("keys.json"))?;
        std::fs::write(dir.join("stack.json"), serde_json::to_string_pretty(&layout)?)?;
        let talks = options.talks;
        let owns = !options.lasting;
        let programs = Mutex::default();
        let services_from = Mutex::new(options.services_from);
        let stack = Self { checkout, infra, layout, keys, programs, services_from, owns, talks };
        if let Err(error) = stack.bring_up().await {
            // Half a stack is none: the next start begins anew.
            stack.end_all(Duration::ZERO);
            std::fs::remove_file(dir.join("stack.json")).ok();
            return Err(error);
        }
        Ok(stack)
    }

    /// The stack of this name that an earlier command started, whatever of it still runs.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn open(name: &str) -> anyhow::Result<Option<Self>> {
        let checkout = Checkout::find();
        let dir = checkout.run().join(name);
        let Ok(layout) = std::fs::read_to_string(dir.join("stack.json")) else { return Ok(None) };
        // Files of another version describe nothing that can be found again.
        let Ok(layout) = serde_json::from_str::<Layout>(&layout) else { return Ok(None) };
        let keys = Keys::load(&dir.join("keys.json"))?;
        let mut programs = BTreeMap::new();
        for name in layout.besides().chain(SERVICES) {
            if let Some(program) = noted(&dir, name).and_then(Program::found) {
                programs.insert(name.to_owned(), program);
            }
        }
        let infra = layout.infra.clone();
        let (programs, services_from) = (Mutex::new(programs), Mutex::default());
        let (owns, talks) = (false, false);
        Ok(Some(Self { checkout, infra, layout, keys, programs, services_from, owns, talks }))
    }

    async fn bring_up(&self) -> anyhow::Result<()> {
        let databases = self.databases();
        self.tell("making databases and a vhost");
        tokio::try_join!(
            servers::make_databases(&self.infra, &databases),
            servers::make_vhost(&self.infra, &self.layout.name),
        )?;
        self.tell("starting redis, the node, the trace receiver and the doubles");
        for name in self.layout.besides() {
            self.start_one(
                name,
                &self.layout.beside(&self.checkout, &self.infra, &self.keys, name),
            )?;
        }
        try_join_all(self.layout.besides().map(|name| self.until_ready(name))).await?;
        if let Some(coins) = self.coins() {
            coins.begin().await.context("making coins")?;
        }
        self.tell("deploying a token");
        self.deploy_token().await?;
        self.tell("migrating");
        try_join_all(SERVICES.map(|service| self.migrate(service))).await?;
        self.tell("starting the services");
        for service in SERVICES {
            self.start_one(service, &self.recipe(service)?)?;
        }
        try_join_all(SERVICES.map(|service| self.until_ready(service))).await?;
        Ok(())
    }

    /// Puts the test token on the node, and into the registry of assets that the services read.
    async fn deploy_token(&self) -> anyhow::Result<()> {
        let token = Token::deploy(&self.node()).await.context("deploying the test token")?;
        let dir = self.dir();
        std::fs::write(dir.join(ASSETS), token.registry(CHAIN_ID))?;
        std::fs::write(dir.join(TOKEN), serde_json::to_string(&token)?)?;
        Ok(())
    }

    fn databases(&self) -> Vec<Database> {
        SERVICES.map(|service| Database::of(&self.infra, &self.layout.name, service)).to_vec()
    }

    fn recipe(&self, service: &str) -> anyhow::Result<Recipe> {
        self.recipe_to(service, false)
    }

    fn recipe_to(&self, service: &str, migrate: bool) -> anyhow::Result<Recipe> {
        let mut recipe =
            self.layout.service(&self.checkout, &self.infra, &self.keys, service, migrate)?;
        if let Some(other) = self.services_from.lock().unwrap().as_ref() {
            recipe.exe = other.join(service);
        }
        Ok(recipe)
    }

    /// Whatever is started from now on is of this build; its schema is made now, under whatever
    /// runs.
    ///
    /// # Errors
    /// When a schema cannot be made.
    pub async fn go_over(&self, profile: Profile) -> anyhow::Result<()> {
        *self.services_from.lock().unwrap() = None;
        // What runs has read its own already.
        std::fs::write(self.dir().join("policy.toml"), profile.policy())?;
        try_join_all(SERVICES.map(|service| self.migrate(service))).await?;
        Ok(())
    }

    async fn migrate(&self, service: &str) -> anyhow::Result<()> {
        let recipe = self.recipe_to(service, true)?;
        let exe = &recipe.exe;
        let mut command = tokio::process::Command::new(exe);
        command.args(&recipe.args).env_clear().envs(recipe.env).kill_on_drop(true);
        let done = command.output().await.with_context(|| format!("starting {}", exe.display()))?;
        if !done.status.success() {
            let said = [done.stdout, done.stderr].concat();
            bail!("{service} migrate failed:\n{}", String::from_utf8_lossy(&said));
        }
        Ok(())
    }

    fn start_one(&self, name: &str, recipe: &Recipe) -> anyhow::Result<()> {
        let program = recipe.start()?;
        let noted = self.dir().join("pids").join(name);
        std::fs::write(noted, serde_json::to_string(&program.noted)?)?;
        self.programs.lock().unwrap().insert(name.to_owned(), program);
        Ok(())
    }

    async fn until_ready(&self, name: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let lacks = match self.layout.ask(name).await {
                Ok(()) if self.lives(name) => break,
                Ok(()) => "somebody else listens on its port".to_owned(),
                Err(error) => format!("{error:#}"),
            };
            if !self.lives(name) {
                bail!("{name}: {}", self.why_ended(name));
            }
            if begun.elapsed() > READY_WITHIN {
                bail!(
                    "{name} is not ready after {READY_WITHIN:?} ({lacks}); its log ends with\n{}",
                    self.last_lines(name)
                );
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        self.tell(&format!("  {name} is ready after {:.1} s", begun.elapsed().as_secs_f32()));
        Ok(())
    }

    /// Whether the process runs.
    #[must_use]
    pub fn lives(&self, name: &str) -> bool {
        self.programs.lock().unwrap().get(name).is_some_and(Program::lives)
    }

    /// The process's number, while it runs.
    #[must_use]
    pub fn pid(&self, name: &str) -> Option<u32> {
        let programs = self.programs.lock().unwrap();
        programs.get(name).filter(|program| program.lives()).map(|program| program.noted.pid)
    }

    /// SIGKILL to a service, as a crash would be.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn kill(&self, name: &str) {
        let mut programs = self.programs.lock().unwrap();
        programs.get_mut(name).unwrap_or_else(|| panic!("no {name}")).kill();
    }

    /// Ends a service in order, as a deploy would, and leaves it so until [`Stack::restart`].
    ///
    /// # Errors
    /// When there is no such process.
    pub async fn pause(&self, name: &str) -> anyhow::Result<()> {
        self.programs
            .lock()
            .unwrap()
            .get(name)
            .with_context(|| format!("no {name}"))?
            .ask_to_stop();
        let until = Instant::now() + STOP_WITHIN;
        while self.lives(name) {
            anyhow::ensure!(Instant::now() < until, "{name} does not stop");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Starts a service again, ending it before if it still runs, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn restart(&self, name: &str) -> anyhow::Result<()> {
        if let Some(program) = self.programs.lock().unwrap().get_mut(name) {
            program.stop(STOP_WITHIN);
        }
        let recipe = if self.layout.besides().any(|beside| beside == name) {
            self.layout.beside(&self.checkout, &self.infra, &self.keys, name)
        } else {
            self.recipe(name)?
        };
        self.start_one(name, &recipe)?;
        self.until_ready(name).await
    }

    /// What each process lacks; nothing when all are well.
    pub async fn ailing(&self) -> Vec<(&'static str, String)> {
        let asked = self.layout.besides().chain(SERVICES).map(|name| async move {
            if !self.lives(name) {
                return Some((name, "does not run".to_owned()));
            }
            self.layout.ask(name).await.err().map(|error| (name, format!("{error:#}")))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    /// Ends every process, and removes databases and vhost. The folder with the logs stays.
    ///
    /// # Errors
    /// When a server does not answer.
    pub async fn stop(self) -> anyhow::Result<()> {
        // What a test leaves behind needs no goodbye; a lasting stack flushes its last spans.
        self.end_all(if self.layout.lasting { STOP_WITHIN } else { Duration::ZERO });
        servers::drop_vhost(&self.infra, &self.layout.name).await?;
        servers::drop_databases(&self.infra, &self.databases()).await
    }

    /// Ends every process, and waits for what they are doing.
    pub fn end(&self) {
        self.end_all(STOP_WITHIN);
    }

    fn end_all(&self, within: Duration) {
        let mut programs = self.programs.lock().unwrap();
        for name in SERVICES {
            // Another command may have started it again.
            let newer = noted(&self.dir(), name).and_then(Program::found);
            let newer = newer
                .filter(|newer| programs.get(name).is_none_or(|known| known.noted != newer.noted));
            programs.extend(newer.map(|newer| (name.to_owned(), newer)));
        }
        let services = || SERVICES.into_iter().rev();
        if !within.is_zero() {
            for name in services() {
                programs.get(name).inspect(|program| program.ask_to_stop());
            }
        }
        // The trace receiver goes last: the services send it their last spans.
        for name in services().chain([DOUBLES, NODE, COINS, LOCKS, CACHE, TRACES]) {
            if let Some(program) = programs.get_mut(name) {
                if within.is_zero() { program.kill() } else { program.stop(within) }
            }
            std::fs::remove_file(self.dir().join("pids").join(name)).ok();
        }
    }

    fn tell(&self, what: &str) {
        if self.talks {
            eprintln!("{what}");
        }
    }

    /// Why a process ended: in one line where it is the machine that lacks something.
    fn why_ended(&self, name: &str) -> String {
        let log = self.last_lines(name);
        let (port, file) = (self.layout.address(name), self.log(name).display().to_string());
        lacking(&log, &port).map_or_else(
            || format!("ended; its log ends with\n{log}"),
            |lacks| format!("{lacks} (see {file})"),
        )
    }

    /// The end of a process's log.
    #[must_use]
    pub fn last_lines(&self, name: &str) -> String {
        let text = std::fs::read(self.log(name)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
    }

    /// A process's log.
    #[must_use]
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir().join(format!("{name}.log"))
    }

    /// The stack's folder.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.layout.dir(&self.checkout)
    }

    #[must_use]
    pub fn profile(&self) -> Profile {
        self.layout.profile
    }

    /// The folder the binaries were started from.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.layout.bin
    }
}

/// What the machine does not give a process whose log ends so.
fn lacking(log: &str, address: &str) -> Option<String> {
    let log = log.to_lowercase();
    let says = |words: [&str; 2]| words.into_iter().any(|word| log.contains(word));
    if says(["address already in use", "address in use"]) {
        Some(format!(
            "port taken: another process listens on {address}; ./scripts/down, and the next up chooses others"
        ))
    } else if says(["no space left", "disk quota exceeded"]) {
        Some("disk full".to_owned())
    } else if says(["permission denied", "operation not permitted"]) {
        Some("missing permission".to_owned())
    } else {
        None
    }
}

/// What was noted of a process when it was started.
fn noted(dir: &Path, name: &str) -> Option<Noted> {
    let text = std::fs::read_to_string(dir.join("pids").join(name)).ok()?;
    serde_json::from_str(&text).ok()
}

impl Drop for Stack {
    fn drop(&mut self) {
        if self.owns {
            self.end_all(Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::lacking;

    #[test]
    fn what_a_machine_lacks_is_told_in_one_line_and_anything_else_by_the_log() {
        let line = |log: &str| lacking(log, "127.0.0.1:4711");
        let taken = line("booking: Address already in use (os error 98)").unwrap();
        assert!(taken.starts_with("port taken") && taken.contains("127.0.0.1:4711"), "{taken}");
        assert_eq!(line("x\nNo space left on device (os error 28)").as_deref(), Some("disk full"));
        let denied = line("opening: Permission denied (os error 13)");
        assert_eq!(denied.as_deref(), Some("missing permission"));
        assert_eq!(line("BOOKING_SEAL_KEY is missing"), None);
    }
}
