//! The program as a child process.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::soon;
use super::visitor::{Visitor, is_authorization_address};
use crate::tested::tested;

/// Variables of the test's environment that must not reach the program under test.
pub(super) const FOREIGN_VARIABLES: [&str; 18] = [
    "MCP_REAUTH_STORE",
    "MCP_REAUTH_PROFILE",
    "MCP_REAUTH_CLIENT_ID",
    "MCP_REAUTH_CLIENT_SECRET",
    "MCP_REAUTH_IDP",
    "MCP_REAUTH_IDP_CLIENT_ID",
    "MCP_REAUTH_IDP_CLIENT_SECRET",
    "BROWSER",
    "DISPLAY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSH_CONNECTION",
];

/// The program with its command line, before it starts.
pub(crate) struct Program {
    command: Command,
    visitor: Visitor,
}

impl Program {
    /// The program with these arguments, and a user who visits the addresses it prints.
    pub(crate) fn new(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        let mut command = Command::new(tested());
        for name in FOREIGN_VARIABLES {
            command.env_remove(name);
        }
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self {
            command,
            visitor: Visitor::new(true),
        }
    }

    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn home(self, folder: &Path) -> Self {
        self.env("HOME", folder)
            .env("XDG_DATA_HOME", folder.join("data"))
    }

    /// No user visits the addresses it prints.
    pub(crate) fn alone(mut self) -> Self {
        self.visitor = Visitor::new(false);
        self
    }

    /// Redirects standard output.
    pub(crate) fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stdout(to);
        self
    }

    /// Redirects standard error.
    pub(crate) fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.command.stderr(to);
        self
    }

    pub(crate) fn start(mut self) -> Running {
        let mut child = self.command.spawn().expect("the program starts");
        // The command may hold the other ends of pipes open.
        drop(self.command);
        let visitor = self.visitor.clone();
        Running {
            stdout: child.stdout.take().map(|stream| Output::of(stream, |_| {})),
            stderr: child
                .stderr
                .take()
                .map(|stream| Output::of(stream, move |line| visitor.sees(line))),
            child,
            visitor: self.visitor,
        }
    }

    /// Runs it until it exits.
    pub(crate) async fn run(self) -> Ended {
        self.start().end().await
    }
}

/// The text of one of the program's output streams.
struct Output {
    text: watch::Receiver<String>,
    reader: JoinHandle<()>,
}

impl Output {
    fn of(
        stream: impl AsyncRead + Unpin + Send + 'static,
        sees: impl Fn(&str) + Send + 'static,
    ) -> Self {
        let (sender, text) = watch::channel(String::new());
        let reader = tokio::spawn(async move {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).await.expect("UTF-8") > 0 {
                sees(line.trim_end());
                sender.send_modify(|text| text.push_str(&line));
                line.clear();
            }
        });
        Self { text, reader }
    }

    /// Waits for a line.
    async fn line(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        let found = |text: &String| text.lines().any(&is_it);
        let text = soon(self.text.wait_for(found)).await;
        let text = text.expect("the program ended without that line").clone();
        let line = text.lines().find(|line| is_it(line));
        line.expect("it was there just now").to_owned()
    }

    /// Waits for the end of the stream.
    async fn end(self) -> String {
        soon(self.reader).await.expect("the stream can be read");
        self.text.borrow().clone()
    }
}

/// The running program. Dropping it kills it.
pub(crate) struct Running {
    child: Child,
    stdout: Option<Output>,
    stderr: Option<Output>,
    visitor: Visitor,
}

impl Running {
    /// Waits for a line of standard output.
    pub(crate) async fn prints(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        let stdout = self.stdout.as_mut().expect("standard output comes here");
        stdout.line(is_it).await
    }

    /// Waits for a line of standard error.
    pub(crate) async fn says(&mut self, is_it: impl Fn(&str) -> bool) -> String {
        let stderr = self.stderr.as_mut().expect("standard error comes here");
        stderr.line(is_it).await
    }

    /// Waits for the authorization address.
    pub(crate) async fn address(&mut self) -> String {
        self.says(is_authorization_address).await
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = self.child.id().expect("the program runs");
        let id = i32::try_from(id)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(id.expect("an id"), signal).expect("the program runs");
    }

    pub(crate) async fn end(mut self) -> Ended {
        let status = soon(self.child.wait()).await.expect("an exit status");
        let mut texts = Vec::new();
        for output in [self.stdout, self.stderr] {
            texts.push(match output {
                Some(output) => output.end().await,
                None => String::new(),
            });
        }
        let stderr = texts.pop().unwrap_or_default();
        let ended = Ended {
            status,
            stdout: texts.pop().unwrap_or_default(),
            stderr,
            pages: self.visitor.pages(),
        };
        ended.check_for_panics();
        ended
    }
}

/// The exit status and output of the program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The number of sign-in pages it sent its user to.
    pub(crate) pages: usize,
}

impl Ended {
    pub(super) fn check_for_panics(&self) {
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
        assert_ne!(self.status.code(), Some(101), "{self:#?}");
    }

    /// Asserts the exit code.
    #[track_caller]
    pub(crate) fn exited(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        self.exited(0)
    }

    /// Asserts the exit code and the reason on standard error, and that standard output is empty.
    #[track_caller]
    pub(crate) fn failed(self, code: i32, why: &str) -> Self {
        assert_eq!(self.stdout, "", "{self:#?}");
        self.exited(code).said(why)
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

    /// Asserts the number of sign-in pages.
    #[track_caller]
    pub(crate) fn showed(self, pages: usize) -> Self {
        assert_eq!(self.pages, pages, "{self:#?}");
        self
    }

    /// Parses standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Asserts that neither stream contains any of these secrets.
    #[track_caller]
    pub(crate) fn hides(self, secrets: &[String]) -> Self {
        for secret in secrets {
            let shown = self.stdout.contains(secret) || self.stderr.contains(secret);
            assert!(!shown, "{secret} is in {self:#?}");
        }
        self
    }
}
