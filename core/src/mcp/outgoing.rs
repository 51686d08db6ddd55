//! A request before it is sent.

use bytes::Bytes;
use http::header::{ACCEPT, HeaderMap};
use http::{HeaderName, Method};

use crate::recovery::Trigger;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What a request is for, which decides whether a caller waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A message, or anything else that its sender waits for. The older transport (HTTP with SSE, 2024-11-05) opens its
    /// stream before there is a session, and connecting waits for that.
    Command,
    /// Opens the event stream for the server's own messages. No caller waits for it, and clients open it only once: if
    /// it cannot be authorized, it waits until it can.
    IdleStream,
    /// Resumes the event stream of a response.
    ResumedStream,
    /// Ends the MCP session.
    SessionEnd,
}

impl Kind {
    /// Determines the kind from the method and the header fields of a request.
    #[must_use]
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        if *method == Method::DELETE {
            return Self::SessionEnd;
        }
        let in_session = [SESSION_ID, PROTOCOL_VERSION]
            .iter()
            .any(|name| headers.contains_key(name));
        let mut accepted = headers.get_all(ACCEPT).iter();
        let streams = accepted.any(|value| {
            let value = String::from_utf8_lossy(value.as_bytes());
            value.contains("text/event-stream")
        });
        match *method == Method::GET && in_session && streams {
            false => Self::Command,
            true if headers.contains_key(LAST_EVENT_ID) => Self::ResumedStream,
            true => Self::IdleStream,
        }
    }

    /// Whether a caller waits for the request: only then may the user be asked.
    #[must_use]
    pub fn trigger(self) -> Trigger {
        match self {
            Self::Command => Trigger::Command,
            Self::IdleStream | Self::ResumedStream | Self::SessionEnd => Trigger::Ambient,
        }
    }
}

/// How redirects are handled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Redirects {
    /// Follow 307 and 308, which keep method and body, within the server's origin, a few times. Any other redirect is
    /// an error: it would send the message or the credential elsewhere, or change the method.
    #[default]
    Follow,
    /// Return them to the caller, which may send requests to their targets within the origin.
    GiveBack,
    /// Treat them as errors.
    Refuse,
}

/// A request to be sent, without its credential.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub(super) method: Method,
    pub(super) url: String,
    pub(super) kind: Kind,
    pub(super) message: Bytes,
    pub(super) redirects: Redirects,
    pub(super) repeatable: bool,
}

impl Outgoing {
    /// Creates a request without a message. Its method and its header fields tell what it is for.
    #[must_use]
    pub fn new(method: Method, url: impl Into<String>, headers: &HeaderMap) -> Self {
        Self {
            kind: Kind::of(&method, headers),
            method,
            url: url.into(),
            message: Bytes::new(),
            redirects: Redirects::default(),
            repeatable: true,
        }
    }

    /// Sets the JSON-RPC message that the request carries. It is parsed only when needed.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Bytes>) -> Self {
        self.message = message.into();
        self
    }

    /// Sets how redirects are handled.
    #[must_use]
    pub fn with_redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = redirects;
        self
    }

    /// Marks a request whose body can be sent only once. If it is rejected, the session recovers as far as possible
    /// without the user, and the caller still gets the response.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    pub(super) fn trigger(&self) -> Trigger {
        match self.repeatable {
            true => self.kind.trigger(),
            // The user must not be asked for a request that cannot be sent again.
            false => Trigger::Ambient,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(method: Method, headers: &[(&'static str, &'static str)]) -> Kind {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, value.parse().expect("a value"))
        });
        Kind::of(&method, &headers.collect())
    }

    #[test]
    fn kinds() {
        let accept = ("accept", "text/event-stream");
        let both = ("accept", "application/json, text/event-stream");
        let session = ("mcp-session-id", "a");
        let version = ("mcp-protocol-version", "2025-11-25");
        let last = ("last-event-id", "1");
        for (method, headers, expected) in [
            (Method::POST, vec![both, session, version], Kind::Command),
            (Method::POST, vec![], Kind::Command),
            (Method::DELETE, vec![session], Kind::SessionEnd),
            (Method::DELETE, vec![], Kind::SessionEnd),
            (Method::GET, vec![accept, session], Kind::IdleStream),
            (Method::GET, vec![both, version], Kind::IdleStream),
            (
                Method::GET,
                vec![accept, session, last],
                Kind::ResumedStream,
            ),
            // The older transport, and requests that open no stream.
            (Method::GET, vec![accept], Kind::Command),
            (Method::GET, vec![accept, last], Kind::Command),
            (Method::GET, vec![session], Kind::Command),
        ] {
            assert_eq!(
                kind(method.clone(), &headers),
                expected,
                "{method} {headers:?}"
            );
        }
    }
}
