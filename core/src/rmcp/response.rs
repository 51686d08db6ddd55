//! Reading a response as rmcp wants it (MCP, streamable HTTP transport).

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_client::{
    HttpStatusError, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::SseStream;

use super::exchange::{Exchange, connection};
use super::{Events, Failure, answer};
use crate::text::header_text;

/// The longest JSON answer that is read where events may not be longer, in bytes.
const MAX_JSON: usize = 16 * 1024 * 1024;
/// The longest error page that is read, in bytes.
const MAX_ERROR: usize = 64 * 1024;

/// Reads the response to `message`.
pub(super) async fn read(
    response: reqwest::Response,
    message: &ClientJsonRpcMessage,
    exchange: &Exchange,
    max_event: usize,
) -> Result<StreamableHttpPostResponse, Failure> {
    let status = response.status();
    let id = awaited(message);
    if !status.is_success() {
        return read_failure(response, message, exchange).await;
    }
    if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
        return match id {
            Some(_) if !exchange.answers_elsewhere() => Err(unanswered(status)),
            _ => Ok(StreamableHttpPostResponse::Accepted),
        };
    }
    let session_id = header(&response, "mcp-session-id");
    if is_event_stream(&response) {
        let events = events(response, max_event);
        let events = match id.cloned() {
            Some(id) => correlated(events, id),
            None => events,
        };
        return Ok(StreamableHttpPostResponse::Sse(events, session_id));
    }
    let Some(id) = id else {
        // What needs no answer is content with any.
        return Ok(StreamableHttpPostResponse::Accepted);
    };
    if !is(&response, "application/json") {
        return Err(wrong_content_type(&response));
    }
    match answer::read(&body(response, max_event.max(MAX_JSON)).await?, id)? {
        Some(answer) => Ok(StreamableHttpPostResponse::Json(answer, session_id)),
        None => Err(unanswered(status)),
    }
}

/// The id of the answer that a message waits for.
fn awaited(message: &ClientJsonRpcMessage) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Request(request) => Some(&request.id),
        _ => None,
    }
}

/// A response that does not answer its request, which would wait for ever.
fn unanswered(status: StatusCode) -> Failure {
    let what = format!("the server answered {status}, but not the request that it was sent");
    StreamableHttpError::UnexpectedServerResponse(what.into())
}

fn correlated(events: Events, id: RequestId) -> Events {
    let events = events.map(move |event| event.map(|event| answer::correlate(event, &id)));
    events.boxed()
}

async fn read_failure(
    response: reqwest::Response,
    message: &ClientJsonRpcMessage,
    exchange: &Exchange,
) -> Result<StreamableHttpPostResponse, Failure> {
    let status = response.status();
    let in_session = exchange.in_session();
    if status == StatusCode::NOT_FOUND && in_session {
        return Err(StreamableHttpError::SessionExpired);
    }
    let auth = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let is_json = is(&response, "application/json");
    if auth || status == StatusCode::TOO_MANY_REQUESTS || (status.is_server_error() && !is_json) {
        return Err(unexpected(response, exchange).await);
    }
    let passing = passing(&response);
    let body = body(response, MAX_ERROR).await?;
    let answer = awaited(message).and_then(|id| answer::read(&body, id).ok().flatten());
    let answer = answer.filter(|answer| matches!(answer, JsonRpcMessage::Error(_)));
    // A server that does not know the discovery request says so in its own way; rmcp wants to hear it as the
    // answer to that request, to try the older handshake.
    if answer.is_none()
        && let JsonRpcMessage::Request(request) = message
        && matches!(request.request, ClientRequest::DiscoverRequest(_))
        && status.is_client_error()
        && !in_session
    {
        let said = ErrorData::invalid_request(format!("the server answered {status}"), None);
        let answer = ServerJsonRpcMessage::error(said, Some(request.id.clone()));
        return Ok(StreamableHttpPostResponse::Json(answer, None));
    }
    match (answer, passing) {
        (Some(answer), _) => Ok(StreamableHttpPostResponse::Json(answer, None)),
        (None, Some(passing)) => Err(passing.into()),
        (None, None) => Err(said(status, &body, exchange)),
    }
}

