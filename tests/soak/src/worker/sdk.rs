//! A call through the official SDK, on `ReauthClient`.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use mcp_reauth::runtime::timeout;
use mcp_reauth::{AuthSession, TokioRuntime};
use mcp_reauth_rmcp::{ReauthClient, find_error};
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion,
};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::FixedInterval;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _, RoleClient, ServiceError};
use serde_json::json;
use tokio::sync::Mutex;

use super::calls::Failure;
use crate::kinds::{BROKEN, UNANSWERED, UNSAID};

/// The time limit for the SDK, which has none of its own; longer than any authorization takes. It counts only time in
/// which the worker runs, as all limits do, because a fault stops workers.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

type Connection = RunningService<RoleClient, ClientConfig>;

/// A client of the SDK, which connects at its first call.
#[derive(Debug)]
pub(crate) struct Client {
    session: AuthSession,
    /// Whether it uses the version with sessions and event streams.
    sessions: bool,
    connection: Mutex<Option<Arc<Connection>>>,
}

impl Client {
    pub(crate) fn new(session: AuthSession, sessions: bool) -> Self {
        Self {
            session,
            sessions,
            connection: Mutex::default(),
        }
    }

    /// Calls a tool, over a new connection if the last one broke.
    pub(crate) async fn call(&self, tool: &str) -> Result<(), Failure> {
        let answer = timeout(&TokioRuntime, ANSWERED_WITHIN, self.call_now(tool));
        if let Some(answer) = answer.await {
            return answer;
        }
        drop(self.connection.lock().await.take());
        Err(Failure::new(UNANSWERED, "the SDK waits"))
    }

    async fn call_now(&self, tool: &str) -> Result<(), Failure> {
        let connection = self.connected().await?;
        let arguments = json!({ "text": "hello" });
        let params = CallToolRequestParams::new(tool.to_owned())
            .with_arguments(arguments.as_object().cloned().unwrap_or_default());
        match connection.call_tool(params).await {
            Ok(result) if result.is_error == Some(true) => {
                Err(Failure::new("tool_error", "the result is an error"))
            }
            Ok(_) => Ok(()),
            Err(error) => {
                let failure = of(&error);
                if [BROKEN, UNSAID].contains(&&*failure.code) {
                    self.connection
                        .lock()
                        .await
                        .take_if(|c| Arc::ptr_eq(c, &connection));
                }
                Err(failure)
            }
        }
    }

    async fn connected(&self) -> Result<Arc<Connection>, Failure> {
        let mut connection = self.connection.lock().await;
        if let Some(open) = connection.as_ref().filter(|open| !open.is_closed()) {
            return Ok(Arc::clone(open));
        }
        *connection = None;
        let open = Arc::new(self.connect().await?);
        Ok(Arc::clone(connection.insert(open)))
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let version = match self.sessions {
            true => ProtocolVersion::V_2025_11_25,
            false => ProtocolVersion::V_2026_07_28,
        };
        let name = Implementation::new("mcp-reauth-soak", "0");
        let config = ClientConfig::new(ClientCapabilities::default(), name)
            .with_protocol_version(version.clone());
        let mut transport = StreamableHttpClientTransportConfig::with_uri(self.session.server());
        let mut retry = FixedInterval::default();
        retry.duration = Duration::from_millis(200);
        retry.max_times = Some(3);
        transport.retry_config = Arc::new(retry);
        let http = ReauthClient::new(self.session.clone())?;
        let transport = StreamableHttpClientTransport::with_client(http, transport);
        let lifecycle = match self.sessions {
            true => ClientLifecycleMode::Initialize,
            false => ClientLifecycleMode::Discover {
                preferred_versions: vec![version],
            },
        };
        let connected = config.serve_with_lifecycle(transport, lifecycle).await;
        connected.map_err(|error| of(&error))
    }

    pub(crate) async fn close(&self) {
        // Dropping the connection ends it.
        drop(self.connection.lock().await.take());
    }
}

/// Converts an error of the SDK. An error inside an event stream is a JSON-RPC error with the code.
fn of(error: &(dyn StdError + 'static)) -> Failure {
    if let Some(error) = find_error(error) {
        return error.clone().into();
    }
    if let Some(ServiceError::McpError(inside)) = error.downcast_ref()
        && let Some(code) = inside.data.as_ref().and_then(|data| data["code"].as_str())
    {
        return Failure::new(code, error.to_string());
    }
    let text = error.to_string();
    match text.contains("Transport channel closed") {
        true => Failure::new(UNSAID, text),
        false => Failure::new(BROKEN, text),
    }
}
