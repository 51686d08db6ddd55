//! Challenges inside tool results: recover, and call the tool again.

use futures_util::{StreamExt, stream};
use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, ServerResult};
use rmcp::transport::streamable_http_client::{StreamableHttpError, StreamableHttpPostResponse};
use serde_json::Value;
use sse_stream::Sse;

use super::exchange::Exchange;
use super::{Events, Failure, response};
use crate::challenge::AuthChallenge;
use crate::error::Error;

/// Passes an answer to `message` on, unless it is a challenge that can be recovered from.
pub(super) async fn recover(
    mut exchange: Exchange,
    message: ClientJsonRpcMessage,
    mut answer: StreamableHttpPostResponse,
    max_event: usize,
) -> Result<StreamableHttpPostResponse, Failure> {
    loop {
        match answer {
            StreamableHttpPostResponse::Json(ref body, _) => {
                // Most results are no errors, and need not be looked into.
                let JsonRpcMessage::Response(response) = body else {
                    return Ok(answer);
                };
                let ServerResult::CallToolResult(result) = &response.result else {
                    return Ok(answer);
                };
                if result.is_error != Some(true) {
                    return Ok(answer);
                }
                let result = serde_json::to_value(result)?;
                let Some(challenge) = AuthChallenge::from_tool_result(&result) else {
                    return Ok(answer);
                };
                if !exchange.recover_from(challenge).await? {
                    return Ok(answer);
                }
                answer = again(&mut exchange, &message, max_event).await?;
            }
            StreamableHttpPostResponse::Sse(events, session_id) => {
                let watched = watch(exchange, message, events, max_event);
                return Ok(StreamableHttpPostResponse::Sse(watched, session_id));
            }
            other => return Ok(other),
        }
    }
}

async fn again(
    exchange: &mut Exchange,
    message: &ClientJsonRpcMessage,
    max_event: usize,
) -> Result<StreamableHttpPostResponse, Failure> {
    let answer = exchange.send().await?;
    response::read(answer, message, exchange, max_event).await
}

/// Events pass as they are. One that carries a challenge is held back; when recovery succeeds, the events of
/// the repeated call take its place, and when it fails, an error does.
fn watch(
    exchange: Exchange,
    message: ClientJsonRpcMessage,
    events: Events,
    max_event: usize,
) -> Events {
    struct Watch {
        exchange: Exchange,
        message: ClientJsonRpcMessage,
        events: Events,
    }
    let watch = Watch {
        exchange,
        message,
        events,
    };
    stream::unfold(watch, move |mut watch| async move {
        loop {
            let event = match watch.events.next().await? {
                Ok(event) => event,
                Err(error) => return Some((Err(error), watch)),
            };
            let Some(challenge) = in_event(&event) else {
                return Some((Ok(event), watch));
            };
            let recovered = match watch.exchange.recover_from(challenge).await {
                Ok(true) => again(&mut watch.exchange, &watch.message, max_event).await,
                Ok(false) => return Some((Ok(event), watch)),
                Err(error) => Err(error),
            };
            watch.events = match recovered {
                Ok(StreamableHttpPostResponse::Sse(events, _)) => events,
                Ok(StreamableHttpPostResponse::Json(body, _)) => as_event(&body),
                Ok(_) => stream::empty().boxed(),
                // The stream's reader knows no other errors than those of a stream, and would open it anew: the
                // reason becomes the answer to the call.
                Err(error) => as_event(&failure(&watch.message, watch.exchange.uri(), &error)),
            };
        }
    })
    .boxed()
}

fn in_event(event: &Sse) -> Option<AuthChallenge> {
    let data = event.data.as_ref()?;
    // Most events are none, and need not be read twice. The slash of the name may be escaped.
    if !data.contains("www_authenticate") {
        return None;
    }
    let message: Value = serde_json::from_str(data).ok()?;
    AuthChallenge::from_tool_result(message.get("result")?)
}

fn as_event(message: &impl serde::Serialize) -> Events {
    let event = Sse {
        data: serde_json::to_string(message).ok(),
        ..Sse::default()
    };
    stream::iter([Ok(event)]).boxed()
}

/// The answer that says why, with the authorization error's code for programs.
fn failure(message: &ClientJsonRpcMessage, server: &str, error: &Failure) -> Value {
    let message = serde_json::to_value(message).unwrap_or_default();
    let id = message.get("id").unwrap_or(&Value::Null);
    match error {
        StreamableHttpError::Client(super::TransportError::Auth(error)) => error.to_json_rpc(id),
        other => Error::http(server, other.to_string()).to_json_rpc(id),
    }
}
