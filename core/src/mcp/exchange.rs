//! One request and its recovery.

use std::sync::OnceLock;

use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Method, StatusCode};

use super::events::EventWatch;
use super::message::{self, challenge_in};
use super::outgoing::{Kind, Outgoing, Redirects};
use super::redirect::{self, MAX_REDIRECTS};
use crate::challenge::Operation;
use crate::error::{Error, ErrorCode};
use crate::http::is_redirect;
use crate::session::{
    AuthSession, Authorization, IdleStream, Recovery, RequestCredential, ResourceRequest,
};

/// What a transport does after a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Drop the response, and send the request again, to [`url`](Exchange::url), with what
    /// [`authorize`](Exchange::authorize) returns then.
    Send,
    /// Return the response to the caller, after scanning it.
    Deliver(Look),
}

/// How to scan a response before the caller gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Not at all.
    None,
    /// It may be a message with a challenge: call [`inspect`](Exchange::inspect) with its whole body.
    Message,
    /// It is an event stream: pass its bytes through [`events`](Exchange::events).
    Events,
}

/// One request to the MCP server, over all its tries.
#[derive(Debug)]
pub struct Exchange {
    session: AuthSession,
    outgoing: Outgoing,
    request: ResourceRequest,
    /// When to reopen a stream that no caller waits for.
    stream: Option<IdleStream>,
    /// The error that kept the stream from opening, until it is worth trying again.
    waits_after: Option<ErrorCode>,
    /// Where the request is sent next.
    url: String,
    /// How many redirects led there.
    redirects: usize,
    operation: OnceLock<Operation>,
}

impl Exchange {
    /// Begins an exchange. `outgoing` must be for the session's server: see [`AuthSession::applies_to`].
    #[must_use]
    pub fn new(session: &AuthSession, outgoing: Outgoing) -> Self {
        Self {
            request: session.request(Operation::default(), outgoing.trigger()),
            stream: (outgoing.kind == Kind::IdleStream).then(|| IdleStream::new(session.clone())),
            waits_after: None,
            session: session.clone(),
            url: outgoing.url.clone(),
            outgoing,
            redirects: 0,
            operation: OnceLock::new(),
        }
    }

    /// Sets what the request was sent with, for a transport that has already sent it.
    pub fn set_sent(&mut self, authorization: Authorization) {
        self.request.set_sent(authorization);
    }

    /// What the request is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.outgoing.kind
    }

    /// The HTTP method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.outgoing.method
    }

    /// The URL to send the request to next.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The credential that the request was last sent with.
    #[must_use]
    pub fn sent(&self) -> Option<&Authorization> {
        self.request.sent()
    }

    /// Returns the credential to send the request with, to [`url`](Self::url). An idle stream that could not be
    /// authorized waits here until it is worth trying again: until the credential has changed or, if a server was
    /// unavailable, for a while.
    ///
    /// # Errors
    /// As [`ResourceRequest::authorize`].
    pub async fn authorize(&mut self) -> Result<Option<RequestCredential>, Error> {
        if let (Some(stream), Some(code)) = (&mut self.stream, self.waits_after) {
            stream.wait_to_retry(code, self.request.sent()).await;
            // Earlier tries no longer count.
            let operation = self.operation().clone();
            self.request = self.session.request(operation, self.outgoing.trigger());
            self.waits_after = None;
        }
        let method = self.outgoing.method.as_str();
        self.request.authorize(method, &self.url).await
    }

    /// Decides what to do about a response, by its status and header fields.
    ///
    /// # Errors
    /// When the request failed for good: in its authorization, or at a redirect that is not followed (`http`).
    pub async fn receive(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<Next, Error> {
        if is_redirect(status) {
            return self.redirected(status, headers);
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let operation = self.operation().clone();
            self.request.set_operation(operation);
        }
        let recovery = self.request.recover(status, headers).await;
        match self.conclude(recovery)? {
            true => Ok(Next::Send),
            false => Ok(Next::Deliver(self.look(status, headers))),
        }
    }

    /// Whether to send the request again after a message that answers it: true if the message contains a challenge that
    /// the recovery resolved. Otherwise the message is the caller's.
    ///
    /// # Errors
    /// When the authorization failed for good.
    pub async fn inspect(&mut self, answer: &[u8]) -> Result<bool, Error> {
        let Some(challenge) = challenge_in(answer) else {
            return Ok(false);
        };
        let operation = self.operation().clone();
        self.request.set_operation(operation);
        let recovery = self.request.recover_from(challenge).await;
        self.conclude(recovery)
    }

    /// Returns what the bytes of an event stream must pass through.
    #[must_use]
    pub fn events(&self) -> EventWatch {
        EventWatch::new(self.calls_tool())
    }

    /// Returns the JSON-RPC error response for a caller that already reads events; `None` if the request has no id.
    #[must_use]
    pub fn failure(&self, error: &Error) -> Option<String> {
        message::failure_of(&self.outgoing.message, error)
    }

    /// Creates an error of the HTTP exchange that is not about authorization (`http`): `detail` says what happened.
    #[must_use]
    pub fn http_error(&self, detail: impl Into<String>) -> Error {
        Error::http(&self.url, detail.into())
    }

    fn operation(&self) -> &Operation {
        self.operation
            .get_or_init(|| Operation::of_json(&self.outgoing.message))
    }

    /// Whether the response may contain a challenge.
    fn calls_tool(&self) -> bool {
        !self.outgoing.message.is_empty() && self.operation().tool_name.is_some()
    }

    fn look(&self, status: StatusCode, headers: &HeaderMap) -> Look {
        if !status.is_success() {
            return Look::None;
        }
        match media_type(headers).as_deref() {
            Some("text/event-stream") => Look::Events,
            Some("application/json") if self.calls_tool() => Look::Message,
            _ => Look::None,
        }
    }

    fn redirected(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<Next, Error> {
        let target = redirect::target(&self.url, status, headers);
        let follows = self.outgoing.repeatable && self.redirects < MAX_REDIRECTS;
        match (self.outgoing.redirects, target) {
            (Redirects::GiveBack, target) => {
                if let Some(target) = target {
                    self.session.note_redirect(target);
                }
                Ok(Next::Deliver(Look::None))
            }
            (Redirects::Follow, Some(target)) if follows => {
                self.url = target;
                self.redirects += 1;
                Ok(Next::Send)
            }
            _ => Err(redirect::not_followed(&self.url, headers)),
        }
    }

    /// Whether to send the request again, from the beginning.
    fn conclude(&mut self, recovery: Recovery) -> Result<bool, Error> {
        let again = match recovery {
            Recovery::Retry => self.outgoing.repeatable,
            Recovery::PassThrough => false,
            Recovery::Failed(_) if !self.outgoing.repeatable => false,
            Recovery::Failed(error) if self.retries_after(&error) => {
                self.waits_after = Some(error.code());
                true
            }
            Recovery::Failed(error) => return Err(error),
        };
        if again {
            self.url.clone_from(&self.outgoing.url);
            self.redirects = 0;
        }
        Ok(again)
    }

    /// Whether this is a stream that waits until it can be authorized.
    fn retries_after(&self, error: &Error) -> bool {
        self.stream.is_some() && IdleStream::retries_after(error.code())
    }
}

/// Returns the media type of a response, without parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = String::from_utf8_lossy(headers.get(CONTENT_TYPE)?.as_bytes());
    let essence = value.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}
