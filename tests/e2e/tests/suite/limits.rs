//! The limit for events that a caller of the rmcp transport sets does not lower the one for JSON responses.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use mcp_reauth::mcp::MAX_ANSWER;
use mcp_reauth_rmcp::ReauthClient;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClient as _, StreamableHttpError, StreamableHttpPostResponse,
};
use serde_json::json;

use crate::support::{Scripted, World, reauth_client};

const JSON: &str = "application/json";

fn call() -> ClientJsonRpcMessage {
    let params = json!({ "name": "echo", "arguments": {} });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    serde_json::from_value(call).expect("a message")
}

/// A result whose text has this length.
fn result(length: usize) -> String {
    let content = json!([{ "type": "text", "text": "x".repeat(length) }]);
    json!({ "jsonrpc": "2.0", "id": 1, "result": { "content": content } }).to_string()
}

/// Returns the length of the response, in bytes, or the limit that it exceeds.
async fn post(client: &ReauthClient, max_event: usize) -> Result<usize, usize> {
    let uri = Arc::from(client.session().server());
    let too_long = |error| match error {
        StreamableHttpError::ResponseBodyTooLarge { max_size } => max_size,
        other => panic!("{other:?}"),
    };
    let answer = client.post_message_with_max_sse_event_size(
        uri,
        call(),
        None,
        None,
        HashMap::new(),
        max_event,
    );
    match answer.await.map_err(too_long)? {
        StreamableHttpPostResponse::Json(message, _) => {
            Ok(serde_json::to_string(&message).expect("JSON").len())
        }
        StreamableHttpPostResponse::Sse(mut events, _) => {
            let event = events.next().await.expect("an event").expect("it is read");
            Ok(event.data.expect("data").len())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_limit_for_events_is_none_for_json() {
    let world = World::new().await;
    let server = Scripted::start(world.issuer()).await;
    let session = world
        .another_session(&server.url, |b| b.send_resource(false))
        .await;
    let client = reauth_client(&session);
    let event = |length| {
        (
            200,
            "text/event-stream",
            format!("data: {}\n\n", result(length)),
        )
    };
    server.answers([
        (200, JSON, result(1000)),
        event(10),
        (200, JSON, result(MAX_ANSWER)),
        (200, JSON, result(MAX_ANSWER)),
    ]);
    let length = post(&client, 200).await.expect("JSON may be longer");
    assert!(length > 1000, "{length}");
    assert!(post(&client, 200).await.is_ok());
    assert_eq!(post(&client, 200).await, Err(MAX_ANSWER));
    // A caller that accepts longer events accepts longer responses.
    let length = post(&client, 2 * MAX_ANSWER).await;
    assert!(length.expect("it is accepted") > MAX_ANSWER);
    // An event that is longer than its limit becomes an error of the call.
    server.answers([event(1000)]);
    let length = post(&client, 200).await.expect("an error event");
    assert!(length < 1000, "{length}");
}
