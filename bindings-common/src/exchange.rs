//! One request of MCP over HTTP, for the transport of a binding.

use std::sync::{Arc, Mutex as Sync, PoisonError};

use http::Method;
use mcp_reauth::mcp::{self, Look, Next, Outgoing, Piece, Redirects, Watched};
use mcp_reauth::{AuthSession, Authorization, Error};
use serde::Serialize;
use tokio::sync::Mutex;

use crate::answer::{PendingAnswer, settled};
use crate::cancel::{Cancel, Cancelled};
use crate::request::{Fields, fields, head};

/// A request as a binding is about to send it, but for its credential.
pub struct Sent {
    /// How.
    pub method: String,
    /// To where.
    pub url: String,
    /// Its own header fields: names and values, in turn.
    pub headers: Vec<String>,
    /// The JSON-RPC message that it carries.
    pub message: Option<String>,
    /// Whether redirects are followed, given back or errors.
    pub redirects: Redirects,
    /// Whether its body can be sent more than once.
    pub repeatable: bool,
    /// What it was sent with already.
    pub with: Option<Authorization>,
}

/// One request, over all its tries. It is sent, and recovers, once at a time.
pub struct Exchange {
    exchange: Arc<Mutex<mcp::Exchange>>,
    stopped: Cancelled,
}

/// What to do after a response.
#[derive(Serialize)]
#[serde(tag = "next", rename_all = "snake_case")]
enum Told {
    /// Sends the request again, to `url`.
    Send { url: String },
    /// The response is the caller's, once it is looked through: `none`, `message` or `events`.
    Deliver { look: &'static str },
}

impl Exchange {
    pub(crate) fn new(session: &AuthSession, sent: Sent, stopped: Cancelled) -> Self {
        // What is none is refused by the transport when it is sent.
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

    /// The header fields to send it with, at once where that is possible. Called within the runtime.
    #[must_use]
    pub fn authorize(&self, cancel: Option<&Cancel>) -> Fields {
        let exchange = Arc::clone(&self.exchange);
        let work = async move { exchange.lock().await.authorize().await };
        Fields::of(work, self.stopped.clone().or(cancel))
    }

    /// Answers what to do after a response: `{"next":"send","url":...}`, or `{"next":"deliver","look":...}` with `none`,
    /// `message` or `events`. `headers` are names and values, in turn.
    pub fn receive(
        &self,
        status: u16,
        headers: Vec<String>,
        cancel: Option<&Cancel>,
    ) -> PendingAnswer {
        let exchange = Arc::clone(&self.exchange);
        settled(self.stopped.clone().or(cancel), async move {
            let (status, headers) = head(status, &headers)?;
            let mut exchange = exchange.lock().await;
            Ok(match exchange.receive(status, &headers).await? {
                Next::Send => Told::Send {
                    url: exchange.url().to_owned(),
                },
                Next::Deliver(look) => Told::Deliver {
                    look: match look {
                        Look::None => "none",
                        Look::Message => "message",
                        Look::Events => "events",
                    },
                },
            })
        })
    }

    /// Answers whether to send the request again, by a message that answers it: as [`receive`](Self::receive).
    pub fn inspect(&self, message: String, cancel: Option<&Cancel>) -> PendingAnswer {
        let exchange = Arc::clone(&self.exchange);
        settled(self.stopped.clone().or(cancel), async move {
            let mut exchange = exchange.lock().await;
            Ok::<_, Error>(match exchange.inspect(message.as_bytes()).await? {
                true => Told::Send {
                    url: exchange.url().to_owned(),
                },
                false => Told::Deliver { look: "none" },
            })
        })
    }
}

/// What the bytes of an event stream go through.
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

    /// What passes of a chunk: `None`, if it passes as it is.
    ///
    /// # Errors
    /// Why the stream is over: an event is too long.
    pub fn push(&self, chunk: &[u8]) -> Result<Option<Vec<Part>>, String> {
        match self.lock().push(chunk) {
            Ok(Watched::AsIs) => Ok(None),
            Ok(Watched::Pieces(pieces)) => Ok(Some(parts(pieces))),
            Err(too_long) => Err(too_long.to_string()),
        }
    }

    /// What is left at the end of the stream.
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
