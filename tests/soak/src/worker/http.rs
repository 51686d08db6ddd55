//! A call through `AuthSession::request`, with a separate HTTP client.

use mcp_reauth::recovery::Trigger;
use mcp_reauth::{AuthSession, Operation, Recovery};
use serde_json::{Value, json};

use super::calls::Failure;
use crate::kinds::{BROKEN, GARBLED};

/// The limit of tries for one request.
const MOST_TRIES: usize = 10;

/// The message of a tool call.
fn message(tool: &str) -> Value {
    json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": tool,
            "arguments": { "text": "hello" },
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "soak", "version": "0" },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    })
}

/// Calls a tool.
pub(crate) async fn call(
    session: &AuthSession,
    http: &reqwest::Client,
    tool: &str,
) -> Result<(), Failure> {
    let body = message(tool);
    let mut request = session.request(Operation::of_message(&body), Trigger::Command);
    for _ in 0..MOST_TRIES {
        let credential = request.authorize("POST", session.server()).await?;
        let mut message = http
            .post(session.server())
            .header("Accept", "application/json, text/event-stream")
            .header("Content-Type", "application/json")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", tool)
            .body(body.to_string());
        for (name, value) in credential.iter().flat_map(|c| c.headers()) {
            message = message.header(name, value);
        }
        let answer = message.send().await.map_err(Failure::broken)?;
        match request.recover(answer.status(), answer.headers()).await {
            Recovery::Retry => {}
            Recovery::PassThrough if answer.status().is_success() => return read(answer).await,
            Recovery::PassThrough => {
                let code = format!("status_{}", answer.status().as_u16());
                return Err(Failure::new(&code, "it was handed through"));
            }
            Recovery::Failed(error) => return Err(error.into()),
        }
    }
    Err(Failure::new("endless", "it was sent again and again"))
}

async fn read(answer: reqwest::Response) -> Result<(), Failure> {
    let text = answer.text().await.map_err(Failure::broken)?;
    if text.contains("mcp/www_authenticate") {
        return Err(Failure::new("tool_error", "the challenge is in the result"));
    }
    match text.contains("hello") {
        true => Ok(()),
        false => Err(Failure::new(GARBLED, "there is no result in it")),
    }
}

impl Failure {
    pub(crate) fn broken(error: reqwest::Error) -> Self {
        Self::new(BROKEN, error.without_url().to_string())
    }
}
