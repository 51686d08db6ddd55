//! The program as a child process, with a person who visits what it prints.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::{JoinHandle, JoinSet};

use super::person::Person;
use super::soon;

/// What is in the environment of whoever runs the tests and is nothing to the program under test.
const FOREIGN_VARIABLES: [&str; 6] = [
    "MCP_REAUTH_STORE",
    "MCP_REAUTH_PROFILE",
    "MCP_REAUTH_CLIENT_ID",
    "MCP_REAUTH_CLIENT_SECRET",
    "BROWSER",
    "DISPLAY",
];

/// The program with its command line, before it runs.
pub(crate) struct Program {
    command: Command,
    person: Person,
}

impl Program {
    pub(super) fn new(person: Person) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-reauth"));
        for name in FOREIGN_VARIABLES {
            command.env_remove(name);
        }
        command
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self { command, person }
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
        let mut stdout = child.stdout.take().expect("standard output");
        let stderr = child.stderr.take().expect("standard error");
        Running {
            child,
            stdout: tokio::spawn(async move {
                let mut text = String::new();
                stdout.read_to_string(&mut text).await.expect("UTF-8");
                text
            }),
            stderr: tokio::spawn(watch(stderr, self.person)),
        }
    }

    /// Runs it to its end.
    pub(crate) async fn run(self) -> Ended {
        self.start().end().await
    }
}

/// Reads standard error to its end, while the person visits what is printed there. Returns how often they did.
/// A visit that goes wrong is not waited for.
async fn watch(stderr: ChildStderr, person: Person) -> (String, usize) {
    let mut lines = BufReader::new(stderr).lines();
    let mut text = String::new();
    let mut pages = 0;
    let mut visits = JoinSet::new();
    loop {
        let line = tokio::select! {
            Some(visit) = visits.join_next() => {
                visit.expect("the visit goes well");
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

/// Whether a line is an authorization address and nothing else.
fn is_address(line: &str) -> bool {
    line.starts_with("http") && line.contains("/auth?") && !line.contains(char::is_whitespace)
}

/// The program while it runs. Dropping it kills it.
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

/// How the program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    /// How many addresses it sent its person to.
    pages: usize,
}

impl Ended {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.status.code(), Some(0), "{self:#?}");
        self
    }

    /// It exited with 1, said why on standard error, and printed nothing on standard output.
    #[track_caller]
    pub(crate) fn failed(self, why: &str) -> Self {
        assert_eq!(self.status.code(), Some(1), "{self:#?}");
        assert_eq!(self.stdout, "", "{self:#?}");
        self.said(why)
    }

    /// This is in what it said on standard error.
    #[track_caller]
    pub(crate) fn said(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// This is all it printed on standard output.
    #[track_caller]
    pub(crate) fn printed(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "{self:#?}");
        self
    }

    /// It sent its person to so many addresses.
    #[track_caller]
    pub(crate) fn showed(self, pages: usize) -> Self {
        assert_eq!(self.pages, pages, "{self:#?}");
        self
    }

    /// Neither stream shows any of these.
    #[track_caller]
    pub(crate) fn hides(self, secrets: &[&str]) -> Self {
        for secret in secrets {
            let shown = self.stdout.contains(secret) || self.stderr.contains(secret);
            assert!(!shown, "{secret} is in {self:#?}");
        }
        self
    }

    /// What it printed, as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
