//! Starts, stops, kills and restarts the workers.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::record::Record;
use crate::wire::{Order, Task, Told, Transport, now};

/// The progress of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) ready: bool,
    pub(crate) quiet: bool,
    pub(crate) checked: bool,
}

/// A worker with all its successive processes.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) task: Task,
    /// The number of the process among this worker's processes.
    pub(crate) life: u64,
    pub(crate) began: Instant,
    folder: PathBuf,
    record: Arc<Record>,
    child: Child,
    orders: mpsc::UnboundedSender<Order>,
    pub(crate) progress: watch::Receiver<Progress>,
    /// The tasks that read its output to the end.
    readers: Vec<JoinHandle<()>>,
    pub(crate) stopped: bool,
}

impl Worker {
    /// Starts a worker, with its output in files in `folder`.
    pub(crate) fn start(task: Task, folder: &Path, record: &Arc<Record>) -> io::Result<Self> {
        Self::begin(task, 0, folder, record)
    }

    fn begin(task: Task, life: u64, folder: &Path, record: &Arc<Record>) -> io::Result<Self> {
        let mut child = command(&task)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C must reach only the program, which ends its workers itself.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let closed = || io::Error::other("a worker without streams");
        let stdin = child.stdin.take().ok_or_else(closed)?;
        let stdout = child.stdout.take().ok_or_else(closed)?;
        let mut stderr = child.stderr.take().ok_or_else(closed)?;
        let (orders, taken) = mpsc::unbounded_channel();
        let (told, progress) = watch::channel(Progress::default());
        let name = |what| folder.join(format!("worker-{}-{life}.{what}", task.worker));
        let mut log = File::create(name("log"))?;
        let logging = tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
                let _ = log.write_all(&buffer[..read]);
            }
        });
        let reading = Reading {
            worker: task.worker,
            life,
            copy: File::create(name("out"))?,
            record: Arc::clone(record),
            told,
        };
        let first = serde_json::to_string(&task)?;
        tokio::spawn(write(stdin, first, taken));
        let lines = BufReader::new(stdout).lines();
        let reading = tokio::spawn(reading.read(lines));
        Ok(Self {
            task,
            life,
            began: Instant::now(),
            folder: folder.to_owned(),
            record: Arc::clone(record),
            child,
            orders,
            progress,
            readers: vec![logging, reading],
            stopped: false,
        })
    }

    pub(crate) fn order(&self, order: Order) {
        // A worker that has just died is detected elsewhere.
        let _ = self.orders.send(order);
    }

    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.id()?).ok()?)
    }

    /// Whether it uses the Node package.
    pub(crate) fn is_node(&self) -> bool {
        let mut sessions = self.task.sessions.iter();
        sessions.any(|session| session.transport == Transport::Node)
    }

    pub(crate) fn stop(&mut self) {
        if let Some(pid) = self.pid() {
            self.stopped = kill_process(pid, Signal::STOP).is_ok();
        }
    }

    pub(crate) fn go_on(&mut self) {
        if let Some(pid) = self.pid().filter(|_| self.stopped) {
            let _ = kill_process(pid, Signal::CONT);
        }
        self.stopped = false;
    }

    /// Kills it and starts it again.
    pub(crate) async fn kill_and_start(&mut self) -> io::Result<()> {
        self.child.kill().await?;
        self.stopped = false;
        self.read_to_the_end().await;
        self.record.ended(self.task.worker, self.life, now());
        *self = Self::begin(self.task.clone(), self.life + 1, &self.folder, &self.record)?;
        Ok(())
    }

    /// Sets or removes a limit of one block for its files, as on a full disk.
    #[cfg(target_os = "linux")]
    pub(crate) fn limit_files(&self, full: bool) {
        use rustix::process::{Resource, Rlimit, prlimit};
        if let Some(pid) = self.pid() {
            let limit = Rlimit {
                current: full.then_some(512),
                maximum: None,
            };
            let _ = prlimit(Some(pid), Resource::Fsize, limit);
        }
    }

    /// Other systems do not let a process set another's limits.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn limit_files(&self, _full: bool) {}

    /// Ends it, by force if necessary. Returns whether it ended on request.
    pub(crate) async fn end(&mut self) -> bool {
        self.order(Order::End);
        let limit = Duration::from_secs(30);
        let ended = tokio::time::timeout(limit, self.child.wait()).await;
        let well = matches!(ended, Ok(Ok(status)) if status.success());
        let _ = self.child.kill().await;
        self.read_to_the_end().await;
        self.record.ended(self.task.worker, self.life, now());
        well
    }

    async fn read_to_the_end(&mut self) {
        for reader in std::mem::take(&mut self.readers) {
            let _ = reader.await;
        }
    }

    /// Whether it has exited without an order.
    pub(crate) fn has_died(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

/// The program of a worker.
fn command(task: &Task) -> io::Result<Command> {
    if task.sessions.iter().any(|s| s.transport == Transport::Node) {
        let mut command = Command::new("node");
        command.arg(node_program());
        return Ok(command);
    }
    // Ignores SIGXFSZ, so that exceeding the file limit is an error and not a signal.
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" worker"])
        .arg(std::env::current_exe()?);
    Ok(command)
}

/// The path of the JavaScript worker.
pub(crate) fn node_program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("node/worker.mjs")
}

async fn write(mut stdin: ChildStdin, first: String, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut line = first;
    loop {
        line.push('\n');
        if stdin.write_all(line.as_bytes()).await.is_err() {
            return;
        }
        let Some(order) = orders.recv().await else {
            return;
        };
        line = serde_json::to_string(&order).unwrap_or_default();
    }
}

/// Reads the output of a worker.
struct Reading {
    worker: usize,
    life: u64,
    copy: File,
    record: Arc<Record>,
    told: watch::Sender<Progress>,
}

impl Reading {
    async fn read(mut self, mut lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>) {
        while let Ok(Some(line)) = lines.next_line().await {
            let _ = writeln!(self.copy, "{line}");
            let Ok(told) = serde_json::from_str::<Told>(&line) else {
                // A killed worker may leave an incomplete line.
                if line.ends_with('}') {
                    let oddity = format!("worker {} said: {line}", self.worker);
                    self.record.lock().oddities.push(oddity);
                }
                continue;
            };
            self.told.send_modify(|progress| match told {
                Told::Ready => progress.ready = true,
                Told::Quiet => progress.quiet = true,
                Told::Checked => progress.checked = true,
                _ => {}
            });
            self.record.told(self.worker, self.life, told);
        }
    }
}
