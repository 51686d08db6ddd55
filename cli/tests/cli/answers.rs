//! Responses without an answer: the command fails instead of waiting.

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Ended, PlainServer, Program, World};

/// Calls a tool of a server that responds to the call with this.
async fn call(answer: impl Fn(&Value) -> Response + Send + Sync + 'static) -> (Ended, Vec<String>) {
    let server = PlainServer::answering(move |message| {
        (message["method"] == "tools/call").then(|| answer(message))
    })
    .await;
    let folder = std::env::temp_dir().join("mcp-reauth-no-such-folder");
    let call = Program::new(["call", &server.url, "any", "--no-browser"])
        .env("MCP_REAUTH_STORE", folder.join("credentials.json"));
    (call.run().await, server.seen())
}

/// A response with this status, media type and body.
fn body(status: u16, kind: &'static str, text: impl Into<String>) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, kind)], text.into()).into_response()
}

fn json_body(status: u16, value: &Value) -> Response {
    body(status, "application/json", value.to_string())
}

#[tokio::test]
async fn an_error_without_the_requests_id_is_the_calls_error() {
    let error = json!({ "code": -32000, "message": "out of order" });
    let bodies = [
        json!({ "jsonrpc": "2.0", "id": null, "error": error }),
        json!({ "jsonrpc": "2.0", "error": error }),
        json!({ "jsonrpc": "2.0", "id": 4711, "error": error }),
        json!({ "jsonrpc": "2.0", "id": "server-error", "error": error }),
        json!([{ "jsonrpc": "2.0", "id": null, "error": error }]),
        json!([{ "jsonrpc": "2.0", "id": 4711, "error": error }]),
    ];
    let cases = bodies
        .iter()
        .flat_map(|b| [200, 400, 404, 406, 422, 500].map(|s| (s, b.clone())));
    join_all(cases.map(async |(status, body)| {
        let shown = format!("{status} {body}");
        // Within an MCP session, 404 means that the session has ended; rmcp then starts another one.
        let expected = if status == 404 { "" } else { "out of order" };
        let (ended, _) = call(move |_| json_body(status, &body)).await;
        let ended = ended.failed(1, expected);
        assert_eq!(ended.stderr.lines().count(), 1, "{shown}: {ended:#?}");
    }))
    .await;
}

#[tokio::test]
async fn what_answers_nothing_fails_the_call() {
    let other = |message: &Value| {
        let id = message["id"].as_u64().unwrap_or_default() + 1;
        json_body(
            200,
            &json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [] } }),
        )
    };
    let (ended, _) = call(other).await;
    ended.failed(1, "not the request that it was sent");
    for (status, kind, text, why) in [
        (200, "application/json", "", "EOF"),
        (200, "application/json", "<html>", "expected value"),
        (
            200,
            "application/json",
            "[]",
            "not the request that it was sent",
        ),
        (
            200,
            "application/json",
            r#"{"jsonrpc":"2.0","method":"x"}"#,
            "",
        ),
        (200, "text/html", "<html>", "content"),
        (202, "text/plain", "", "202 Accepted, but not the request"),
        (204, "text/plain", "", "204 No Content, but not the request"),
        (400, "application/json", "", "400"),
        (400, "application/json", "null", "400"),
        (400, "application/json", r#"{"error":"x"}"#, "400"),
        (400, "text/html", "<html>", "400"),
        (503, "application/json", "", "503"),
    ] {
        let (ended, _) = call(move |_| body(status, kind, text)).await;
        ended.failed(1, why);
    }
}

#[tokio::test]
async fn in_an_array_the_calls_own_answer_counts() {
    let answers = |message: &Value| {
        let result = json!({ "content": [{ "type": "text", "text": "ours" }] });
        Json(json!([
            { "jsonrpc": "2.0", "method": "notifications/message", "params": {} },
            { "jsonrpc": "2.0", "id": message["id"], "result": result },
        ]))
        .into_response()
    };
    let (ended, _) = call(answers).await;
    ended.succeeded().printed("ours\n");
}

#[tokio::test]
async fn a_stream_that_ends_without_the_answer_fails_the_call() {
    let events = |text: &'static str| move |_: &Value| body(200, "text/event-stream", text);
    let lost =
        "data: {\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"lost\"}}\n\n";
    let (ended, _) = call(events(lost)).await;
    ended.failed(1, "lost");
    for text in ["", ": nothing\n\n", "data: {}\n\n", "data: not JSON\n\n"] {
        let (ended, seen) = call(events(text)).await;
        ended.failed(1, "the server ended its response before the result");
        assert!(!seen.iter().any(|seen| seen == "GET"), "{seen:?}");
    }
    // The stream could be resumed, and rmcp tries it, but this server has no streams: 405.
    let (ended, seen) = call(events("id: 1\nretry: 1\ndata:\n\n")).await;
    ended.failed(1, "the server ended its response before the result");
    assert_eq!(
        seen.iter().filter(|seen| *seen == "GET").count(),
        1,
        "{seen:?}"
    );
}

/// A response stream cannot be resumed, with any status the server gives.
#[tokio::test]
async fn a_stream_that_the_server_does_not_resume_fails_the_call() {
    for status in [400, 401, 403, 404, 410] {
        let server = PlainServer::answering(move |message| match message["method"].as_str() {
            Some("tools/call") => {
                let event = "id: 1\nretry: 1\ndata:\n\n";
                Some(body(200, "text/event-stream", event))
            }
            None if message.is_null() => Some(body(status, "text/plain", "")),
            _ => None,
        })
        .await;
        let world = World::start().await;
        let call = world.connecting(["call", &server.url, "any"]).run().await;
        call.failed(1, "the server ended its response");
        let again = server.seen().iter().filter(|seen| *seen == "GET").count();
        assert_eq!(again, 1, "{status}: {:?}", server.seen());
    }
}

/// One invalid UTF-8 byte does not invalidate the rest of a header: the address in it is requested.
#[tokio::test]
async fn a_header_in_latin_1_is_read() {
    let address = Arc::new(OnceLock::new());
    let named = Arc::clone(&address);
    let server = PlainServer::answering(move |message| {
        let url: &String = named.get().expect("the server's address");
        let value = [
            b"Bearer error=\"invalid_token\", error_description=\"expir\xe9\", resource_metadata=\"",
            url.replace("/mcp", "/named-here").as_bytes(),
            b"\"",
        ]
        .concat();
        let value = HeaderValue::from_bytes(&value).expect("a value");
        (message["method"] == "server/discover").then(|| {
            let status = StatusCode::UNAUTHORIZED;
            (status, [(header::WWW_AUTHENTICATE, value)]).into_response()
        })
    })
    .await;
    address.set(server.url.clone()).expect("set once");
    let world = World::start().await;
    let call = world.connecting(["call", &server.url, "any"]);
    call.run().await.exited(1).showed(0);
    let asked = "/named-here".to_owned();
    assert!(server.seen().contains(&asked), "{:?}", server.seen());
}
