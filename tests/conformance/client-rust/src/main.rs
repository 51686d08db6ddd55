//! The client under test of the official conformance suite: an ordinary host on the public API. From its environment it
//! reads the protocol version, and what an operator would configure: its credentials, and whether it acts for a user or
//! for itself.

use std::error::Error as StdError;
use std::time::Duration;

use futures_util::future::BoxFuture;
use mcp_reauth::enterprise::SignIn;
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::loopback::CallbackListener;
use mcp_reauth::{
    AuthHost, AuthSession, Client, Credentials, Error, IdentityProvider, PrivateKey, Secret,
    WorkloadIdentity,
};
use mcp_reauth_rmcp::ReauthClient;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation, ProtocolVersion,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use serde::Deserialize;
use tokio::sync::Mutex;

/// The suite allows a client 30 s.
const DEADLINE: Duration = Duration::from_secs(25);

/// The credentials from the suite (`MCP_CONFORMANCE_CONTEXT`).
#[derive(Default, Deserialize)]
struct Context {
    client_id: Option<String>,
    client_secret: Option<Secret>,
    private_key_pem: Option<String>,
    issuer: Option<String>,
    /// A workload's assertion.
    valid_jwt: Option<Secret>,
    idp_issuer: Option<String>,
    idp_client_id: Option<String>,
    /// The ID token of a user who has already signed in at the identity provider.
    idp_id_token: Option<Secret>,
}

/// A workload platform with one assertion.
struct Platform(Secret);

impl WorkloadIdentity for Platform {
    fn assertion(&self, _: &str) -> BoxFuture<'_, Result<Secret, Error>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }
}

impl Context {
    fn read() -> Result<Self, Box<dyn StdError>> {
        match std::env::var("MCP_CONFORMANCE_CONTEXT") {
            Ok(json) => Ok(serde_json::from_str(&json)?),
            Err(_) => Ok(Self::default()),
        }
    }

    fn client(&self) -> Result<Option<Client>, Error> {
        let Some(id) = &self.client_id else {
            return Ok(None);
        };
        let client = match (&self.private_key_pem, &self.client_secret) {
            (Some(pem), _) => Client::key(id, PrivateKey::read(pem)?),
            (None, Some(secret)) => Client::secret(id, secret.clone()),
            (None, None) => Client::public(id),
        };
        Ok(Some(match &self.issuer {
            Some(issuer) => client.at_issuer(issuer),
            // The suite does not say at which issuer its clients are registered.
            None => client.at_any_issuer(),
        }))
    }

    fn credentials(self) -> Result<Credentials, Error> {
        let client = self.client()?;
        let scenario = std::env::var("MCP_CONFORMANCE_SCENARIO").unwrap_or_default();
        let provider = self.idp_issuer.zip(self.idp_client_id);
        Ok(match (provider, self.valid_jwt, client) {
            (Some((issuer, id)), _, client) => Credentials::Enterprise {
                provider: Some(IdentityProvider::new(issuer, id)),
                client,
            },
            (None, Some(assertion), Some(client)) => {
                Credentials::workload(client, Platform(assertion))
            }
            (None, None, Some(client)) if scenario.contains("client-credentials") => {
                Credentials::client_credentials(client)
            }
            (None, _, client) => Credentials::Person { client },
        })
    }
}

/// Agrees to everything, and visits pages as a browser does, following redirects to the callback.
#[derive(Default)]
struct Host {
    listener: Mutex<Option<CallbackListener>>,
}

impl AuthHost for Host {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async {
            let mut open = self.listener.lock().await;
            if let Some(listener) = &*open {
                return Ok(listener.redirect_uri().to_owned());
            }
            let listener = CallbackListener::bind("http://127.0.0.1:0/callback").await?;
            let uri = listener.redirect_uri().to_owned();
            *open = Some(listener);
            Ok(uri)
        })
    }

    fn confirm_step_up(&self, _: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(std::future::ready(Ok(true)))
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        Box::pin(async move {
            let open = self.listener.lock().await;
            let listener = open.as_ref().ok_or_else(|| Error::host("no listener"))?;
            let visit = async {
                let visit = reqwest::get(&request.url).await;
                visit
                    .map(drop)
                    .map_err(|error| Error::host(error.to_string()))
            };
            let (callback, ()) = tokio::try_join!(listener.wait(&request.state), visit)?;
            Ok(Authorized::Callback(callback))
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn StdError>> {
    let url = std::env::args()
        .next_back()
        .ok_or("give the server's address")?;
    tokio::time::timeout(DEADLINE, run(&url)).await?
}

async fn run(url: &str) -> Result<(), Box<dyn StdError>> {
    let mut context = Context::read()?;
    let signed_in = context.idp_id_token.take();
    let builder = AuthSession::builder(url)
        .client_name("mcp-reauth conformance client")
        .client_metadata_url("https://conformance-test.local/client-metadata.json")
        .host(Host::default());
    let session = builder.credentials(context.credentials()?).open().await?;
    if let (Some(id_token), Some(idp)) = (signed_in, session.identity_provider()) {
        let refresh_token = None;
        idp.adopt(SignIn {
            id_token,
            refresh_token,
        })
        .await?;
    }

    let version = std::env::var("MCP_CONFORMANCE_PROTOCOL_VERSION")?;
    let version: ProtocolVersion = serde_json::from_value(version.into())?;
    let lifecycle = if version.has_initialize() {
        ClientLifecycleMode::Initialize
    } else {
        ClientLifecycleMode::Discover {
            preferred_versions: vec![version.clone()],
        }
    };
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    let transport = StreamableHttpClientTransport::with_client(ReauthClient::new(session)?, config);
    let name = Implementation::new("mcp-reauth", env!("CARGO_PKG_VERSION"));
    let client = ClientConfig::new(ClientCapabilities::default(), name)
        .with_protocol_version(version)
        .serve_with_lifecycle(transport, lifecycle)
        .await?;
    let tools = client.list_all_tools().await?;
    for tool in tools {
        client
            .call_tool(CallToolRequestParams::new(tool.name))
            .await?;
    }
    client.cancel().await?;
    Ok(())
}
