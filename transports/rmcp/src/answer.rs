//! Finds the message in a body that answers a request (JSON-RPC 2.0, sections 4.2, 5 and 6).

use rmcp::model::{JsonRpcMessage, RequestId, ServerJsonRpcMessage};
use serde_json::Value;
use sse_stream::Sse;

/// Reads the message that answers the request with this id: its response or error, alone or in an array, or otherwise
/// an error with another id or none. A server that cannot parse a request cannot repeat its id, and the HTTP response
/// shows which request the error belongs to. Returns `None` if nothing in the body answers a request.
///
/// # Errors
/// When the body is not JSON or not a JSON-RPC message.
pub(super) fn read(
    body: &[u8],
    id: &RequestId,
) -> Result<Option<ServerJsonRpcMessage>, serde_json::Error> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let messages = if first == Some(&b'[') {
        let items: Vec<Value> = serde_json::from_slice(body)?;
        let read = items.into_iter().map(serde_json::from_value);
        read.filter_map(Result::ok).collect()
    } else {
        vec![serde_json::from_slice(body)?]
    };
    let mut error = None;
    for message in messages {
        match message {
            JsonRpcMessage::Response(ref response) if response.id == *id => {
                return Ok(Some(message));
            }
            JsonRpcMessage::Error(ref own) if own.id.as_ref() == Some(id) => {
                return Ok(Some(message));
            }
            JsonRpcMessage::Error(other) if error.is_none() => error = Some(other.error),
            _ => {}
        }
    }
    Ok(error.map(|error| ServerJsonRpcMessage::error(error, Some(id.clone()))))
}

/// Sets the request's id on an error without an id, in an event of the response to that request.
pub(super) fn correlate(mut event: Sse, id: &RequestId) -> Sse {
    // Most events are not errors, and need not be parsed twice.
    let Some(data) = event
        .data
        .as_ref()
        .filter(|data| data.contains("\"error\""))
    else {
        return event;
    };
    if let Ok(JsonRpcMessage::Error(mut error)) = serde_json::from_str::<ServerJsonRpcMessage>(data)
        && error.id.is_none()
    {
        error.id = Some(id.clone());
        if let Ok(data) = serde_json::to_string(&error) {
            event.data = Some(data);
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const OURS: RequestId = RequestId::Number(7);

    fn answer(body: &Value) -> Option<Value> {
        let read = read(body.to_string().as_bytes(), &OURS).expect("JSON-RPC");
        read.map(|message| serde_json::to_value(message).expect("JSON"))
    }

    #[test]
    fn an_error_without_the_requests_id_answers_the_request() {
        let error = json!({ "code": -32000, "message": "x" });
        let ours = json!({ "jsonrpc": "2.0", "id": 7, "error": error });
        for body in [
            ours.clone(),
            json!({ "jsonrpc": "2.0", "id": null, "error": error }),
            json!({ "jsonrpc": "2.0", "error": error }),
            json!({ "jsonrpc": "2.0", "id": 8, "error": error }),
            json!({ "jsonrpc": "2.0", "id": "7", "error": error }),
            json!({ "jsonrpc": "2.0", "id": "server-error", "error": error }),
            json!([{ "jsonrpc": "2.0", "id": null, "error": error }]),
            json!([{ "other": true }, { "jsonrpc": "2.0", "id": 8, "error": error }]),
        ] {
            assert_eq!(answer(&body), Some(ours.clone()), "{body}");
        }
    }

    #[test]
    fn in_an_array_the_requests_own_answer_counts() {
        let ours = json!({ "jsonrpc": "2.0", "id": 7, "error": { "code": 1, "message": "ours" } });
        let other =
            json!({ "jsonrpc": "2.0", "id": 8, "error": { "code": 2, "message": "other" } });
        for body in [json!([other, ours]), json!([ours, other])] {
            assert_eq!(answer(&body), Some(ours.clone()), "{body}");
        }
    }

    #[test]
    fn what_answers_another_request_or_none_is_no_answer() {
        for body in [
            json!({ "jsonrpc": "2.0", "id": 8, "result": {} }),
            json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }),
            json!([]),
            json!([{ "jsonrpc": "2.0", "id": 8, "result": {} }]),
        ] {
            assert_eq!(answer(&body), None, "{body}");
        }
    }

    #[test]
    fn events_keep_their_own_ids_and_results() {
        let event = |data: &str| Sse {
            data: Some(data.to_owned()),
            ..Sse::default()
        };
        let lost = r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}"#;
        let found = correlate(event(lost), &OURS).data.expect("data");
        assert!(found.contains(r#""id":7"#), "{found}");
        for kept in [
            r#"{"jsonrpc":"2.0","id":8,"error":{"code":1,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"error":null}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"error":{}}}"#,
            r#"not JSON, "error""#,
        ] {
            let data = correlate(event(kept), &OURS).data;
            assert_eq!(data.as_deref(), Some(kept));
        }
    }
}
