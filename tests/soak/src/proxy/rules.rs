//! What is done to which requests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::http::Request;

/// Which of the two servers a proxy stands before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Mcp,
    Issuer,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// A message to the MCP server.
    Mcp,
    /// Its event stream, or the end of a session.
    McpStream,
    Metadata,
    Register,
    Authorize,
    TokenCode,
    TokenRefresh,
    /// The user is asked whether to extend access; nothing of the servers'.
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

/// What is done to a request, instead of passing it on and its answer back.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// It is answered like this, and the server does not see it.
    Answer {
        status: u16,
        retry_after: Option<u64>,
        location: Option<&'static str>,
        body: &'static str,
    },
    /// The connection is closed, and the server does not see it.
    Close,
    /// It is passed on after a while.
    Delay(Duration),
    /// It is never answered.
    Never,
    /// The server acts; the connection is closed without its answer.
    Lose,
    /// The server acts; the connection is closed in the middle of its answer.
    Cut,
    /// The server acts; half of its answer is sent as if it were all.
    Halve,
    /// Its answer comes a few bytes a second.
    Drip,
    /// It is answered by more than anybody should read.
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

/// What is done at present, the latest first.
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
