//! A broker that one test has for itself: killed, started again on what it kept, put under alarm.

use std::{
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::SecretString;

/// Where Debian's package puts the node's own scripts; those under `/usr/sbin` change user and
/// folder.
const SCRIPTS: &str = "/usr/lib/rabbitmq/bin";

/// In bytes: the command knows no unit greater than a gigabyte.
const MORE_THAN_ANY_DISK: &str = "1000000000000000";

/// A RabbitMQ node with a port mapper of its own, so that nothing outlives the test.
pub struct BrokerNode {
    folder: PathBuf,
    name: String,
    port: u16,
    dist_port: u16,
    home: Arc<Home>,
    node: Option<Child>,
}

/// What nodes that know each other share: a folder with their secret, and a port mapper. It ends
/// with the last of them.
struct Home {
    folder: PathBuf,
    port: u16,
    mapper: Child,
}

impl Home {
    fn new(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let [port, ..] = free_ports();
        let mapper = quiet(&mut Command::new("epmd"))
            .args(["-address", "127.0.0.1", "-port", &port.to_string()])
            .spawn()
            .expect("epmd is installed with rabbitmq-server");
        wait_for(port, "the port mapper");
        Self { folder, port, mapper }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop((self.mapper.kill(), self.mapper.wait()));
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl BrokerNode {
    /// Starts a node and waits until it listens.
    ///
    /// # Panics
    /// When RabbitMQ is not installed or does not start.
    #[must_use]
    pub fn start() -> Self {
        let id = rand::random::<u32>();
        let folder = std::env::temp_dir().join(format!("holdfast-broker-{id:08x}"));
        let name = format!("test-{id:08x}@localhost");
        let mut node = Self::new(folder.clone(), name, Arc::new(Home::new(folder)), "");
        node.restart();
        node
    }

    /// Three nodes that are one broker; what each queue holds is at all of them.
    ///
    /// # Panics
    /// When RabbitMQ is not installed, or they do not find each other.
    #[must_use]
    pub fn start_three() -> [Self; 3] {
        let id = rand::random::<u32>();
        let folder = std::env::temp_dir().join(format!("holdfast-brokers-{id:08x}"));
        let home = Arc::new(Home::new(folder.clone()));
        let name = |n: usize| format!("test-{id:08x}-{n}@localhost");
        let listed: String = (0..3)
            .map(|n| format!("cluster_formation.classic_config.nodes.{} = {}\n", n + 1, name(n)))
            .collect();
        // Whoever is cut off from both others stops; or it would go on by itself, for itself.
        let together = format!(
            "cluster_formation.peer_discovery_backend = classic_config\n{listed}\
             cluster_partition_handling = pause_minority\n"
        );
        let mut nodes = [0, 1, 2]
            .map(|n| Self::new(folder.join(n.to_string()), name(n), Arc::clone(&home), &together));
        // One after the other: of two that begin at once, each may found a broker of its own.
        for node in &mut nodes {
            node.restart();
            node.control(&["await_startup"]);
        }
        nodes[0].control(&["await_online_nodes", "3"]);
        nodes
    }

    fn new(folder: PathBuf, name: String, home: Arc<Home>, more: &str) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let [port, dist_port, _] = free_ports();
        let conf = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}\n\
             disk_free_limit.absolute = 50MB\n\
             vm_memory_high_watermark.absolute = 1GB\n{more}"
        );
        std::fs::write(folder.join("rabbitmq.conf"), conf).unwrap();
        std::fs::write(folder.join("enabled_plugins"), "[].").unwrap();
        Self { folder, name, port, dist_port, home, node: None }
    }

    /// Cuts the node off from the others of its broker, or lets it find them again. Whoever speaks
    /// to it by AMQP still can.
    ///
    /// # Panics
    /// When the node does not do as told.
    pub fn part_from(&self, others: &[&Self], parted: bool) {
        // They know each other by a secret, and so not by another one.
        let secret = if parted { "'another'" } else { "erlang:get_cookie()" };
        let names: Vec<_> = others.iter().map(|node| format!("'{}'", node.name)).collect();
        let names = names.join(",");
        self.control(&[
            "eval",
            &format!(
                "[begin erlang:set_cookie(N, {secret}), \
                 case {parted} of true -> erlang:disconnect_node(N); _ -> net_adm:ping(N) end \
                 end || N <- [{names}]]."
            ),
        ]);
    }

    /// Which nodes run, as this one sees it.
    #[must_use]
    pub fn sees(&self) -> usize {
        let told = self.control(&["eval", "length(rabbit_nodes:all_running())."]);
        told.trim().parse().unwrap_or(0)
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the node again on the data it has.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        // A group of its own: the script and the machine that it starts end together.
        let child = self.script("rabbitmq-server").process_group(0).spawn();
        self.node = Some(child.expect("rabbitmq-server is installed"));
        wait_for(self.port, "the broker");
    }

    /// Ends the node as a power cut would.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.end("-KILL");
    }

    /// Ends the node in order, so that all it was told to make is on disk.
    ///
    /// A quorum queue that is made and not yet written to the node's directory of queues when the
    /// power goes has no leader afterwards, for good (seen with RabbitMQ 3.10).
    ///
    /// # Panics
    /// When it does not end.
    pub fn stop(&mut self) {
        self.end("-TERM");
    }

    fn end(&mut self, signal: &str) {
        let Some(mut node) = self.node.take() else { return };
        let group = format!("-{}", node.id());
        drop(Command::new("kill").args([signal, "--", &group]).status());
        node.wait().unwrap();
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            assert!(begun.elapsed() < Duration::from_secs(30), "the broker does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Raises or clears the memory alarm: under it, whoever publishes is blocked.
    ///
    /// # Panics
    /// When the node does not do as told.
    pub fn alarm(&self, on: bool) {
        let limit = if on { "1kB" } else { "1GB" };
        self.control(&["set_vm_memory_high_watermark", "absolute", limit]);
    }

    /// Lets the node's disk look full, or not: then, too, whoever publishes is blocked.
    ///
    /// # Panics
    /// When the node does not do as told.
    pub fn disk_full(&self, on: bool) {
        self.control(&["set_disk_free_limit", if on { MORE_THAN_ANY_DISK } else { "50MB" }]);
    }

    /// How many messages of a queue are delivered and not acknowledged, as of some seconds ago.
    ///
    /// # Panics
    /// When the node does not answer, or has no such queue.
    #[must_use]
    pub fn unacknowledged(&self, queue: &str) -> u64 {
        let told = self.control(&[
            "list_queues",
            "-q",
            "--no-table-headers",
            "name",
            "messages_unacknowledged",
        ]);
        let count = told.lines().find_map(|line| {
            let (name, count) = line.split_once('\t')?;
            (name == queue).then(|| count.trim().parse().expect("a number"))
        });
        count.expect("the queue")
    }

    /// The address.
    #[must_use]
    pub fn amqp_url(&self) -> SecretString {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port).into()
    }

    fn control(&self, arguments: &[&str]) -> String {
        let told = self
            .script("rabbitmqctl")
            .args(["-n", &self.name])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8_lossy(&told.stdout).into_owned()
    }

    /// One of the node's scripts with nothing of the machine's own settings.
    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(format!("{SCRIPTS}/{name}"));
        let folder = self.folder.display();
        quiet(&mut command)
            .env_clear()
            .current_dir(&self.folder)
            .env("HOME", &self.home.folder)
            .env("LANG", "C.UTF-8")
            .env("PATH", format!("{SCRIPTS}:/usr/sbin:/usr/bin:/sbin:/bin"))
            .env("RABBITMQ_NODENAME", &self.name)
            .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
            .env("RABBITMQ_CONFIG_FILE", format!("{folder}/rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", format!("{folder}/enabled_plugins"))
            .env("RABBITMQ_MNESIA_BASE", format!("{folder}/mnesia"))
            .env("RABBITMQ_LOG_BASE", format!("{folder}/log"))
            .env("RABBITMQ_PID_FILE", format!("{folder}/pid"))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.dist_port.to_string())
            .env("ERL_EPMD_PORT", self.home.port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
            );
        command
    }
}

impl Drop for BrokerNode {
    fn drop(&mut self) {
        self.kill();
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

/// Ports that are free now, each another one.
fn free_ports() -> [u16; 3] {
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn wait_for(port: u16, what: &str) {
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(90), "{what} did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}
