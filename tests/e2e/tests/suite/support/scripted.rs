//! An MCP server that answers by a script, with tokens of the fixture's authorization server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use tokio::net::TcpListener;

/// One response: its status, content type, and body.
pub(crate) type Answer = (u16, &'static str, String);

/// A server that rejects requests without a token, and answers the others by its script.
pub(crate) struct Scripted {
    pub(crate) url: String,
    script: Arc<Mutex<VecDeque<Answer>>>,
}

impl Scripted {
    /// Starts it; its resource metadata names `issuer`.
    pub(crate) async fn start(issuer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let url = format!("{origin}/mcp");
        let metadata = json!({ "resource": url, "authorization_servers": [issuer] });
        let script = Arc::<Mutex<VecDeque<Answer>>>::default();
        let app = Router::new()
            .route("/mcp", post(answer))
            .with_state(Arc::clone(&script))
            .route(
                "/.well-known/oauth-protected-resource/mcp",
                get(async move || axum::Json(metadata)),
            );
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, script }
    }

    /// Sets the answers to the next requests that carry a token.
    pub(crate) fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script.lock().expect("no panic").extend(answers);
    }

    /// The number of answers that were not requested.
    pub(crate) fn left(&self) -> usize {
        self.script.lock().expect("no panic").len()
    }
}

async fn answer(
    State(script): State<Arc<Mutex<VecDeque<Answer>>>>,
    headers: HeaderMap,
) -> Response {
    if !headers.contains_key(header::AUTHORIZATION) {
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer")],
        )
            .into_response();
    }
    let next = script.lock().expect("no panic").pop_front();
    let (status, content_type, body) = next.unwrap_or((500, "text/plain", "no script".into()));
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}
