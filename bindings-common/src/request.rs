//! One request to the MCP server, for the application's own transports.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mcp_reauth::{
    AuthSession, Error, Operation, Recovery, RequestCredential, ResourceRequest, Trigger,
};
use tokio::sync::Mutex;

use crate::answer::{DEFECT, PendingAnswer, answer, run_cancellable};
use crate::cancel::{Cancel, Cancelled};

/// One request with all its tries. Calls to it run one at a time.
pub struct Request {
    request: Arc<Mutex<ResourceRequest>>,
    stopped: Cancelled,
}

/// The header fields to send a request with.
pub enum Fields {
    /// There is no credential.
    None,
    /// Alternating names and values.
    Known(Vec<String>),
    /// An answer with the error.
    Failed(String),
    /// A pending answer with alternating names and values, or `null`.
    Awaited(PendingAnswer),
}

impl Fields {
    pub(crate) fn of(
        work: impl Future<Output = Result<Option<RequestCredential>, Error>> + Send + 'static,
        stopped: Cancelled,
    ) -> Self {
        let mut work = Box::pin(async move { Ok(work.await?.as_ref().map(headers)) });
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().now_or_never()));
        match polled {
            Ok(Some(Ok(None))) => Self::None,
            Ok(Some(Ok(Some(headers)))) => Self::Known(headers),
            Ok(Some(error)) => Self::Failed(answer(&error)),
            Ok(None) => Self::Awaited(run_cancellable(stopped, work)),
            Err(_) => Self::Failed(DEFECT.to_owned()),
        }
    }
}

impl Request {
    pub(crate) fn new(
        session: &AuthSession,
        trigger: Trigger,
        operation: Option<&str>,
        stopped: Cancelled,
    ) -> Self {
        let operation = operation.and_then(|json| serde_json::from_str(json).ok());
        let request = session.request(operation.unwrap_or_default(), trigger);
        Self {
            request: Arc::new(Mutex::new(request)),
            stopped,
        }
    }

    /// Returns the header fields for the next try, synchronously if possible: a valid token needs no waiting, and
    /// scheduling a task would cost more than the rest. Must be called within the runtime.
    #[must_use]
    pub fn authorize(&self, method: String, url: String, cancel: Option<&Cancel>) -> Fields {
        let request = Arc::clone(&self.request);
        let work = async move { request.lock().await.authorize(&method, &url).await };
        Fields::of(work, self.stopped.clone().or(cancel))
    }

    /// Resolves to what to do about a response: `retry` or `pass_through`. `headers` are alternating names and values;
    /// `message` is the request's body, which names the operation.
    pub fn recover(
        &self,
        status: u16,
        headers: Vec<String>,
        message: Option<String>,
        cancel: Option<&Cancel>,
    ) -> PendingAnswer {
        let request = Arc::clone(&self.request);
        run_cancellable(self.stopped.clone().or(cancel), async move {
            let (status, headers) = head(status, &headers)?;
            let mut request = request.lock().await;
            if let Some(message) = message {
                request.set_operation(Operation::of_json(message.as_bytes()));
            }
            match request.recover(status, &headers).await {
                Recovery::Retry => Ok("retry"),
                Recovery::PassThrough => Ok("pass_through"),
                Recovery::Failed(error) => Err(error),
            }
        })
    }
}

/// Parses the head of a response. Invalid header fields are left out.
pub(crate) fn head(status: u16, headers: &[String]) -> Result<(StatusCode, HeaderMap), Error> {
    let status = StatusCode::from_u16(status)
        .map_err(|_| Error::config(format!("{status} is not an HTTP status")))?;
    Ok((status, fields(headers)))
}

/// Parses header fields from alternating names and values.
pub(crate) fn fields(headers: &[String]) -> HeaderMap {
    let pairs = headers.chunks_exact(2).filter_map(|pair| {
        let name = HeaderName::from_bytes(pair[0].as_bytes()).ok()?;
        let value = HeaderValue::from_bytes(pair[1].as_bytes()).ok()?;
        Some((name, value))
    });
    let mut fields = HeaderMap::new();
    for (name, value) in pairs {
        fields.append(name, value);
    }
    fields
}

pub(crate) fn headers(credential: &RequestCredential) -> Vec<String> {
    let fields = credential.headers();
    fields
        .flat_map(|(name, value)| [name.to_owned(), value.to_owned()])
        .collect()
}
