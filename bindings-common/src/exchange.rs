//! One MCP request over HTTP, for the transport of a binding.

use std::sync::{Arc, Mutex as Sync, PoisonError};

use http::Method;
use mcp_reauth::mcp::{self, Look, Next, Outgoing, Piece, Redirects, Watched};
use mcp_reauth::{AuthSession, Authorization, Error};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::answer::{PendingAnswer, run_cancellable};
use crate::cancel::{Cancel, Cancelled};
use crate::request::{Fields, fields, head};

/// A request that a binding is about to send, without the credential.
pub struct OutgoingRequest {
    /// The HTTP method.
    pub method: String,
    /// The address it is sent to.
    pub url: String,
    /// Its own header fields: alternating names and values.
    pub headers: Vec<String>,
    /// The JSON-RPC message in its body.
    pub message: Option<String>,
    /// Whether redirects are followed, returned or errors.
    pub redirects: Redirects,
    /// Whether its body can be sent more than once.
    pub repeatable: bool,
    /// The credential it was already sent with, if it was.
    pub with: Option<Authorization>,
}

/// One request with all its tries. Calls to it run one at a time.
pub struct Exchange {
    exchange: Arc<Mutex<mcp::Exchange>>,
    stopped: Cancelled,
}

/// What to do after a response.
#[derive(Serialize)]
#[serde(tag = "next", rename_all = "snake_case")]
enum NextStep {
    /// Send the request again, to `url`.
    Send { url: String },
    /// Give the response to the caller, after inspecting it as `none`, `message` or `events`.
    Deliver { look: &'static str },
}

impl Exchange {
    pub(crate) fn new(session: &AuthSession, sent: OutgoingRequest, stopped: Cancelled) -> Self {
        // The transport rejects an invalid method when it sends the request.
        let method: Method = sent.method.parse().unwrap_or(Method::POST);
        let mut outgoing = Outgoing::new(method, sent.url, &fields(&sent.headers))
            .with_message(sent.message.unwrap_or_default())
            .with_redirects(sent.redirects);
        if !sent.repeatable {
            outgoing = outgoing.once();
        }
        let mut exchange = mcp::Exchange::new(session, outgoing);
        if let Some(authorization) = sent.with {
            exchange.set_sent(authorization);
        }
        Self {
            exchange: Arc::new(Mutex::new(exchange)),
            stopped,
        }
    }

    /// Returns the header fields for the next try, synchronously if possible. Must be called within the runtime.
    #[must_use]
    pub fn authorize(&self, cancel: Option<&Cancel>) -> Fields {
        let exchange = Arc::clone(&self.exchange);
        let work = async move { exchange.lock().await.authorize().await };
        Fields::of(work, self.stopped.clone().or(cancel))
    }

    /// Resolves to the next step after a response: `{"next":"send","url":...}`, or `{"next":"deliver","look":...}` with
    /// `none`, `message` or `events`. `headers` are alternating names and values.
    pub fn receive(
        &self,
        status: u16,
        headers: Vec<String>,
        cancel: Option<&Cancel>,
    ) -> PendingAnswer {
        let exchange = Arc::clone(&self.exchange);
        run_cancellable(self.stopped.clone().or(cancel), async move {
            let (status, headers) = head(status, &headers)?;
            let mut exchange = exchange.lock().await;
            Ok(match exchange.receive(status, &headers).await? {
                Next::Send => NextStep::Send {
                    url: exchange.url().to_owned(),
                },
                Next::Deliver(look) => NextStep::Deliver {
                    look: match look {
                        Look::None => "none",
                        Look::Message => "message",
                        Look::Events => "events",
                    },
                },
            })
        })
    }

    /// Resolves to the next step, as [`receive`](Self::receive) does, after a message that answers the request.
    pub fn inspect(&self, message: String, cancel: Option<&Cancel>) -> PendingAnswer {
        let exchange = Arc::clone(&self.exchange);
        run_cancellable(self.stopped.clone().or(cancel), async move {
            let mut exchange = exchange.lock().await;
            Ok::<_, Error>(match exchange.inspect(message.as_bytes()).await? {
                true => NextStep::Send {
                    url: exchange.url().to_owned(),
                },
                false => NextStep::Deliver { look: "none" },
            })
        })
    }
}

/// Splits the bytes of an event stream into events and finds those that may hold a challenge.
pub struct EventWatch(Sync<mcp::EventWatch>);

/// A part of a stream.
pub struct Part {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The data of an event that may hold a challenge.
    pub suspect: Option<String>,
}

impl EventWatch {
    /// `looks`: whether the request calls a tool, whose result may hold a challenge.
    #[must_use]
    pub fn new(looks: bool) -> Self {
        Self(Sync::new(mcp::EventWatch::new(looks)))
    }

    /// Processes a chunk. Returns `None` if the chunk passes unchanged.
    ///
    /// # Errors
    /// The message for the reader, if an event is too long. The stream ends there.
    pub fn push(&self, chunk: &[u8]) -> Result<Option<Vec<Part>>, String> {
        match self.lock().push(chunk) {
            Ok(Watched::AsIs) => Ok(None),
            Ok(Watched::Pieces(pieces)) => Ok(Some(parts(pieces))),
            Err(too_long) => Err(too_long.to_string()),
        }
    }

    /// Returns the rest at the end of the stream.
    #[must_use]
    pub fn finish(&self) -> Vec<Part> {
        parts(self.lock().finish())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, mcp::EventWatch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parts(pieces: Vec<Piece>) -> Vec<Part> {
    let parts = pieces.into_iter().map(|piece| match piece {
        Piece::Pass(bytes) => Part {
            bytes,
            suspect: None,
        },
        Piece::Suspect { event, data } => Part {
            bytes: event,
            suspect: Some(String::from_utf8_lossy(&data).into_owned()),
        },
    });
    parts.collect()
}
