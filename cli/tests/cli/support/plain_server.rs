//! An MCP server that asks for no authorization, and whose answers the tests write themselves.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A server of the 2025-11-25 generation with one answer for every tool call. Dropping it stops it.
pub(crate) struct PlainServer {
    pub(crate) url: String,
    task: JoinHandle<()>,
}

impl PlainServer {
    pub(crate) async fn start(result: Value) -> Self {
        let answer = move |_: HeaderMap, Json(message): Json<Value>| {
            let answer = answer(&message, &result);
            async move { answer }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let app = Router::new().route("/mcp", routing::post(answer));
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
        Self { url, task }
    }
}

impl Drop for PlainServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(message: &Value, result: &Value) -> Response {
    let Some(id) = message.get("id") else {
        return StatusCode::ACCEPTED.into_response();
    };
    let outcome = match message["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "plain", "version": "1" },
        }),
        Some("tools/call") => result.clone(),
        _ => {
            let error = json!({ "code": -32601, "message": "no such method" });
            return Json(json!({ "jsonrpc": "2.0", "id": id, "error": error })).into_response();
        }
    };
    Json(json!({ "jsonrpc": "2.0", "id": id, "result": outcome })).into_response()
}
