//! Servers, a store, and programs that a test controls, stops and kills.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use mcp_reauth_fixture::{Config, Control, Counters, Faults, Fixture};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The limit for any wait. Well below the duration of a lease (100 s), so that no program can have waited for one to
/// lapse.
const LIMIT: Duration = Duration::from_secs(60);

/// The path of the worker program.
pub(crate) const WORKER: &str = env!("CARGO_BIN_EXE_e2e-worker");

/// Waits, with a limit.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, what).await.expect("it ends")
}

/// Polls until a condition holds.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    soon(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Servers, and a store with a signed-in user.
pub(crate) struct Stage {
    fixture: Fixture,
    store: PathBuf,
    /// The store's folder, unless the test provides one.
    _folder: Option<TempDir>,
}

impl Stage {
    pub(crate) async fn signed_in() -> Self {
        Self::signed_in_with(Config::default()).await
    }

    pub(crate) async fn signed_in_with(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("credentials.json");
        let mut stage = Self::signed_in_at(config, store).await;
        stage._folder = Some(folder);
        stage
    }

    pub(crate) async fn signed_in_at(config: Config, store: PathBuf) -> Self {
        let stage = Self {
            fixture: Fixture::start(config).await.unwrap(),
            store,
            _folder: None,
        };
        let mut program = stage.program(&["person"]).await;
        let first = program.calls(1).await;
        assert_eq!((first.succeeded, first.pages), (1, 1), "{first:?}");
        stage.control().reset_counters();
        stage
    }

    pub(crate) fn control(&self) -> &Control {
        self.fixture.control()
    }

    /// The MCP server's address.
    pub(crate) fn server(&self) -> &str {
        self.fixture.mcp_url()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.control().counters()
    }

    pub(crate) async fn counted(&self, condition: impl Fn(&Counters) -> bool) {
        soon(self.control().counters_when(condition)).await;
    }

    pub(crate) fn fault(&self, faults: Faults) {
        self.control().set_faults(faults);
    }

    pub(crate) fn mend(&self) {
        self.fault(Faults::default());
    }

    /// The path of the store file.
    pub(crate) fn store(&self) -> PathBuf {
        self.store.clone()
    }

    /// The stored record.
    pub(crate) fn record(&self) -> Value {
        let contents = std::fs::read(self.store()).unwrap();
        let contents: Value = serde_json::from_slice(&contents).unwrap();
        contents["records"][0]["record"].clone()
    }

    /// Starts a program, which opens its session.
    pub(crate) async fn program(&self, options: &[&str]) -> Worker {
        let store = self.store();
        let mut args = vec!["calls", store.to_str().unwrap(), self.fixture.mcp_url()];
        args.extend(options);
        let mut worker = Worker::start(&args);
        worker.says().await;
        worker
    }

    pub(crate) async fn programs(&self, count: usize) -> Vec<Worker> {
        let programs = (0..count).map(|_| self.program(&[]));
        futures_util::future::join_all(programs).await
    }
}

/// The results of one program's calls.
#[derive(Debug)]
pub(crate) struct Calls {
    pub(crate) succeeded: u64,
    /// The code, message and user-facing sentence of each failed call.
    pub(crate) failed: Vec<[String; 3]>,
    /// How many pages the user was sent to so far.
    pub(crate) pages: u64,
    /// The events that the host received so far.
    pub(crate) events: Vec<Value>,
}

/// A worker process. It is killed when dropped.
pub(crate) struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut command = std::process::Command::new(WORKER);
        command.args(args);
        Self::run(command)
    }

    /// Starts it with a custom command.
    pub(crate) fn run(command: std::process::Command) -> Self {
        let mut child = Command::from(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            child,
            orders,
            answers,
        }
    }

    /// The next line of its output; `None` when it has exited.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let line = soon(self.answers.next_line()).await.unwrap()?;
        // A killed program may leave an incomplete line.
        serde_json::from_str(&line).ok()
    }

    pub(crate) async fn says(&mut self) -> Value {
        self.next().await.expect("it goes on")
    }

    async fn order(&mut self, order: &str) {
        let line = format!("{order}\n");
        self.orders.write_all(line.as_bytes()).await.unwrap();
    }

    /// Starts this many calls at once.
    pub(crate) async fn begin(&mut self, calls: usize) {
        self.order(&format!("go {calls}")).await;
    }

    /// The results of the started calls.
    pub(crate) async fn end(&mut self) -> Calls {
        let answer = self.says().await;
        Calls {
            succeeded: answer["succeeded"].as_u64().unwrap(),
            failed: serde_json::from_value(answer["failed"].clone()).unwrap(),
            pages: answer["pages"].as_u64().unwrap(),
            events: answer["events"].as_array().unwrap().clone(),
        }
    }

    pub(crate) async fn calls(&mut self, calls: usize) -> Calls {
        self.begin(calls).await;
        self.end().await
    }

    /// Advances its clock.
    pub(crate) async fn advance(&mut self, seconds: u64) {
        self.order(&format!("clock {seconds}")).await;
        self.says().await;
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it was not waited for")
    }

    /// Kills it (SIGKILL), and waits until the system has released its resources.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}
