//! A third-party server with a front that records requests, in separate processes.

use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use crate::support::{http, npm, soon, until};

/// The launcher's exit code if the server is not available on this machine.
const CANNOT_BE_HAD: i32 = 3;

/// A running server. Dropping it ends it.
pub(super) struct Other {
    pub(super) about: About,
    http: reqwest::Client,
    _child: Child,
    /// The server exits when this is closed.
    _stdin: ChildStdin,
}

/// What `others/main.mjs` reports about the server.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct About {
    pub(super) mcp: String,
    control: String,
    /// The package and its version.
    pub(super) version: String,
    /// Whether it issues refresh tokens.
    pub(super) refreshes: bool,
    /// What needs more scope: a `tool`, or from some time on the whole `server`.
    pub(super) step_up: Option<StepUp>,
    /// Whether a sign-out revokes tokens.
    pub(super) revokes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StepUp {
    Tool,
    Server,
}

#[derive(Deserialize)]
struct Report {
    requests: Vec<Request>,
    held: usize,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Request {
    by: String,
    status: Option<u16>,
    pub(super) grant: Option<String>,
}

impl Other {
    /// Starts it, if it is available.
    pub(super) async fn start(name: &str) -> Option<Self> {
        let mut child = Command::new(npm::node())
            .arg(npm::folder().join("others/main.mjs"))
            .arg(name)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node starts");
        let stdout = child.stdout.take().expect("standard output");
        let line = soon(BufReader::new(stdout).lines().next_line()).await;
        let Some(line) = line.expect("UTF-8") else {
            let status = soon(child.wait()).await.expect("an exit status");
            assert_eq!(status.code(), Some(CANNOT_BE_HAD), "{name}: {status}");
            return None;
        };
        Some(Self {
            about: serde_json::from_str(&line).expect("what it is"),
            http: http().build().expect("a client"),
            _stdin: child.stdin.take().expect("standard input"),
            _child: child,
        })
    }

    /// Sends an instruction to the server or its front; see `others/main.mjs`.
    pub(super) async fn tell(&self, what: &str) {
        let url = format!("{}/{what}", self.about.control);
        let response = soon(self.http.post(url).send()).await.expect("an answer");
        assert_eq!(response.status(), 204, "{what}");
    }

    async fn report(&self) -> Report {
        let url = format!("{}/requests", self.about.control);
        let response = soon(self.http.get(url).send()).await.expect("an answer");
        let text = response.text().await.expect("a report");
        serde_json::from_str(&text).expect("a report")
    }

    /// Returns the number of requests so far, for `since`.
    pub(super) async fn mark(&self) -> usize {
        self.report().await.requests.len()
    }

    /// The client's requests since a mark.
    pub(super) async fn since(&self, mark: usize) -> Vec<Request> {
        let mut requests = self.report().await.requests.split_off(mark);
        requests.retain(|request| request.by == "client");
        requests
    }

    /// Waits until so many requests were rejected since a mark, and so many recoveries are held.
    pub(super) async fn has_rejected(&self, rejections: usize, recoveries: usize, mark: usize) {
        until(async || {
            let report = self.report().await;
            let rejected = |request: &&Request| request.status == Some(401);
            let count = report.requests[mark..].iter().filter(rejected).count();
            count >= rejections && report.held == recoveries
        })
        .await;
    }

    /// Whether the MCP server accepts a token.
    pub(super) async fn accepts(&self, token: &str) -> bool {
        let request = self.http.get(&self.about.mcp).bearer_auth(token);
        let response = soon(request.send()).await.expect("an answer");
        response.status() != 401
    }
}
