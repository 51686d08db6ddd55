//! Reading a response as rmcp wants it (MCP, streamable HTTP transport).

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcMessage, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_client::{
    HttpStatusError, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::SseStream;

use super::exchange::{Exchange, connection};
use super::{Events, Failure};

/// The longest JSON answer that is read, in bytes.
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
    let waits = matches!(message, JsonRpcMessage::Request(_));
    if !status.is_success() {
        return read_failure(response, message, exchange).await;
    }
    if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
        return Ok(StreamableHttpPostResponse::Accepted);
    }
    let session_id = header(&response, "mcp-session-id");
    if is_event_stream(&response) {
        let events = events(response, max_event);
        return Ok(StreamableHttpPostResponse::Sse(events, session_id));
    }
    if !is(&response, "application/json") {
        // What needs no answer is content with any.
        if !waits {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        return Err(wrong_content_type(&response));
    }
    let body = body(response, MAX_JSON).await?;
    match serde_json::from_slice(&body) {
        Ok(answer) => Ok(StreamableHttpPostResponse::Json(answer, session_id)),
        Err(_) if !waits => Ok(StreamableHttpPostResponse::Accepted),
        Err(error) => Err(error.into()),
    }
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
    let error = match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
        Ok(JsonRpcMessage::Error(error)) => Some(error),
        _ => None,
    };
    // A server that does not know the discovery request says so in its own way; rmcp wants to hear it as the
    // answer to that request, to try the older handshake.
    if let JsonRpcMessage::Request(request) = message
        && matches!(request.request, ClientRequest::DiscoverRequest(_))
        && status.is_client_error()
        && !in_session
    {
        let said = || ErrorData::invalid_request(format!("the server answered {status}"), None);
        let data = error.map_or_else(said, |error| error.error);
        let answer = ServerJsonRpcMessage::error(data, Some(request.id.clone()));
        return Ok(StreamableHttpPostResponse::Json(answer, None));
    }
    match (error, passing) {
        (Some(error), _) => Ok(StreamableHttpPostResponse::Json(
            JsonRpcMessage::Error(error),
            None,
        )),
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

/// Passing trouble, with the time to wait if the server gave one.
fn passing(response: &reqwest::Response) -> Option<HttpStatusError> {
    let status = response.status();
    let passing = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    passing.then(|| HttpStatusError::new(status.as_u16(), header(response, RETRY_AFTER.as_str())))
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
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
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

/// Ends a stream with an error at an event that is too large: nobody should have to keep it all.
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
