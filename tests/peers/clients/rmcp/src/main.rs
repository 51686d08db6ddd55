//! The official Rust SDK with its own authorization. As its documentation says, the host signs in when a request fails with
//! a challenge, and then sends again what had failed; credentials are in a store of the host.

mod host;
mod store;

use std::error::Error as StdError;
use std::sync::Arc;

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion,
};
use rmcp::service::{ClientInitializeError, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransportConfig, StreamableHttpError,
};
use rmcp::{RoleClient, ServiceError, ServiceExt};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::RwLock;
use tokio::task::JoinSet;

use host::Host;

type Result<T> = std::result::Result<T, Box<dyn StdError + Send + Sync>>;

/// More than any scenario needs at once.
const MAX_CONCURRENT_REQUESTS: usize = 64;

/// A line on standard input.
#[derive(Deserialize)]
struct Command {
    id: u64,
    r#do: String,
    #[serde(default)]
    tool: String,
}

struct Peer {
    url: String,
    host: Host,
    client: RwLock<Option<RunningService<RoleClient, ClientConfig>>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let url = std::env::args()
        .next_back()
        .ok_or("give the server's URL")?;
    let folder = std::env::var("MCP_REAUTH_EXAMINE_STORE")?;
    let host = Host::open(&url, &folder).await?;
    let peer = Arc::new(Peer {
        url,
        host,
        client: RwLock::default(),
    });
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut running = JoinSet::new();
    while let Some(line) = lines.next_line().await? {
        let command: Command = serde_json::from_str(&line)?;
        running.spawn(carry_out(Arc::clone(&peer), command));
    }
    running.shutdown().await;
    if let Some(client) = peer.client.write().await.take() {
        client.cancel().await?;
    }
    Ok(())
}

async fn carry_out(peer: Arc<Peer>, command: Command) {
    let ended = match command.r#do.as_str() {
        "connect" => peer.connect().await,
        _ => peer.call(&command.tool).await,
    };
    let result = match ended {
        Ok(()) => json!({ "id": command.id, "ok": true }),
        Err(error) => json!({ "id": command.id, "ok": false, "error": error.to_string() }),
    };
    println!("{result}");
}

impl Peer {
    async fn connect(&self) -> Result<()> {
        let client = match self.start().await {
            Err(error) => {
                self.recover(&*error).await?;
                self.start().await?
            }
            Ok(client) => client,
        };
        *self.client.write().await = Some(client);
        Ok(())
    }

    async fn start(&self) -> Result<RunningService<RoleClient, ClientConfig>> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.url.as_str());
        config.max_concurrent_requests = MAX_CONCURRENT_REQUESTS;
        let client = ClientConfig::new(
            ClientCapabilities::default(),
            Implementation::new("peer", "1"),
        )
        .with_protocol_version(ProtocolVersion::V_2025_11_25);
        // With a token that it is given, it has no authorization of its own.
        if let Ok(token) = std::env::var("PEER_TOKEN") {
            let (http, config) = (reqwest::Client::new(), config.auth_header(token));
            let transport = StreamableHttpClientTransport::with_client(http, config);
            return Ok(client.serve(transport).await?);
        }
        let transport = StreamableHttpClientTransport::with_client(self.host.http.clone(), config);
        Ok(client.serve(transport).await?)
    }

    async fn call(&self, tool: &str) -> Result<()> {
        if let Err(error) = self.attempt(tool).await {
            self.recover(&*error).await?;
            self.attempt(tool).await?;
        }
        Ok(())
    }

    async fn attempt(&self, tool: &str) -> Result<()> {
        let client = self.client.read().await;
        let client = client.as_ref().ok_or("connect first")?;
        let result = client
            .call_tool(CallToolRequestParams::new(tool.to_owned()))
            .await?;
        match result.is_error {
            Some(true) => Err("the tool reported an error".into()),
            _ => Ok(()),
        }
    }

    /// Signs in, if that is what the error asks for.
    async fn recover(&self, error: &(dyn StdError + Send + Sync + 'static)) -> Result<()> {
        match challenge(error) {
            Some(StreamableHttpError::AuthRequired(asked)) => {
                self.host.sign_in(&asked.www_authenticate_header).await
            }
            Some(StreamableHttpError::InsufficientScope(asked)) => {
                self.host
                    .step_up(asked.required_scope.as_deref().unwrap_or_default())
                    .await
            }
            _ => Err(error.to_string().into()),
        }
    }
}

/// The transport's error inside an error.
fn challenge<'a>(
    error: &'a (dyn StdError + 'static),
) -> Option<&'a StreamableHttpError<reqwest::Error>> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner: Option<&(dyn StdError + 'static)> =
            match (error.downcast_ref(), error.downcast_ref()) {
                (Some(ServiceError::TransportSend(inner)), _) => Some(&*inner.error),
                (_, Some(ClientInitializeError::TransportError { error, .. })) => {
                    Some(&*error.error)
                }
                _ => None,
            };
        at = inner.or_else(|| error.source());
    }
    None
}
