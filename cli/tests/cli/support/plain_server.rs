//! An MCP server without authorization, whose responses the tests define.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::soon;

/// Returns the response to a request, or `None` for the default response.
type Answers = Arc<dyn Fn(&Value) -> Option<Response> + Send + Sync>;

/// A server of the 2025-11-25 generation, with sessions. Dropping it stops it.
pub(crate) struct PlainServer {
    pub(crate) url: String,
    shared: Shared,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    answers: Answers,
    seen: watch::Sender<Vec<String>>,
    /// Requests with this method wait until another one is held.
    held: watch::Sender<Option<&'static str>>,
}

impl PlainServer {
    /// A server with one result for every tool call.
    pub(crate) async fn start(result: Value) -> Self {
        Self::results(move |message| match message["method"].as_str() {
            Some("tools/call") => Some(result.clone()),
            _ => None,
        })
        .await
    }

    /// A server with these results.
    pub(crate) async fn results(
        results: impl Fn(&Value) -> Option<Value> + Send + Sync + 'static,
    ) -> Self {
        Self::answering(move |message| Some(of(message, results(message)?).into_response())).await
    }

    /// A server with these responses.
    pub(crate) async fn answering(
        answers: impl Fn(&Value) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            answers: Arc::new(answers),
            seen: watch::channel(Vec::new()).0,
            held: watch::channel(None).0,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let app = Router::new().route("/mcp", routing::any(answer));
        let app = app.fallback(elsewhere).with_state(shared.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("serves") });
        Self { url, shared, task }
    }

    /// Holds requests with this method until another method, or none, is held.
    pub(crate) fn hold(&self, method: Option<&'static str>) {
        self.shared.held.send_replace(method);
    }

    /// The requests so far: a JSON-RPC method, otherwise an HTTP method, or the path of an unknown address.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.shared.seen.borrow().clone()
    }

    pub(crate) fn forget(&self) {
        self.shared.seen.send_replace(Vec::new());
    }

    /// Waits for such a request.
    pub(crate) async fn was_asked(&self, method: &str) {
        let mut seen = self.shared.seen.subscribe();
        let asked = seen.wait_for(|seen| seen.iter().any(|seen| seen == method));
        drop(soon(asked).await.expect("the server runs"));
    }
}

impl Drop for PlainServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers every other address with 404.
async fn elsewhere(State(shared): State<Shared>, uri: Uri) -> StatusCode {
    let path = uri.path().to_owned();
    shared.seen.send_modify(|seen| seen.push(path));
    StatusCode::NOT_FOUND
}

async fn answer(State(shared): State<Shared>, method: Method, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let name = message["method"].as_str().unwrap_or(method.as_str());
    shared.seen.send_modify(|seen| seen.push(name.to_owned()));
    let mut held = shared.held.subscribe();
    let free = held.wait_for(|held| held.is_none_or(|held| held != name));
    // The test that holds the request has ended.
    if free.await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    if let Some(answer) = (shared.answers)(&message) {
        return answer;
    }
    match (method, message["method"].as_str()) {
        (Method::DELETE, _) => StatusCode::NO_CONTENT.into_response(),
        (Method::POST, Some("initialize")) => {
            let result = json!({
                "protocolVersion": "2025-11-25",
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "plain", "version": "1" },
            });
            let session = [("mcp-session-id", "plain")];
            (session, of(&message, result)).into_response()
        }
        (Method::POST, Some(_)) if message["id"].is_null() => StatusCode::ACCEPTED.into_response(),
        (Method::POST, Some(_)) => {
            let error = json!({ "code": -32601, "message": "no such method" });
            let id = &message["id"];
            Json(json!({ "jsonrpc": "2.0", "id": id, "error": error })).into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

/// The response to a request with this result.
fn of(request: &Value, result: Value) -> Json<Value> {
    Json(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }))
}
