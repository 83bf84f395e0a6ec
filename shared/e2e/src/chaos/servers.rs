//! A broker and a database server that may be killed, since nobody else uses them, each behind a
//! way that can be cut.

use std::{
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use testkit::{BrokerNode, Proxy};

use crate::checkout::{Checkout, Infra};

/// Connections of all services and of whoever looks behind the curtain.
const CONNECTIONS: u32 = 300;
const UP_WITHIN: Duration = Duration::from_secs(60);
/// As large as a long run needs, which writes some 150 KB a booking; only what is written is taken
/// of the memory.
const DISK: &str = "size=14g";
/// How often it is tried to make a disk as small as what lies on it, while that grows.
const SHRINKS_MAX: usize = 50;

/// Both servers and the ways to them.
pub(super) struct Servers {
    brokers: Mutex<Vec<BrokerNode>>,
    database: Mutex<DatabaseNode>,
    pub(super) to_broker: Proxy,
    pub(super) to_database: Proxy,
}

impl Servers {
    pub(super) async fn start() -> anyhow::Result<Self> {
        Self::with(|| vec![BrokerNode::start()]).await
    }

    /// With a broker of three nodes: whoever connects comes to any of them.
    pub(super) async fn start_with_three_nodes() -> anyhow::Result<Self> {
        Self::with(|| BrokerNode::start_three().into()).await
    }

    async fn with(brokers: fn() -> Vec<BrokerNode>) -> anyhow::Result<Self> {
        let brokers = tokio::task::spawn_blocking(brokers).await?;
        let database = tokio::task::spawn_blocking(DatabaseNode::start).await??;
        let to_broker = Proxy::to_any(brokers.iter().map(BrokerNode::address).collect()).await;
        let to_database = Proxy::to(&format!("127.0.0.1:{}", database.port)).await;
        let (brokers, database) = (Mutex::new(brokers), Mutex::new(database));
        Ok(Self { brokers, database, to_broker, to_database })
    }

    /// What a stack is told of them: the ways, not the servers.
    pub(super) fn infra(&self) -> anyhow::Result<Infra> {
        Ok(Infra {
            postgres: format!("postgres://postgres@{}", self.to_database.address()),
            amqp: format!("amqp://guest:guest@{}/%2f", self.to_broker.address()),
            rabbitmq_api: None,
            ..Checkout::find().infra()?
        })
    }

    /// Ends the broker as a power cut would, and starts it again on what it kept.
    pub(super) fn kill_broker(&self) {
        let mut brokers = self.brokers.lock().unwrap();
        brokers[0].kill();
        brokers[0].restart();
    }

    /// Raises or clears the broker's alarm of memory: under it, whoever publishes is blocked.
    pub(super) fn alarm(&self, on: bool) {
        self.brokers.lock().unwrap()[0].alarm(on);
    }

    /// Lets the broker find its disk full, or not.
    pub(super) fn fill_broker(&self, full: bool) {
        self.brokers.lock().unwrap()[0].disk_full(full);
    }

    /// Ends one node of the broker as a power cut would, and leaves it so.
    pub(super) fn kill_node(&self, n: usize) {
        self.brokers.lock().unwrap()[n].kill();
    }

    pub(super) fn restart_node(&self, n: usize) {
        self.brokers.lock().unwrap()[n].restart();
    }

    /// Cuts one node off from the others, or lets it find them again.
    pub(super) fn part_node(&self, n: usize, parted: bool) {
        let brokers = self.brokers.lock().unwrap();
        let others: Vec<&BrokerNode> =
            (0..brokers.len()).filter(|m| *m != n).map(|m| &brokers[m]).collect();
        brokers[n].part_from(&others, parted);
    }

    /// How many nodes run, as one of them sees it.
    pub(super) fn nodes_seen_by(&self, n: usize) -> usize {
        self.brokers.lock().unwrap()[n].sees()
    }

    /// The same with the database.
    pub(super) fn kill_database(&self) -> anyhow::Result<()> {
        self.database.lock().unwrap().kill_and_restart()
    }

    /// Fills the disk of the database; whether it has one of its own that can be filled.
    pub(super) fn fill_database(&self) -> anyhow::Result<bool> {
        self.database.lock().unwrap().fill()
    }

    /// Frees the disk of the database, and starts whatever ended on it.
    pub(super) fn free_database(&self) -> anyhow::Result<()> {
        self.database.lock().unwrap().free()
    }

    /// Ends the broker in order, and leaves it so.
    pub(super) fn stop_broker(&self) {
        self.brokers.lock().unwrap()[0].stop();
    }

    pub(super) fn start_broker(&self) {
        self.brokers.lock().unwrap()[0].restart();
    }

    /// Ends the database as a power cut would, and leaves it so; the same again changes nothing.
    pub(super) fn stop_database(&self) {
        self.database.lock().unwrap().kill();
    }

    pub(super) fn start_database(&self) -> anyhow::Result<()> {
        self.database.lock().unwrap().up()
    }
}

/// A PostgreSQL server of one's own.
struct DatabaseNode {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    server: Option<Child>,
    /// Whether the folder is a disk of its own, which root may make of memory.
    own_disk: bool,
}

impl DatabaseNode {
    fn start() -> anyhow::Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("holdfast-pg-{:08x}", rand::random::<u32>()));
        std::fs::create_dir_all(&folder)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let own_disk = is_root() && mounted(&folder);
        let mut node = Self { programs: programs()?, folder, port, server: None, own_disk };
        if is_root() {
            let owned =
                Command::new("chown").arg("postgres:postgres").arg(&node.folder).status()?;
            ensure!(owned.success(), "the database's folder has no owner");
        }
        let mut init = node.command("initdb");
        init.args(["-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "-D"]);
        let done = init.arg(node.data()).stdout(Stdio::null()).output()?;
        ensure!(done.status.success(), "initdb: {}", String::from_utf8_lossy(&done.stderr));
        node.up()?;
        Ok(node)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts it, as often as it takes until what was left of an earlier one is gone.
    fn up(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let log = std::fs::File::create(self.folder.join("log"))?;
            let mut command = self.command("postgres");
            command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
            command.args(["-h", "127.0.0.1", "-k", ""]);
            // A killed server loses nothing that was written; only a machine that goes down would.
            command.args(["-c", "fsync=off", "-c", &format!("max_connections={CONNECTIONS}")]);
            let mut server =
                command.process_group(0).stdout(log.try_clone()?).stderr(log).spawn()?;
            while server.try_wait()?.is_none() {
                if self.answers() {
                    self.server = Some(server);
                    return Ok(());
                }
                ensure!(begun.elapsed() < UP_WITHIN, "the database does not come up");
                std::thread::sleep(Duration::from_millis(20));
            }
            ensure!(begun.elapsed() < UP_WITHIN, "the database does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn answers(&self) -> bool {
        let mut ready = self.command("pg_isready");
        ready.args(["-h", "127.0.0.1", "-q", "-p", &self.port.to_string()]);
        ready.status().is_ok_and(|status| status.success())
    }

    /// Leaves nothing free on its disk: it writes nothing any more, and may end of it.
    fn fill(&self) -> anyhow::Result<bool> {
        if !self.own_disk {
            return Ok(false);
        }
        for _ in 0..SHRINKS_MAX {
            if self.resized(&format!("size={}", self.used()?)) {
                return Ok(true);
            }
        }
        anyhow::bail!("the database's disk grows faster than it can be filled")
    }

    /// How many bytes lie on its disk.
    fn used(&self) -> anyhow::Result<u64> {
        let told = Command::new("df").args(["-B1", "--output=used"]).arg(&self.folder).output()?;
        let told = String::from_utf8(told.stdout)?;
        Ok(told.lines().last().unwrap_or_default().trim().parse()?)
    }

    /// Whether its disk has this size now; none is smaller than what lies on it.
    fn resized(&self, size: &str) -> bool {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{size}")]).arg(&self.folder).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success())
    }

    fn free(&mut self) -> anyhow::Result<()> {
        ensure!(self.resized(DISK), "the database's disk cannot be made larger again");
        let begun = Instant::now();
        // It recovers by itself if it still runs; what ended on a full disk is started again.
        while !self.answers() {
            ensure!(
                begun.elapsed() < UP_WITHIN,
                "the database does not come back from a full disk"
            );
            let ended = |server: &mut Child| !matches!(server.try_wait(), Ok(None));
            if self.server.as_mut().is_none_or(ended) {
                return self.up();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn kill_and_restart(&mut self) -> anyhow::Result<()> {
        self.kill();
        self.up()
    }

    /// SIGKILL to the server; its children notice that it is gone.
    fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop((server.kill(), server.wait()));
        }
    }

    /// One of its programs, as the user that it may run as.
    fn command(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.folder).env_clear().env("LC_ALL", "C.UTF-8");
        command.env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
        command
    }
}

impl Drop for DatabaseNode {
    fn drop(&mut self) {
        self.kill();
        if self.own_disk {
            drop(Command::new("umount").arg("--lazy").arg(&self.folder).status());
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// Makes a folder a disk of its own; not everywhere may root do so.
fn mounted(folder: &Path) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", DISK, "tmpfs"]).arg(folder).stderr(Stdio::null());
    mount.status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t"))
}

/// Debian keeps them by version; the newest one is taken.
fn programs() -> anyhow::Result<PathBuf> {
    let all = std::fs::read_dir(Path::new("/usr/lib/postgresql"))
        .context("PostgreSQL is not installed")?;
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut versions: Vec<PathBuf> = all.filter_map(|one| Some(one.ok()?.path())).collect();
    versions.retain(|path| version(path).is_some());
    versions.sort_by_key(|path| version(path));
    Ok(versions.pop().context("no version of PostgreSQL")?.join("bin"))
}
