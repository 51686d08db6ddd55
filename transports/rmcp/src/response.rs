//! Reads a response as rmcp expects it (MCP, streamable HTTP transport).

use futures_util::StreamExt;
use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use mcp_reauth::Authorization;
use mcp_reauth::mcp::{MAX_ANSWER, quotable};
use reqwest::Response;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
};
use rmcp::transport::streamable_http_client::{
    HttpStatusError, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::SseStream;

use super::{Events, Failure, TransportError, answer};

/// The longest error page that is read, in bytes.
const MAX_ERROR: usize = 64 * 1024;

/// The request that a response belongs to.
pub(super) struct RequestContext<'a> {
    pub(super) message: &'a ClientJsonRpcMessage,
    pub(super) in_session: bool,
    /// The answer may arrive on the event stream of the MCP session instead.
    pub(super) may_be_answered_elsewhere: bool,
}

impl RequestContext<'_> {
    /// The id of the expected answer.
    fn id(&self) -> Option<&RequestId> {
        match self.message {
            JsonRpcMessage::Request(request) => Some(&request.id),
            _ => None,
        }
    }
}

pub(super) async fn read(
    response: Response,
    asked: &RequestContext<'_>,
    max_event: usize,
) -> Result<StreamableHttpPostResponse, Failure> {
    let status = response.status();
    let id = asked.id();
    if !status.is_success() {
        return read_failure(response, asked).await;
    }
    if matches!(status, StatusCode::ACCEPTED | StatusCode::NO_CONTENT) {
        return match id {
            Some(_) if !asked.may_be_answered_elsewhere => Err(unanswered(status)),
            _ => Ok(StreamableHttpPostResponse::Accepted),
        };
    }
    let session_id = header(&response, "mcp-session-id");
    if is_event_stream(&response) {
        let events = events(response);
        let events = match id.cloned() {
            Some(id) => correlated(events, id),
            None => events,
        };
        return Ok(StreamableHttpPostResponse::Sse(events, session_id));
    }
    let Some(id) = id else {
        // Notifications and responses need no answer, so any success will do.
        return Ok(StreamableHttpPostResponse::Accepted);
    };
    if !is(&response, "application/json") {
        return Err(wrong_content_type(&response));
    }
    match answer::read(&body(response, max_event.max(MAX_ANSWER)).await?, id)? {
        Some(answer) => Ok(StreamableHttpPostResponse::Json(answer, session_id)),
        None => Err(unanswered(status)),
    }
}

/// The error for a response that does not answer its request, which would otherwise wait forever.
fn unanswered(status: StatusCode) -> Failure {
    let what = format!("the server answered {status}, but not the request that it was sent");
    StreamableHttpError::UnexpectedServerResponse(what.into())
}

fn correlated(events: Events, id: RequestId) -> Events {
    let events = events.map(move |event| event.map(|event| answer::correlate(event, &id)));
    events.boxed()
}

async fn read_failure(
    response: Response,
    asked: &RequestContext<'_>,
) -> Result<StreamableHttpPostResponse, Failure> {
    let in_session = asked.in_session;
    let status = response.status();
    if status == StatusCode::NOT_FOUND && in_session {
        return Err(StreamableHttpError::SessionExpired);
    }
    let auth = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    let is_json = is(&response, "application/json");
    if auth || status == StatusCode::TOO_MANY_REQUESTS || (status.is_server_error() && !is_json) {
        return Err(unexpected(response).await);
    }
    let (passing, sent) = (passing(&response), sent(&response));
    let body = body(response, MAX_ERROR).await?;
    let answer = asked
        .id()
        .and_then(|id| answer::read(&body, id).ok().flatten());
    let answer = answer.filter(|answer| matches!(answer, JsonRpcMessage::Error(_)));
    // rmcp tries the older handshake if the discovery request is answered with a JSON-RPC error, so another client
    // error is turned into one.
    if answer.is_none()
        && let JsonRpcMessage::Request(request) = asked.message
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
        (None, None) => Err(unexpected_status(status, &body, sent.as_ref())),
    }
}

/// The error for an unexpected response.
pub(super) async fn unexpected(response: Response) -> Failure {
    if let Some(passing) = passing(&response) {
        return passing.into();
    }
    let (status, sent) = (response.status(), sent(&response));
    match body(response, MAX_ERROR).await {
        Ok(body) => unexpected_status(status, &body, sent.as_ref()),
        Err(error) => error,
    }
}

/// The credential that the request was sent with.
fn sent(response: &Response) -> Option<Authorization> {
    response.extensions().get().cloned()
}

/// Quotes the body, but without the token that was sent.
fn unexpected_status(status: StatusCode, body: &[u8], sent: Option<&Authorization>) -> Failure {
    let said = quotable(body, sent);
    let said = said.map_or_else(String::new, |said| format!(": {said}"));
    StreamableHttpError::UnexpectedServerResponse(
        format!("the server answered {status}{said}").into(),
    )
}

/// Returns a transient error, with the server's `Retry-After`.
fn passing(response: &Response) -> Option<HttpStatusError> {
    let status = response.status();
    let passing = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    passing.then(|| HttpStatusError::new(status.as_u16(), header(response, RETRY_AFTER.as_str())))
}

/// Whether a status means that repeating the request is useless.
pub(super) fn refuses(status: StatusCode) -> bool {
    let passing = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_client_error() && !passing.contains(&status)
}

pub(super) fn wrong_content_type(response: &Response) -> Failure {
    StreamableHttpError::UnexpectedContentType(header(response, CONTENT_TYPE.as_str()))
}

pub(super) fn is_event_stream(response: &Response) -> bool {
    is(response, "text/event-stream")
}

fn is(response: &Response, media_type: &str) -> bool {
    let kind = header(response, CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(media_type)
}

fn header(response: &Response, name: &str) -> Option<String> {
    let value = response.headers().get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

async fn body(response: Response, max: usize) -> Result<Vec<u8>, Failure> {
    let mut chunks = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|error| StreamableHttpError::Client(TransportError::from(error)))?;
        if body.len() + chunk.len() > max {
            return Err(StreamableHttpError::ResponseBodyTooLarge { max_size: max });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The events of a response.
pub(super) fn events(response: Response) -> Events {
    SseStream::from_bytes_stream(response.bytes_stream()).boxed()
}
