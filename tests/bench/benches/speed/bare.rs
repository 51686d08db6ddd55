//! Requests without the library, and the same requests through it.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use mcp_reauth::recovery::Trigger;
use mcp_reauth::{AuthSession, Operation, Recovery};
use serde_json::{Value, json};

use crate::pairs::timed;
use crate::stage::http_client;

/// A tool call as a POST request.
pub(crate) struct Call {
    client: reqwest::Client,
    url: String,
    headers: HeaderMap,
    body: String,
    operation: Operation,
}

impl Call {
    pub(crate) fn new(url: &str) -> Self {
        let message = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": "echo",
                "arguments": { "text": "hello" },
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
                    "io.modelcontextprotocol/clientCapabilities": {},
                },
            },
        });
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (ACCEPT.as_str(), "application/json, text/event-stream"),
            (CONTENT_TYPE.as_str(), "application/json"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "echo"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Self {
            client: http_client(),
            url: url.to_owned(),
            headers,
            body: message.to_string(),
            operation: Operation::of_message(&message),
        }
    }

    /// Sends it once, and reads the whole response.
    pub(crate) async fn send(&self, authorization: &str) -> (StatusCode, HeaderMap) {
        let request = self.client.post(&self.url).headers(self.headers.clone());
        let mut value = HeaderValue::from_str(authorization).unwrap();
        value.set_sensitive(true);
        let request = request.header(AUTHORIZATION, value);
        let mut answer = request.body(self.body.clone()).send().await.unwrap();
        let headers = std::mem::take(answer.headers_mut());
        let status = answer.status();
        answer.bytes().await.unwrap();
        (status, headers)
    }

    /// Sends it through a session, with as many tries as needed.
    pub(crate) async fn send_through(&self, session: &AuthSession) {
        let mut request = session.request(self.operation.clone(), Trigger::Command);
        loop {
            let credential = request.authorize("POST", &self.url).await.unwrap().unwrap();
            let authorization = credential.authorization();
            let (status, headers) = self.send(authorization.header_value()).await;
            match request.recover(status, &headers).await {
                Recovery::Retry => {}
                Recovery::PassThrough => {
                    assert_eq!(status, StatusCode::OK);
                    return;
                }
                Recovery::Failed(error) => panic!("{error}"),
            }
        }
    }
}

/// A credential that is renewed without the library.
pub(crate) struct ByHand {
    client: reqwest::Client,
    token_endpoint: String,
    resource: String,
    client_id: String,
    authorization: String,
    refresh_token: String,
}

impl ByHand {
    /// Takes a session's credential.
    pub(crate) async fn from(session: AuthSession) -> Self {
        let state = session.auth_state().await.unwrap().unwrap();
        let state: Value = serde_json::from_str(state.to_json().unwrap().expose()).unwrap();
        let grant = &state["grant"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            client: http_client(),
            token_endpoint: text(&grant["grantor"]["token_endpoint"]),
            resource: text(&grant["grantor"]["resource"]),
            client_id: text(&grant["client"]["client_id"]),
            authorization: format!("Bearer {}", text(&grant["access_token"])),
            refresh_token: text(&grant["refresh_token"]),
        }
    }

    /// A successful call.
    pub(crate) async fn call(&self, call: &Call) -> Duration {
        let ((status, _), time) = timed(call.send(&self.authorization)).await;
        assert_eq!(status, StatusCode::OK);
        time
    }

    /// A rejected call, a renewal, and the repeated call; returns the time of the three requests.
    pub(crate) async fn recover(&mut self, call: &Call) -> Duration {
        let ((status, _), rejected) = timed(call.send(&self.authorization)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        let (tokens, renewed) = timed(self.refresh()).await;
        let tokens: Value = serde_json::from_slice(&tokens).unwrap();
        let text = |name: &str| tokens[name].as_str().unwrap();
        self.authorization = format!("Bearer {}", text("access_token"));
        self.refresh_token = text("refresh_token").to_owned();
        rejected + renewed + self.call(call).await
    }

    async fn refresh(&self) -> Vec<u8> {
        let params = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &self.refresh_token),
            ("resource", &self.resource),
            ("client_id", &self.client_id),
        ];
        let request = self.client.post(&self.token_endpoint);
        let request = request.header(ACCEPT, "application/json").form(&params);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.bytes().await.unwrap().to_vec()
    }
}
