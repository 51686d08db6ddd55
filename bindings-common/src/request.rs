//! One request to the MCP server.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use mcp_reauth::{
    AuthChallenge, AuthSession, Authorization, Error, ErrorCode, IdleStream as Idle, Operation,
    Recovery, RequestCredential, ResourceRequest, Trigger,
};
use serde_json::Value;
use tokio::sync::Mutex;

use crate::answer::{DEFECT, PendingAnswer, answer, settled};
use crate::cancel::{Cancel, Cancelled};

/// One request, over all its tries. It is sent, and recovers, once at a time.
pub struct Request {
    request: Arc<Mutex<ResourceRequest>>,
    stopped: Cancelled,
}

/// The header fields to send a request with.
pub enum Fields {
    /// There is no credential.
    None,
    /// Names and values, in turn.
    Known(Vec<String>),
    /// An answer: the error for which they are not available.
    Failed(String),
    /// An answer that has to be waited for, with names and values in turn, or `null`.
    Awaited(PendingAnswer),
}

const RETRY: &str = "retry";
const PASS_THROUGH: &str = "pass_through";

impl Request {
    pub(crate) fn new(
        session: &AuthSession,
        trigger: Trigger,
        sent: Option<Authorization>,
        operation: Option<&str>,
        stopped: Cancelled,
    ) -> Self {
        let operation = operation.and_then(|json| serde_json::from_str(json).ok());
        let mut request = session.request(operation.unwrap_or_default(), trigger);
        if let Some(sent) = sent {
            request.set_sent(sent);
        }
        Self {
            request: Arc::new(Mutex::new(request)),
            stopped,
        }
    }

    /// The header fields to send it with, at once where that is possible: a good token needs no waiting, and a turn of
    /// the runtime would cost more than all the rest. Called within the runtime.
    #[must_use]
    pub fn authorize(&self, method: String, url: String, cancel: Option<&Cancel>) -> Fields {
        let request = Arc::clone(&self.request);
        let mut work = Box::pin(async move {
            let mut request = request.lock().await;
            let credential = request.authorize(&method, &url).await;
            credential.map(|credential| credential.as_ref().map(headers))
        });
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().now_or_never()));
        match polled {
            Ok(Some(Ok(None))) => Fields::None,
            Ok(Some(Ok(Some(headers)))) => Fields::Known(headers),
            Ok(Some(error)) => Fields::Failed(answer(&error)),
            Ok(None) => Fields::Awaited(settled(self.stopped.clone().or(cancel), work)),
            Err(_) => Fields::Failed(DEFECT.to_owned()),
        }
    }

    /// Answers what to do about a response: `retry` or `pass_through`. `headers` are names and values, in turn; `message`
    /// is what was sent, which tells what it was about.
    pub fn recover(
        &self,
        status: u16,
        headers: Vec<String>,
        message: Option<String>,
        cancel: Option<&Cancel>,
    ) -> PendingAnswer {
        let request = Arc::clone(&self.request);
        settled(self.stopped.clone().or(cancel), async move {
            let mut request = request.lock().await;
            tell(&mut request, message.as_deref());
            let pairs = headers.chunks_exact(2);
            let pairs = pairs.map(|pair| (pair[0].as_str(), pair[1].as_str()));
            decision(request.recover(status, pairs).await)
        })
    }

    /// Answers what to do about the JSON-RPC message `answered`, if its result holds a challenge: `retry` or
    /// `pass_through`.
    pub fn recover_from_result(
        &self,
        answered: String,
        message: Option<String>,
        cancel: Option<&Cancel>,
    ) -> PendingAnswer {
        let request = Arc::clone(&self.request);
        settled(self.stopped.clone().or(cancel), async move {
            let Some(challenge) = in_result(&answered) else {
                return Ok(PASS_THROUGH);
            };
            let mut request = request.lock().await;
            tell(&mut request, message.as_deref());
            decision(request.recover_from(challenge).await)
        })
    }
}

fn decision(recovery: Recovery) -> Result<&'static str, Error> {
    match recovery {
        Recovery::Retry => Ok(RETRY),
        Recovery::PassThrough => Ok(PASS_THROUGH),
        Recovery::Failed(error) => Err(error),
    }
}

fn headers(credential: &RequestCredential) -> Vec<String> {
    let fields = credential.headers();
    fields
        .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
        .collect()
}

/// Tells a request what it is about, by the message that was sent.
fn tell(request: &mut ResourceRequest, message: Option<&str>) {
    if let Some(message) = message {
        request.set_operation(Operation::of_json(message.as_bytes()));
    }
}

fn in_result(message: &str) -> Option<AuthChallenge> {
    let message: Value = serde_json::from_str(message).ok()?;
    AuthChallenge::from_tool_result(message.get("result")?)
}

/// An event stream that no caller waits for, over all tries to open it.
pub struct IdleStream {
    stream: Arc<Mutex<Idle>>,
    stopped: Cancelled,
}

impl IdleStream {
    pub(crate) fn new(session: &AuthSession, stopped: Cancelled) -> Self {
        Self {
            stream: Arc::new(Mutex::new(session.idle_stream())),
            stopped,
        }
    }

    /// Waits until it is worth trying again after `request` failed by an error with that code, and answers whether it
    /// is.
    pub fn outlast(
        &self,
        code: String,
        request: &Request,
        cancel: Option<&Cancel>,
    ) -> PendingAnswer {
        let stream = Arc::clone(&self.stream);
        let request = Arc::clone(&request.request);
        settled(self.stopped.clone().or(cancel), async move {
            let sent = request.lock().await.sent().cloned();
            // An error of the application's own is final.
            let Ok(code) = code.parse::<ErrorCode>() else {
                return Ok(false);
            };
            Ok(stream.lock().await.outlast(code, sent.as_ref()).await)
        })
    }
}
