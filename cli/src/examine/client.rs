//! One process of the client under test: commands go to its standard input, results come from its standard output.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::failure::Failure;

/// How long a client may run after its standard input was closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);
/// How much of the client's output is kept for the search for secrets.
const MAX_OUTPUT: usize = 8 * 1024 * 1024;

/// How to start the client.
pub(super) struct Launch {
    /// The program and its arguments, without the server's URL.
    pub(super) command: Vec<String>,
    pub(super) server: String,
    /// The time limit of a call. A connection has twice that, because it includes the start of the process.
    pub(super) limit: Duration,
    pub(super) variables: Vec<(&'static str, String)>,
    /// The program that visits pages, as `BROWSER`.
    pub(super) browser: Option<PathBuf>,
}

/// Why a command has no result, or a bad one.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// The client reported an error.
    Failed(String),
    /// It did not report anything within the limit.
    Hung(Duration),
    /// It ended before it reported anything.
    Ended,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "the client reported: {error}"),
            Self::Hung(limit) => write!(f, "no result within {} s", limit.as_secs()),
            Self::Ended => f.write_str("the client ended without a result"),
        }
    }
}

/// The result of one command.
pub(super) type Answer = Result<(), Unanswered>;

/// A line that the client prints for a command.
#[derive(Deserialize)]
struct Told {
    id: u64,
    ok: bool,
    #[serde(default)]
    error: Option<Value>,
}

/// What is known about the running commands.
#[derive(Default)]
struct Pending {
    next: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    ended: bool,
}

/// Everything that all processes of a scenario have printed.
#[derive(Clone, Default)]
pub(super) struct Output(Arc<Mutex<String>>);

impl Output {
    fn add(&self, line: &str) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if text.len() < MAX_OUTPUT {
            text.push_str(line);
        }
    }

    pub(super) fn text(&self) -> String {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.clone()
    }
}

/// A running process of the client. Dropping it kills the process and those that it started.
pub(super) struct Client {
    child: Child,
    limit: Duration,
    /// The process group, until it is killed.
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
    commands: mpsc::UnboundedSender<Value>,
    pending: Arc<Mutex<Pending>>,
    _streams: JoinSet<()>,
}

impl Client {
    /// Starts a process.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is no such program.
    pub(super) fn start(launch: &Launch, output: &Output) -> Result<Self, Failure> {
        let (program, arguments) = launch
            .command
            .split_first()
            .ok_or_else(|| Failure::Usage("give the client's command after `--`".to_owned()))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg(&launch.server)
            .envs(launch.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(browser) = &launch.browser {
            command.env("BROWSER", browser);
        }
        // A group of its own, so that the processes that it starts end with it.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().map_err(|error| {
            Failure::Usage(format!("{program} cannot be started: {error}; give the command that starts your client after `--`"))
        })?;
        let pending = Arc::new(Mutex::new(Pending::default()));
        let (commands, queue) = mpsc::unbounded_channel();
        let mut streams = JoinSet::new();
        if let Some(stdin) = child.stdin.take() {
            streams.spawn(write(stdin, queue));
        }
        if let Some(stdout) = child.stdout.take() {
            let (pending, output) = (Arc::clone(&pending), output.clone());
            streams.spawn(async move {
                read(stdout, &output, |line| told(&pending, line)).await;
                end(&pending);
            });
        }
        if let Some(stderr) = child.stderr.take() {
            let output = output.clone();
            streams.spawn(async move { read(stderr, &output, |_| {}).await });
        }
        #[cfg(unix)]
        let group = child.id().and_then(|id| i32::try_from(id).ok());
        Ok(Self {
            #[cfg(unix)]
            group: group.and_then(rustix::process::Pid::from_raw),
            child,
            limit: launch.limit,
            commands,
            pending,
            _streams: streams,
        })
    }

    /// Has the client connect.
    pub(super) fn connect(&self) -> impl Future<Output = Answer> + use<> {
        self.command(json!({ "do": "connect" }), 2 * self.limit)
    }

    /// Has the client call a tool.
    pub(super) fn call(&self, tool: &str) -> impl Future<Output = Answer> + use<> {
        self.command(json!({ "do": "call", "tool": tool }), self.limit)
    }

    /// Sends a command at once; the future waits for its result.
    fn command(&self, mut command: Value, limit: Duration) -> impl Future<Output = Answer> + use<> {
        let (sender, answer) = oneshot::channel();
        {
            let mut pending = lock(&self.pending);
            pending.next += 1;
            command["id"] = pending.next.into();
            let id = pending.next;
            if !pending.ended {
                pending.waiting.insert(id, sender);
            }
        }
        // Without a receiver the client has ended, which the answer tells.
        let _ = self.commands.send(command);
        async move {
            match tokio::time::timeout(limit, answer).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(Unanswered::Ended),
                Err(_) => Err(Unanswered::Hung(limit)),
            }
        }
    }

    /// Kills the process and those that it started, once.
    fn kill(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.group.take() {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.start_kill();
    }

    /// Closes the client's standard input and waits until it has ended.
    ///
    /// # Errors
    /// If it does not end.
    pub(super) async fn close(mut self) -> Result<(), String> {
        // Replaces the sender, which ends the queue and with it standard input.
        self.commands = mpsc::unbounded_channel().0;
        let ended = tokio::time::timeout(CLOSE_LIMIT, self.child.wait()).await;
        // Also what it has started and left behind.
        self.kill();
        match ended {
            Ok(_) => Ok(()),
            Err(_) => Err(format!(
                "the client was still running {} s after its standard input was closed",
                CLOSE_LIMIT.as_secs()
            )),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.kill();
    }
}

fn lock(pending: &Mutex<Pending>) -> std::sync::MutexGuard<'_, Pending> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes commands to the client until there are no more, or it no longer reads.
async fn write(mut stdin: ChildStdin, mut queue: mpsc::UnboundedReceiver<Value>) {
    while let Some(command) = queue.recv().await {
        let line = format!("{command}\n");
        if stdin.write_all(line.as_bytes()).await.is_err() || stdin.flush().await.is_err() {
            return;
        }
    }
}

/// Reads a stream to its end, line by line.
async fn read(stream: impl AsyncRead + Unpin, output: &Output, sees: impl Fn(&str)) {
    let mut stream = BufReader::new(stream);
    let mut line = Vec::new();
    while matches!(stream.read_until(b'\n', &mut line).await, Ok(1..)) {
        let text = String::from_utf8_lossy(&line);
        output.add(&text);
        sees(&text);
        line.clear();
    }
}

/// Handles a line of the client's standard output; lines that are no result are ignored.
fn told(pending: &Mutex<Pending>, line: &str) {
    let Ok(told) = serde_json::from_str::<Told>(line) else {
        return;
    };
    let Some(waiting) = lock(pending).waiting.remove(&told.id) else {
        return;
    };
    let answer = match (told.ok, told.error) {
        (true, _) => Ok(()),
        (false, Some(Value::String(error))) => Err(Unanswered::Failed(error)),
        (false, Some(error)) => Err(Unanswered::Failed(error.to_string())),
        (false, None) => Err(Unanswered::Failed("an error without a text".to_owned())),
    };
    let _ = waiting.send(answer);
}

/// Ends all running commands.
fn end(pending: &Mutex<Pending>) {
    let mut pending = lock(pending);
    pending.ended = true;
    pending.waiting.clear();
}
