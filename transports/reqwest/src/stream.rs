//! Inspects event streams on the way to their reader.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::response::Parts;
use mcp_reauth::Error;
use mcp_reauth::mcp::{EventWatch, Look, Piece, Watched, event_of};
use reqwest::{Body, Response};
use serde_json::Value;

use crate::TransportError;
use crate::recovering::{RecoveringRequest, put_together, read, taken_apart};

/// The longest JSON-RPC error that is read from the response to a repeated call, in bytes.
const MAX_ERROR: usize = 64 * 1024;

/// Wraps a response so that complete events pass unchanged. An event with a challenge is held back; after a recovery,
/// the response to the repeated request replaces it, and after a failure, an error does.
pub(crate) fn watched(sending: RecoveringRequest, response: Response) -> Response {
    let (mut parts, body) = taken_apart(response);
    // Replacing an event changes the length.
    parts.headers.remove(CONTENT_LENGTH);
    let events = Events {
        watch: sending.watch(),
        source: chunks(body),
        pieces: VecDeque::new(),
        sending,
    };
    let passing = stream::unfold(events, |mut events| async {
        let next = events.next().await?;
        Some((next, events))
    });
    put_together(parts, Body::wrap_stream(passing))
}

pub(crate) type Chunks = BoxStream<'static, reqwest::Result<Bytes>>;

/// The chunks of a body, as they arrive.
pub(crate) fn chunks(body: Body) -> Chunks {
    Response::from(http::Response::new(body))
        .bytes_stream()
        .fuse()
        .boxed()
}

struct Events {
    sending: RecoveringRequest,
    watch: EventWatch,
    source: Chunks,
    /// What to pass on next.
    pieces: VecDeque<Piece>,
}

impl Events {
    /// Returns the next bytes to pass on; `None` at the end.
    async fn next(&mut self) -> Option<Result<Bytes, TransportError>> {
        loop {
            match self.pieces.pop_front() {
                Some(Piece::Pass(events)) => return Some(Ok(events.into())),
                Some(Piece::Suspect { event, data }) => match self.replaced(&data).await {
                    Ok(true) => continue,
                    Ok(false) => return Some(Ok(event.into())),
                    Err(error) => return Some(self.fail(error)),
                },
                None => {}
            }
            match self.source.next().await {
                Some(Ok(chunk)) => match self.watch.push(&chunk) {
                    Ok(Watched::AsIs) => return Some(Ok(chunk)),
                    Ok(Watched::Pieces(pieces)) => self.pieces.extend(pieces),
                    Err(too_long) => return Some(self.fail(TransportError::TooLong(too_long.0))),
                },
                Some(Err(error)) => return Some(Err(error.into())),
                None => {
                    self.pieces.extend(self.watch.finish());
                    if self.pieces.is_empty() {
                        return None;
                    }
                }
            }
        }
    }

    /// Whether the repeated request's response replaces an event with this data and everything after it.
    async fn replaced(&mut self, data: &[u8]) -> Result<bool, TransportError> {
        if !self.sending.exchange.inspect(data).await? {
            return Ok(false);
        }
        self.end();
        let mut http = self.sending.http.clone();
        let (response, look) = self.sending.answer(&mut http).await?;
        let status = response.status();
        match look {
            Look::Events => {
                self.watch = self.sending.watch();
                self.source = chunks(taken_apart(response).1);
            }
            Look::Message => {
                let event = event_of(&response.text().await?);
                self.pieces.push_back(Piece::Pass(event.into()));
            }
            Look::None => {
                let (answer, body) = read(response, MAX_ERROR).await?;
                if is_error(&answer, &body) {
                    let event = event_of(&String::from_utf8_lossy(&body));
                    self.pieces.push_back(Piece::Pass(event.into()));
                    return Ok(true);
                }
                let detail =
                    format!("the call was answered by HTTP status {status} when it was repeated");
                return Err(self.sending.exchange.http_error(detail).into());
            }
        }
        Ok(true)
    }

    /// Ends the stream with an error. Its reader would reopen a failed stream, so the error becomes the JSON-RPC
    /// response to the call if possible.
    fn fail(&mut self, error: TransportError) -> Result<Bytes, TransportError> {
        self.end();
        let exchange = &self.sending.exchange;
        let told: Error = match &error {
            TransportError::Auth(error) => error.clone(),
            other => exchange.http_error(other.to_string()),
        };
        match exchange.failure(&told) {
            Some(answer) => Ok(event_of(&answer).into()),
            None => Err(error),
        }
    }

    /// Discards the rest of this response.
    fn end(&mut self) {
        self.pieces.clear();
        self.source = stream::empty().boxed();
        self.watch = self.sending.watch();
    }
}

/// Whether a response is a JSON-RPC error, which answers the call whatever its status.
fn is_error(parts: &Parts, body: &[u8]) -> bool {
    let media_type = parts.headers.get(CONTENT_TYPE);
    let is_json = media_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let message: Option<Value> = serde_json::from_slice(body).ok();
    is_json && message.is_some_and(|message| message["error"]["code"].is_i64())
}

impl RecoveringRequest {
    fn watch(&self) -> EventWatch {
        self.exchange.events().with_max(self.max_event)
    }
}