/// A response that is none of what was expected.
pub(super) async fn unexpected(response: reqwest::Response, exchange: &Exchange) -> Failure {
    if let Some(passing) = passing(&response) {
        return passing.into();
    }
    let status = response.status();
    match body(response, MAX_ERROR).await {
        Ok(body) => said(status, &body, exchange),
        Err(error) => error,
    }
}

/// What a page says, but for the token that was sent, should it quote that.
fn said(status: StatusCode, body: &[u8], exchange: &Exchange) -> Failure {
    let text = String::from_utf8_lossy(body);
    let text = crate::text::displayable(&text);
    let said = text
        .map(|text| crate::text::without(&text, exchange.token()))
        .map_or_else(String::new, |said| format!(": {said}"));
    StreamableHttpError::UnexpectedServerResponse(
        format!("the server answered {status}{said}").into(),
    )
}

/// A transient error, with the time to wait if the server gave one.
fn passing(response: &reqwest::Response) -> Option<HttpStatusError> {
    let status = response.status();
    let passing = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    passing.then(|| HttpStatusError::new(status.as_u16(), header(response, RETRY_AFTER.as_str())))
}

/// Whether a status says that the request will not be answered, however often it is sent.
pub(super) fn refuses(status: StatusCode) -> bool {
    let passing = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_client_error() && !passing.contains(&status)
}

pub(super) fn wrong_content_type(response: &reqwest::Response) -> Failure {
    StreamableHttpError::UnexpectedContentType(header(response, CONTENT_TYPE.as_str()))
}

pub(super) fn is_event_stream(response: &reqwest::Response) -> bool {
    is(response, "text/event-stream")
}

fn is(response: &reqwest::Response, media_type: &str) -> bool {
    let kind = header(response, CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(media_type)
}

fn header(response: &reqwest::Response, name: &str) -> Option<String> {
    let value = response.headers().get(name)?;
    Some(header_text(value.as_bytes()).into_owned())
}

async fn body(response: reqwest::Response, max: usize) -> Result<Vec<u8>, Failure> {
    let mut chunks = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(connection)?;
        if body.len() + chunk.len() > max {
            return Err(StreamableHttpError::ResponseBodyTooLarge { max_size: max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The events of a response, untouched, but none larger than `max` bytes.
pub(super) fn events(response: reqwest::Response, max: usize) -> Events {
    let bytes = bounded(response.bytes_stream(), max);
    SseStream::from_bytes_stream(bytes).boxed()
}

#[derive(Debug, thiserror::Error)]
enum StreamFailure {
    #[error("the event stream broke: {0}")]
    Broken(#[from] reqwest::Error),
    #[error("an event is larger than {0} bytes")]
    EventTooLarge(usize),
}

/// Ends a stream with an error at an event that is too large: no reader should have to keep it all.
fn bounded<S>(chunks: S, max: usize) -> impl Stream<Item = Result<Bytes, StreamFailure>> + Send
where
    S: Stream<Item = Result<Bytes, reqwest::Error>> + Send,
{
    let mut event = EventSize::default();
    chunks.map(move |chunk| {
        let chunk = chunk?;
        if event.grow(&chunk) > max {
            return Err(StreamFailure::EventTooLarge(max));
        }
        Ok(chunk)
    })
}

/// Counts the bytes of the event that is being read; an empty line ends it.
#[derive(Default)]
struct EventSize {
    event: usize,
    line: usize,
}

impl EventSize {
    /// The size of the largest event that `chunk` is a part of, as far as it is known.
    fn grow(&mut self, chunk: &[u8]) -> usize {
        let mut largest = 0;
        for byte in chunk {
            match byte {
                b'\r' => {}
                b'\n' if self.line == 0 => self.event = 0,
                b'\n' => self.line = 0,
                _ => {
                    self.line += 1;
                    self.event += 1;
                    largest = largest.max(self.event);
                }
            }
        }
        largest
    }
}

#[cfg(test)]
mod tests {
    use super::EventSize;

    #[test]
    fn events_are_measured_across_chunks() {
        let mut size = EventSize::default();
        assert_eq!(size.grow(b"data: ab\r\n"), 8);
        assert_eq!(size.grow(b"data: c"), 15);
        assert_eq!(size.grow(b"\n\ndata"), 4);
    }
}
