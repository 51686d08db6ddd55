//! The servers, in a separate process.

use std::process::Stdio;

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::{npm, soon, until};

/// Running servers. Dropping them ends them.
pub(crate) struct Servers {
    pub(crate) addresses: Addresses,
    http: reqwest::Client,
    _child: Child,
    /// The servers exit when this is closed.
    _stdin: ChildStdin,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Addresses {
    /// The MCP server, which is also the tokens' audience.
    pub(crate) mcp: String,
    pub(crate) issuer: String,
    control: String,
}

#[derive(Deserialize)]
struct Report {
    events: Vec<Value>,
    held: usize,
}

impl Servers {
    /// Starts them with settings as in `servers/main.mjs`.
    pub(super) async fn start(settings: &Value) -> Self {
        let mut child = Command::new(npm::node())
            .arg(npm::folder().join("servers/main.mjs"))
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Node starts");
        let stdout = child.stdout.take().expect("standard output");
        let line = soon(BufReader::new(stdout).lines().next_line()).await;
        let line = line.expect("UTF-8").expect("the servers start");
        Self {
            addresses: serde_json::from_str(&line).expect("their addresses"),
            http: super::http().build().expect("a client"),
            _stdin: child.stdin.take().expect("standard input"),
            _child: child,
        }
    }

    /// Invalidates all issued access tokens.
    pub(crate) async fn expire(&self) {
        self.tell("expire").await;
    }

    /// Revokes all grants with their tokens.
    pub(crate) async fn revoke(&self) {
        self.tell("revoke").await;
    }

    /// Deletes the registrations of clients that registered themselves.
    pub(crate) async fn forget_clients(&self) {
        self.tell("forget-clients").await;
    }

    /// Requires another nonce in proofs from now on.
    pub(crate) async fn change_nonce(&self) {
        self.tell("change-nonce").await;
    }

    /// Holds token requests until [`Self::release`].
    pub(crate) async fn hold(&self) {
        self.tell("hold").await;
    }

    pub(crate) async fn release(&self) {
        self.tell("release").await;
    }

    async fn tell(&self, what: &str) {
        let url = format!("{}/{what}", self.addresses.control);
        let response = soon(self.http.post(url).send()).await.expect("an answer");
        assert_eq!(response.status(), 204, "{what}");
    }

    async fn report(&self) -> Report {
        let url = format!("{}/events", self.addresses.control);
        let response = soon(self.http.get(url).send()).await.expect("an answer");
        let text = response.text().await.expect("a report");
        serde_json::from_str(&text).expect("a report")
    }

    /// The events of that kind so far; see `servers/ledger.mjs`.
    pub(crate) async fn events(&self, what: &str) -> Vec<Value> {
        let mut events = self.report().await.events;
        events.retain(|event| event["what"] == what);
        events
    }

    /// Waits until so many token requests are held.
    pub(crate) async fn have_held(&self, requests: usize) {
        until(async || self.report().await.held == requests).await;
    }

    /// Sends a form to the authorization server, and returns the status and the body.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}{path}", self.addresses.issuer);
        let response = soon(self.http.post(url).form(form).send()).await;
        let response = response.expect("an answer");
        let status = response.status().as_u16();
        let text = response.text().await.expect("an answer");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Whether the MCP server accepts a token.
    pub(crate) async fn accepts(&self, token: &str) -> bool {
        let request = self.http.get(&self.addresses.mcp).bearer_auth(token);
        let response = soon(request.send()).await.expect("an answer");
        response.status() != 401
    }
}
