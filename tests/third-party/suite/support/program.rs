//! The program as a child process, with a user who visits the addresses it prints.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::{JoinHandle, JoinSet};

use super::person::Person;
use super::soon;
use super::tested::tested;

/// Variables of the test's environment that must not reach the program under test.
const FOREIGN_VARIABLES: [&str; 6] = [
    "MCP_REAUTH_STORE",
    "MCP_REAUTH_PROFILE",
    "MCP_REAUTH_CLIENT_ID",
    "MCP_REAUTH_CLIENT_SECRET",
    "BROWSER",
    "DISPLAY",
];

/// The program with its command line, before it starts.
pub(crate) struct Program {
    command: Command,
    person: Person,
    gives_up: bool,
}

impl Program {
    pub(crate) fn new(person: Person) -> Self {
        let mut command = Command::new(tested());
        for name in FOREIGN_VARIABLES {
            command.env_remove(name);
        }
        command
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self {
            command,
            person,
            gives_up: false,
        }
    }

    /// On an error page in the browser, the user presses Ctrl-C in the terminal instead of failing the test.
    pub(crate) fn gives_up(mut self) -> Self {
        self.gives_up = true;
        self
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn start(mut self) -> Running {
        let mut child = self.command.spawn().expect("the program starts");
        let pid = child.id().expect("it runs");
        let mut stdout = child.stdout.take().expect("standard output");
        let stderr = child.stderr.take().expect("standard error");
        Running {
            child,
            stdout: tokio::spawn(async move {
                let mut text = String::new();
                stdout.read_to_string(&mut text).await.expect("UTF-8");
                text
            }),
            stderr: tokio::spawn(watch(stderr, self.person, self.gives_up.then_some(pid))),
        }
    }

    /// Runs it until it exits.
    pub(crate) async fn run(self) -> Ended {
        self.start().end().await
    }
}

/// Reads standard error to its end, while the user visits the addresses in it. Returns the text and the number of
/// visits. Does not wait for failed visits. With a process ID, an error page interrupts that process.
async fn watch(stderr: ChildStderr, person: Person, interrupted: Option<u32>) -> (String, usize) {
    let mut lines = BufReader::new(stderr).lines();
    let mut text = String::new();
    let mut pages = 0;
    let mut visits = JoinSet::new();
    loop {
        let line = tokio::select! {
            Some(visit) = visits.join_next() => {
                if let Err(page) = visit.expect("the visit goes well") {
                    interrupt(interrupted.unwrap_or_else(|| panic!("{page}")));
                    text.push_str(&format!("the browser shows {page}\n"));
                }
                continue;
            }
            line = lines.next_line() => line.expect("UTF-8"),
        };
        let Some(line) = line else { break };
        text.push_str(&line);
        text.push('\n');
        if is_address(&line) {
            pages += 1;
            let person = person.clone();
            visits.spawn(async move { person.visit(&line).await });
        }
    }
    soon(visits.join_all()).await;
    (text, pages)
}

/// Whether a line is only an authorization address.
fn is_address(line: &str) -> bool {
    line.starts_with("http") && line.contains("client_id=") && !line.contains(char::is_whitespace)
}

/// Sends SIGINT, as Ctrl-C does.
fn interrupt(process: u32) {
    let process = i32::try_from(process).ok();
    let process = process.and_then(rustix::process::Pid::from_raw);
    let process = process.expect("a process");
    rustix::process::kill_process(process, rustix::process::Signal::INT).expect("it is there");
}

/// The running program. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<(String, usize)>,
}

impl Running {
    pub(crate) async fn end(mut self) -> Ended {
        let (stderr, pages) = soon(self.stderr).await.expect("standard error");
        let status = soon(self.child.wait()).await.expect("an exit status");
        let ended = Ended {
            status,
            stdout: soon(self.stdout).await.expect("standard output"),
            stderr,
            pages,
        };
        assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
        ended
    }
}

/// The exit status and output of the program.
#[derive(Debug)]
pub(crate) struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    /// The number of addresses it sent its user to.
    pub(crate) pages: usize,
}

impl Ended {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.status.code(), Some(0), "{self:#?}");
        self
    }

    /// Asserts that it exited with 1, with the reason on standard error and nothing on standard output.
    #[track_caller]
    pub(crate) fn failed(self, why: &str) -> Self {
        assert_eq!(self.status.code(), Some(1), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        self.said(why)
    }

    /// Asserts that standard error contains this.
    #[track_caller]
    pub(crate) fn said(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// Asserts that standard output is exactly this.
    #[track_caller]
    pub(crate) fn printed(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "{self:#?}");
        self
    }

    /// Asserts the number of addresses it sent its user to.
    #[track_caller]
    pub(crate) fn showed(self, pages: usize) -> Self {
        assert_eq!(self.pages, pages, "{self:#?}");
        self
    }

    /// Asserts that neither stream contains any of these secrets.
    #[track_caller]
    pub(crate) fn hides(self, secrets: &[&str]) -> Self {
        for secret in secrets {
            let shown = self.stdout.contains(secret) || self.stderr.contains(secret);
            assert!(!shown, "{secret} is in {self:#?}");
        }
        self
    }

    /// Whether the user pressed Ctrl-C.
    pub(crate) fn was_interrupted(&self) -> bool {
        self.status.code() == Some(130)
    }

    /// Checks the output and the number of addresses; the error is its error code, or a description.
    pub(crate) fn verdict(&self, printed: &str, pages: usize) -> Result<(), String> {
        if self.status.code() != Some(0) {
            eprintln!("{self:#?}");
            let code = self
                .stderr
                .rsplit_once('[')
                .and_then(|(_, rest)| rest.split_once(']'));
            let exit = || format!("exit {:?}", self.status.code());
            return Err(code.map_or_else(exit, |(code, _)| code.to_owned()));
        }
        if self.stdout != printed {
            return Err(format!("printed {:?}", self.stdout));
        }
        match self.pages {
            shown if shown == pages => Ok(()),
            shown => Err(format!("{shown} pages, not {pages}")),
        }
    }

    /// Parses standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
