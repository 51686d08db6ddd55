//! One request to the MCP server.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use mcp_reauth::recovery::Trigger;
use mcp_reauth::{
    AuthChallenge, AuthSession, Error, IdleStream as Idle, Operation, Recovery, RequestCredential,
    ResourceRequest,
};
use napi::Env;
use napi::bindgen_prelude::{Either4, Null, PromiseRaw, within_runtime_if_available};
use napi_derive::napi;
use serde_json::Value;
use tokio::sync::Mutex as AsyncMutex;

use crate::answer::{answer, promise};
use crate::authorization::Authorization;
use crate::cancel::{Cancel, Cancelled};

/// One request, over all its tries.
#[napi]
pub struct Request {
    shared: Arc<Shared>,
    stopped: Cancelled,
}

struct Shared {
    /// It is sent, and recovers, once at a time.
    request: AsyncMutex<ResourceRequest>,
    /// What it failed by.
    failure: Mutex<Option<Error>>,
}

impl Request {
    pub(crate) fn new(session: &AuthSession, ambient: bool, stopped: Cancelled) -> Self {
        let trigger = match ambient {
            true => Trigger::Ambient,
            false => Trigger::Command,
        };
        let request = session.request(Operation::default(), trigger);
        let shared = Shared {
            request: AsyncMutex::new(request),
            failure: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            stopped,
        }
    }

    fn failure(&self) -> Option<Error> {
        let failure = self.shared.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
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
        let shared = Arc::clone(&self.shared);
        let mut work = Box::pin(async move {
            let mut request = shared.request.lock().await;
            let credential = request.authorize(&method, &url).await;
            credential.map(|credential| credential.as_ref().map(headers))
        });
        // A good token needs no waiting, and a turn of the runtime would cost more than all the rest.
        Ok(
            match within_runtime_if_available(|| work.as_mut().now_or_never()) {
                Some(Ok(None)) => Either4::A(Null),
                Some(Ok(Some(headers))) => Either4::B(headers),
                Some(error) => Either4::C(answer(&error)),
                None => Either4::D(promise(env, self.stopped.clone().or(cancel), work)?),
            },
        )
    }

    /// Says what it was sent with, where that was not [`authorize`](Self::authorize)d.
    #[napi]
    pub fn set_sent(&self, authorization: &Authorization) {
        if let Ok(mut request) = self.shared.request.try_lock() {
            request.set_sent(authorization.0.clone());
        }
    }

    /// The credential it was sent with last.
    #[napi]
    pub fn sent(&self) -> Option<Authorization> {
        let request = self.shared.request.try_lock().ok()?;
        request.sent().cloned().map(Authorization)
    }

    /// What to do about a response: `retry` or `pass_through`. `message` is what was sent.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn recover<'env>(
        &self,
        env: &'env Env,
        status: u16,
        headers: Vec<String>,
        message: Option<String>,
        cancel: Option<&Cancel>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let shared = Arc::clone(&self.shared);
        promise(env, self.stopped.clone().or(cancel), async move {
            let mut request = shared.request.lock().await;
            request.set_operation(operation(message.as_deref()));
            let pairs = headers.chunks_exact(2);
            let pairs = pairs.map(|pair| (pair[0].as_str(), pair[1].as_str()));
            shared.ended(request.recover(status, pairs).await)
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
        let shared = Arc::clone(&self.shared);
        promise(env, self.stopped.clone().or(cancel), async move {
            let Some(challenge) = in_result(&answered) else {
                return Ok(PASS_THROUGH);
            };
            let mut request = shared.request.lock().await;
            request.set_operation(operation(message.as_deref()));
            shared.ended(request.recover_from(challenge).await)
        })
    }

    /// The JSON-RPC answer that says what it failed by, if it did. `message` is what was sent.
    #[napi]
    pub fn failure_as_json_rpc(&self, message: String) -> Option<String> {
        let message: Value = serde_json::from_str(&message).unwrap_or_default();
        let id = message.get("id").unwrap_or(&Value::Null);
        Some(self.failure()?.to_json_rpc(id).to_string())
    }
}

const RETRY: &str = "retry";
const PASS_THROUGH: &str = "pass_through";

impl Shared {
    fn ended(&self, recovery: Recovery) -> Result<&'static str, Error> {
        match recovery {
            Recovery::Retry => Ok(RETRY),
            Recovery::PassThrough => Ok(PASS_THROUGH),
            Recovery::Failed(error) => {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                *failure = Some(error.clone());
                Err(error)
            }
        }
    }
}

fn headers(credential: &RequestCredential) -> Vec<String> {
    let fields = credential.headers();
    fields
        .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
        .collect()
}

fn operation(message: Option<&str>) -> Operation {
    message.map_or_else(Operation::default, |json| {
        Operation::of_json(json.as_bytes())
    })
}

fn in_result(message: &str) -> Option<AuthChallenge> {
    let message: Value = serde_json::from_str(message).ok()?;
    AuthChallenge::from_tool_result(message.get("result")?)
}

/// An event stream that nobody waits for, over all tries to open it.
#[napi]
pub struct IdleStream {
    stream: Arc<AsyncMutex<Idle>>,
    stopped: Cancelled,
}

impl IdleStream {
    pub(crate) fn new(session: &AuthSession, stopped: Cancelled) -> Self {
        Self {
            stream: Arc::new(AsyncMutex::new(session.idle_stream())),
            stopped,
        }
    }
}

#[napi]
impl IdleStream {
    /// Waits until it is worth trying again after `request` failed, and answers whether it is.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn outlast<'env>(
        &self,
        env: &'env Env,
        request: &Request,
        cancel: Option<&Cancel>,
    ) -> napi::Result<PromiseRaw<'env, String>> {
        let stream = Arc::clone(&self.stream);
        let (failure, sent) = (request.failure(), request.sent());
        promise(env, self.stopped.clone().or(cancel), async move {
            let Some(failure) = failure else {
                return Ok(false);
            };
            let sent = sent.as_ref().map(|sent| &sent.0);
            Ok(stream.lock().await.outlast(&failure, sent).await)
        })
    }
}
