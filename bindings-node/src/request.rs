//! One request to the MCP server.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use mcp_reauth::recovery::Trigger;
use mcp_reauth::{
    AuthChallenge, AuthSession, ErrorCode, IdleStream as Idle, Operation, Recovery,
    RequestCredential, ResourceRequest,
};
use napi::Env;
use napi::bindgen_prelude::{Either4, Null, PromiseRaw, within_runtime_if_available};
use napi_derive::napi;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::answer::{DEFECT, answer, promise};
use crate::authorization::Authorization;
use crate::cancel::{Cancel, Cancelled};

/// One request, over all its tries. It is sent, and recovers, once at a time.
#[napi]
pub struct Request {
    request: Arc<Mutex<ResourceRequest>>,
    stopped: Cancelled,
}

const RETRY: &str = "retry";
const PASS_THROUGH: &str = "pass_through";

impl Request {
    /// `ambient`: nobody waits for it. `sent`: what it was sent with already. `operation`: what it is about, in JSON.
    pub(crate) fn new(
        session: &AuthSession,
        ambient: bool,
        sent: Option<&Authorization>,
        operation: Option<&str>,
        stopped: Cancelled,
    ) -> Self {
        let trigger = match ambient {
            true => Trigger::Ambient,
            false => Trigger::Command,
        };
        let operation = operation.and_then(|json| serde_json::from_str(json).ok());
        let mut request = session.request(operation.unwrap_or_default(), trigger);
        if let Some(sent) = sent {
            request.set_sent(sent.0.clone());
        }
        Self {
            request: Arc::new(Mutex::new(request)),
            stopped,
        }
    }
}

#[napi]
impl Request {
    /// The header fields to send it with, in turn: `null` when there is no credential, a list at once where that is
    /// possible, else a promise of an answer; an answer at once is an error.
    #[napi(ts_return_type = "null | string[] | string | Promise<string>")]
    pub fn authorize<'env>(
        &self,
        env: &'env Env,
        method: String,
        url: String,
        cancel: Option<&Cancel>,
    ) -> napi::Result<Either4<Null, Vec<String>, String, PromiseRaw<'env, String>>> {
        let request = Arc::clone(&self.request);
        let mut work = Box::pin(async move {
            let mut request = request.lock().await;
            let credential = request.authorize(&method, &url).await;
            credential.map(|credential| credential.as_ref().map(headers))
        });
        // A good token needs no waiting, and a turn of the runtime would cost more than all the rest.
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| {
            within_runtime_if_available(|| work.as_mut().now_or_never())
        }));
        Ok(match polled {
            Ok(Some(Ok(None))) => Either4::A(Null),
            Ok(Some(Ok(Some(headers)))) => Either4::B(headers),
            Ok(Some(error)) => Either4::C(answer(&error)),
            Ok(None) => Either4::D(promise(env, self.stopped.clone().or(cancel), work)?),
            Err(_) => Either4::C(DEFECT.to_owned()),
        })
    }

    /// What to do about a response: `retry` or `pass_through`. `message` is what was sent, which tells what it was
    /// about.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn recover<'env>(
        &self,
        env: &'env Env,
        status: u16,
        headers: Vec<String>,
        message: Option<String>,
        cancel: Option<&Cancel>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let request = Arc::clone(&self.request);
        promise(env, self.stopped.clone().or(cancel), async move {
            let mut request = request.lock().await;
            tell(&mut request, message.as_deref());
            let pairs = headers.chunks_exact(2);
            let pairs = pairs.map(|pair| (pair[0].as_str(), pair[1].as_str()));
            decision(request.recover(status, pairs).await)
        })
    }

    /// What to do about the JSON-RPC message `answered`, if its result holds a challenge: `retry` or `pass_through`.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn recover_from_result<'env>(
        &self,
        env: &'env Env,
        answered: String,
        message: Option<String>,
        cancel: Option<&Cancel>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let request = Arc::clone(&self.request);
        promise(env, self.stopped.clone().or(cancel), async move {
            let Some(challenge) = in_result(&answered) else {
                return Ok(PASS_THROUGH);
            };
            let mut request = request.lock().await;
            tell(&mut request, message.as_deref());
            decision(request.recover_from(challenge).await)
        })
    }
}

fn decision(recovery: Recovery) -> Result<&'static str, mcp_reauth::Error> {
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

/// An event stream that nobody waits for, over all tries to open it.
#[napi]
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
}

#[napi]
impl IdleStream {
    /// Waits until it is worth trying again after `request` failed by an error with that code, and answers whether it
    /// is.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn outlast<'env>(
        &self,
        env: &'env Env,
        code: String,
        request: &Request,
        cancel: Option<&Cancel>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let stream = Arc::clone(&self.stream);
        let request = Arc::clone(&request.request);
        promise(env, self.stopped.clone().or(cancel), async move {
            let sent = request.lock().await.sent().cloned();
            // An error of the application's own is final.
            let Ok(code) = code.parse::<ErrorCode>() else {
                return Ok(false);
            };
            Ok(stream.lock().await.outlast(code, sent.as_ref()).await)
        })
    }
}
