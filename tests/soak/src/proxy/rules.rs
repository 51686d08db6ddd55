//! Which requests are affected, and how.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::http::Request;

/// The kind of server behind a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Mcp,
    Issuer,
}

/// The purpose of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// A message to the MCP server.
    Mcp,
    /// Its event stream, or the end of an MCP session.
    McpStream,
    Metadata,
    Register,
    Authorize,
    TokenCode,
    TokenRefresh,
    /// A step-up question to the user; not a request to the servers.
    Question,
    Other,
}

impl Part {
    pub(crate) fn of(role: Role, request: &Request) -> Self {
        let path = request.target.split('?').next().unwrap_or_default();
        let has = |text: &str| String::from_utf8_lossy(&request.body).contains(text);
        match (role, path) {
            (Role::Mcp, "/mcp") if request.method == "POST" => Self::Mcp,
            (Role::Mcp, "/mcp") => Self::McpStream,
            (_, path) if path.starts_with("/.well-known/") => Self::Metadata,
            (Role::Issuer, "/register") => Self::Register,
            (Role::Issuer, "/authorize") => Self::Authorize,
            (Role::Issuer, "/question") => Self::Question,
            (Role::Issuer, "/token") if has("grant_type=refresh_token") => Self::TokenRefresh,
            (Role::Issuer, "/token") => Self::TokenCode,
            _ => Self::Other,
        }
    }

    pub(crate) fn is_token(self) -> bool {
        matches!(self, Self::TokenCode | Self::TokenRefresh)
    }
}

/// What happens to a request instead of forwarding it.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// It is answered like this, without reaching the server.
    Answer {
        status: u16,
        retry_after: Option<u64>,
        location: Option<&'static str>,
        body: &'static str,
    },
    /// The connection is closed, without reaching the server.
    Close,
    /// It is forwarded after a delay.
    Delay(Duration),
    /// It is never answered.
    Never,
    /// It is forwarded; the connection is closed without the response.
    Lose,
    /// It is forwarded; the connection is closed in the middle of the response.
    Cut,
    /// It is forwarded; half of the response is sent as if it were complete.
    Halve,
    /// Its response arrives at a few bytes a second.
    Drip,
    /// Its response is excessively long.
    Huge,
}

impl Act {
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer {
            status,
            retry_after: None,
            location: None,
            body: "<p>This is not the answer you are looking for.</p>",
        }
    }

    pub(crate) fn status_after(status: u16, seconds: u64) -> Self {
        Self::Answer {
            status,
            retry_after: Some(seconds),
            location: None,
            body: "come again later",
        }
    }

    pub(crate) fn redirect(location: &'static str) -> Self {
        Self::Answer {
            status: 307,
            retry_after: None,
            location: Some(location),
            body: "",
        }
    }
}

/// The active rules, the latest first.
#[derive(Debug, Default)]
pub(crate) struct Rules(Mutex<Vec<(u64, Vec<Part>, Act)>>);

impl Rules {
    pub(crate) fn add(&self, id: u64, parts: &[Part], act: Act) {
        self.lock().insert(0, (id, parts.to_vec(), act));
    }

    pub(crate) fn remove(&self, id: u64) {
        self.lock().retain(|(own, ..)| *own != id);
    }

    pub(crate) fn act(&self, part: Part) -> Option<Act> {
        let rules = self.lock();
        let found = rules.iter().find(|(_, parts, _)| parts.contains(&part));
        found.map(|(.., act)| act.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Vec<Part>, Act)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
