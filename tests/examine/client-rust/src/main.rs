//! A client for `mcp-reauth examine`: an ordinary host on the public API with the official Rust SDK. It reads commands
//! from standard input, starts each at once, and prints one line of JSON for each result.

use std::error::Error as StdError;
use std::sync::Arc;

use mcp_reauth::loopback::{TerminalHost, TerminalOptions};
use mcp_reauth::{AuthSession, FileStore};
use mcp_reauth_rmcp::ReauthClient;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion,
};
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::{Mutex, RwLock};
use tokio::task::JoinSet;

type Result<T> = std::result::Result<T, Box<dyn StdError + Send + Sync>>;

/// More than any scenario needs at once.
const MAX_CONCURRENT_REQUESTS: usize = 64;

/// A line on standard input.
#[derive(Deserialize)]
struct Command {
    id: u64,
    r#do: Do,
    #[serde(default)]
    tool: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Do {
    Connect,
    Call,
}

/// The session, and the MCP client once it is connected.
struct Examined {
    session: AuthSession,
    client: RwLock<Option<RunningService<RoleClient, ClientConfig>>>,
    connecting: Mutex<()>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args()
        .next_back()
        .ok_or("give the server's URL")?;
    let folder = std::env::var("MCP_REAUTH_EXAMINE_STORE")?;
    // Opens pages with the program in BROWSER, and agrees to every step-up.
    let options = TerminalOptions {
        assume_yes: true,
        ..TerminalOptions::default()
    };
    let session = AuthSession::builder(url)
        .client_name("mcp-reauth examined client")
        .store(FileStore::new(format!("{folder}/credentials.json")))
        .host(TerminalHost::new(options))
        .open()
        .await?;
    let examined = Arc::new(Examined {
        session,
        client: RwLock::default(),
        connecting: Mutex::default(),
    });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut running = JoinSet::new();
    while let Some(line) = lines.next_line().await? {
        let command: Command = serde_json::from_str(&line)?;
        running.spawn(carry_out(Arc::clone(&examined), command));
    }
    running.shutdown().await;
    if let Some(client) = examined.client.write().await.take() {
        client.cancel().await?;
    }
    examined.session.settle().await;
    Ok(())
}

async fn carry_out(examined: Arc<Examined>, command: Command) {
    let ended = match command.r#do {
        Do::Connect => examined.connect().await,
        Do::Call => examined.call(command.tool).await,
    };
    let result = match ended {
        Ok(()) => json!({ "id": command.id, "ok": true }),
        Err(error) => json!({ "id": command.id, "ok": false, "error": said(&*error) }),
    };
    println!("{result}");
}

/// The text of an authorization error inside an error, or else of the error itself.
fn said(error: &(dyn StdError + 'static)) -> String {
    match mcp_reauth_rmcp::find_error(error) {
        Some(error) => format!("{error} [{}]", error.code()),
        None => error.to_string(),
    }
}

impl Examined {
    async fn connect(&self) -> Result<()> {
        let _connecting = self.connecting.lock().await;
        let version = std::env::var("MCP_CONFORMANCE_PROTOCOL_VERSION")?;
        let version: ProtocolVersion = serde_json::from_value(version.into())?;
        let lifecycle = if version.has_initialize() {
            ClientLifecycleMode::Initialize
        } else {
            ClientLifecycleMode::Discover {
                preferred_versions: vec![version.clone()],
            }
        };
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.session.server());
        config.max_concurrent_requests = MAX_CONCURRENT_REQUESTS;
        let http = ReauthClient::new(self.session.clone())?;
        let transport = StreamableHttpClientTransport::with_client(http, config);
        let name = Implementation::new("mcp-reauth", env!("CARGO_PKG_VERSION"));
        let client = ClientConfig::new(ClientCapabilities::default(), name)
            .with_protocol_version(version)
            .serve_with_lifecycle(transport, lifecycle)
            .await?;
        *self.client.write().await = Some(client);
        Ok(())
    }

    async fn call(&self, tool: String) -> Result<()> {
        let client = self.client.read().await;
        let client = client.as_ref().ok_or("connect first")?;
        let result = client.call_tool(CallToolRequestParams::new(tool)).await?;
        match result.is_error {
            Some(true) => Err("the tool reported an error".into()),
            _ => Ok(()),
        }
    }
}
