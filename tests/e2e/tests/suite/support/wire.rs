//! The two protocol generations.

use std::sync::Arc;
use std::time::Duration;

use mcp_reauth::AuthSession;
use mcp_reauth_rmcp::ReauthClient;
use rmcp::model::{ClientCapabilities, ClientConfig, Implementation, ProtocolVersion};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::FixedInterval;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt as _};

use super::{Client, Failure};

/// A protocol generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// 2025-11-25: a handshake, sessions, an event stream, DELETE.
    Sessions,
    /// 2026-07-28: stateless requests.
    Stateless,
}

impl Wire {
    fn version(self) -> ProtocolVersion {
        match self {
            Self::Sessions => ProtocolVersion::V_2025_11_25,
            Self::Stateless => ProtocolVersion::V_2026_07_28,
        }
    }

    /// The number of POST requests for connecting: the handshake and its notification, or the discovery.
    pub(crate) fn greetings(self) -> u64 {
        match self {
            Self::Sessions => 2,
            Self::Stateless => 1,
        }
    }
}

/// The transport of a session.
pub(crate) fn reauth_client(session: &AuthSession) -> ReauthClient {
    ReauthClient::new(session.clone()).expect("TLS can be set up")
}

/// Connects a client.
pub(crate) async fn connect_to(session: &AuthSession, wire: Wire) -> Result<Client, Failure> {
    let version = wire.version();
    let config = ClientConfig::new(
        ClientCapabilities::default(),
        Implementation::new("mcp-reauth-e2e", "0"),
    )
    .with_protocol_version(version.clone());
    let mut transport = StreamableHttpClientTransportConfig::with_uri(session.server());
    transport.max_concurrent_requests = 64;
    let mut retry = FixedInterval::default();
    retry.duration = Duration::from_millis(1);
    retry.max_times = Some(5);
    transport.retry_config = Arc::new(retry);
    let http = reauth_client(session);
    let transport = StreamableHttpClientTransport::with_client(http, transport);
    let lifecycle = match wire {
        Wire::Sessions => ClientLifecycleMode::Initialize,
        Wire::Stateless => ClientLifecycleMode::Discover {
            preferred_versions: vec![version],
        },
    };
    let service = config.serve_with_lifecycle(transport, lifecycle).await;
    let service = service.map_err(|error| Failure::of(&error))?;
    Ok(Client::new(service))
}
