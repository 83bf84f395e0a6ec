//! How a process lives: argument, configuration, telemetry, tasks, signals, exit code.
//!
//! The first SIGTERM or SIGINT asks everything to stop (`shutdown` is cancelled); whoever works
//! finishes what was begun. A second signal, or 25 s, ends the process where it stands: the
//! orchestrator would kill it after 30 s, without the last spans. A long-lived task that ends by
//! itself takes the process down, because a service without one of its loops only looks alive.

use std::{fmt, future::Future, pin::pin, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use futures::future::BoxFuture;
use tokio::{
    runtime,
    sync::{Mutex, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::chain,
    config::{self, Config},
    metrics, telemetry,
};

mod arguments;
mod signals;
mod tasks;

pub use tasks::Tasks;

/// How long the running work may take to end after the first signal.
pub const STOP_WITHIN: Duration = Duration::from_secs(25);
/// What `sysexits.h` calls a wrong usage: wrong arguments or a wrong configuration.
const EXIT_USAGE: u8 = 64;
/// How long blocking threads may take to end when everything else has.
const THREADS_END_WITHIN: Duration = Duration::from_secs(1);
/// How often histograms are folded.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// What every part of a running process is given.
#[derive(Clone)]
pub struct Process {
    /// The service's name.
    pub name: &'static str,
    /// Where tasks are started, so that the end waits for them.
    pub tasks: Tasks,
    /// Cancelled when the process shall stop.
    pub shutdown: CancellationToken,
    failures: Arc<Mutex<mpsc::UnboundedReceiver<anyhow::Error>>>,
}

/// A subcommand of a service's binary.
pub struct Command<C> {
    name: &'static str,
    about: &'static str,
    run: RunCommand<C>,
}

type RunCommand<C> = Box<dyn Fn(C, Process, Vec<String>) -> BoxFuture<'static, anyhow::Result<()>>>;

/// Runs a service: `serve` by default, one of `extra`, or `--help`.
///
/// `serve` connects, builds, spawns tasks through the process and returns; the process then lives
/// until a signal or a failure. Exit codes: 0 when it ended as asked, 1 with the chain of causes
/// when it failed, 64 with every problem on a line of its own when it could not begin.
pub fn main<C, F, Fut>(name: &'static str, extra: &[Command<C>], serve: F) -> ExitCode
where
    C: Config,
    F: FnOnce(C, Process) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    use arguments::Choice;
    let (command, arguments) = match arguments::choose(std::env::args().skip(1).collect(), extra) {
        Ok(Choice::Serve) => (None, Vec::new()),
        Ok(Choice::Run(command, arguments)) => (Some(command), arguments),
        Ok(Choice::Help) => {
            print(&arguments::usage(name, extra));
            return ExitCode::SUCCESS;
        }
        Err(unknown) => {
            print_error(&format!("{name}: {unknown}\n\n{}", arguments::usage(name, extra)));
            return ExitCode::from(EXIT_USAGE);
        }
    };
    // Before the runtime exists: no thread may look at the environment while it is read.
    let config = match config::from_environment::<C>() {
        Ok(config) => config,
        Err(problems) => {
            print_error(&problems.to_string());
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let result = run(name, config, |config, process| match command {
        None => Work::Service(serve(config, process)),
        Some(command) => Work::Command((command.run)(config, process, arguments)),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&format!("{name}: {}", chain(error.as_ref())));
            ExitCode::FAILURE
        }
    }
}

/// What a process is started for.
enum Work<Fut> {
    /// Lives until it is stopped.
    Service(Fut),
    /// Lives until it is done.
    Command(BoxFuture<'static, anyhow::Result<()>>),
}

fn run<C, F, Fut>(name: &'static str, config: C, start: F) -> anyhow::Result<()>
where
    C: Config,
    F: FnOnce(C, Process) -> Work<Fut>,
    Fut: Future<Output = anyhow::Result<()>>,
{
    // Dropped last, so the spans of a failed start are flushed as well.
    let _telemetry = telemetry::init(name, config.telemetry())?;
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name(name)
        .build()
        .context("starting the runtime")?;
    let process = Process::standalone(name);
    let result = runtime.block_on(async {
        let stop_signals = signals::listen().context("listening for signals")?;
        match start(config, process.clone()) {
            Work::Service(work) => process.live(work, AtEnd::Stay, stop_signals).await,
            Work::Command(work) => process.live(work, AtEnd::Stop, stop_signals).await,
        }
    });
    if let Err(error) = &result {
        tracing::error!(error = %chain(error.as_ref()), "{name} ends with a failure");
    }
    runtime.shutdown_timeout(THREADS_END_WITHIN);
    result
}

/// What happens when the main work is done and nobody asked for the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AtEnd {
    /// The tasks it left go on.
    Stay,
    /// The tasks it left are asked to stop.
    Stop,
}

impl Process {
    /// Makes a process that no signal reaches, for tests and tools.
    #[must_use]
    pub fn standalone(name: &'static str) -> Self {
        let shutdown = CancellationToken::new();
        let (failed, failures) = mpsc::unbounded_channel();
        let tasks = Tasks::new(shutdown.clone(), failed);
        Self { name, tasks, shutdown, failures: Arc::new(Mutex::new(failures)) }
    }

    /// Asks everything to stop and waits for it.
    ///
    /// # Errors
    ///
    /// The first failure of a task, or that some were still running after `within`.
    pub async fn stop(&self, within: Duration) -> anyhow::Result<()> {
        self.shutdown.cancel();
        let drained = tokio::time::timeout(within, self.tasks.drained()).await;
        if let Ok(failure) = self.failures.lock().await.try_recv() {
            return Err(failure);
        }
        drained.map_err(|_elapsed| anyhow!("still running after {within:?}: {}", self.tasks))
    }

    async fn live<Fut>(
        &self,
        work: Fut,
        at_end: AtEnd,
        mut stop_signals: mpsc::UnboundedReceiver<&'static str>,
    ) -> anyhow::Result<()>
    where
        Fut: Future<Output = anyhow::Result<()>>,
    {
        let mut failures = self.failures.lock().await;
        let mut upkeep = tokio::time::interval(UPKEEP_EVERY);
        let mut work = pin!(work);
        let mut outcome = Ok(());
        let (mut working, mut signalled, mut stop_at) = (true, false, None);
        loop {
            let deadline = stop_at.unwrap_or_else(Instant::now);
            tokio::select! {
                done = &mut work, if working => {
                    working = false;
                    if done.is_err() || at_end == AtEnd::Stop || self.tasks.is_empty() {
                        self.shutdown.cancel();
                    }
                    outcome = outcome.and(done);
                }
                Some(failure) = failures.recv() => {
                    outcome = outcome.and(Err(failure));
                    self.shutdown.cancel();
                }
                Some(signal) = stop_signals.recv() => {
                    if std::mem::replace(&mut signalled, true) {
                        return outcome.and(Err(anyhow!("a second {signal} came: {}", self.tasks)));
                    }
                    tracing::info!("{} stops after {signal}", self.name);
                    self.shutdown.cancel();
                }
                () = self.shutdown.cancelled(), if stop_at.is_none() => {
                    stop_at = Some(Instant::now() + STOP_WITHIN);
                }
                () = self.tasks.drained(), if stop_at.is_some() && !working => return outcome,
                () = tokio::time::sleep_until(deadline), if stop_at.is_some() => {
                    let left = anyhow!("still running after {STOP_WITHIN:?}: {}", self.tasks);
                    return outcome.and(Err(left));
                }
                _ = upkeep.tick() => metrics::upkeep(),
            }
        }
    }
}

impl<C> Command<C> {
    /// Names a subcommand, says what it does, and how.
    pub fn new<F, Fut>(name: &'static str, about: &'static str, run: F) -> Self
    where
        F: Fn(C, Process, Vec<String>) -> Fut + 'static,
        Fut: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let run = move |config, process, arguments| -> BoxFuture<'static, _> {
            Box::pin(run(config, process, arguments))
        };
        Self { name, about, run: Box::new(run) }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Process({}: {})", self.name, self.tasks)
    }
}

impl<C> fmt::Debug for Command<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Command({}: {})", self.name, self.about)
    }
}

#[expect(clippy::print_stdout, reason = "the answer to --help belongs on stdout")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "why the process ends is for whoever started it")]
fn print_error(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests;
