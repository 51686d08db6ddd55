//! Opens a session for a server, and an MCP client on top of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use etcetera::{AppStrategy, AppStrategyArgs, choose_app_strategy};
use mcp_reauth::enterprise::CAPABILITY;
use mcp_reauth::loopback::{CallbackListener, TerminalHost, TerminalOptions};
use mcp_reauth::{AuthHost, AuthSession, AuthSessionBuilder, Dpop, FileStore, ScopeSet};
use mcp_reauth_rmcp::ReauthClient;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ExtensionCapabilities, Implementation, ProtocolVersion,
};
use rmcp::service::{ClientInitializeError, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientLifecycleMode, ClientServiceExt, RoleClient};

use crate::args::{ConnectArgs, StoreArgs};
use crate::failure::Failure;
use crate::identity::credentials;
use crate::waiting::{GREETING_LIMIT, PatientHost, Waiting};

/// How long closing an MCP session may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
/// How many times a broken response stream is reopened, after 1, 2, 4 seconds and so on.
const MAX_RESUMPTIONS: usize = 5;
const MIB: usize = 1024 * 1024;
/// The default limit for one response, in bytes.
const MAX_ANSWER: usize = 16 * MIB;
/// How many requests may run at once.
const MAX_CONCURRENT_REQUESTS: usize = 64;

/// A connected MCP client.
pub(crate) type Client = RunningService<RoleClient, ClientConfig>;

impl StoreArgs {
    pub(crate) fn open(&self) -> Result<FileStore, Failure> {
        let path = match &self.store {
            Some(path) => path.clone(),
            None => default_store()?,
        };
        Ok(FileStore::new(path))
    }

    /// Opens a session that never involves the user, for `status` and `logout`.
    pub(crate) async fn session(&self, url: &str) -> Result<AuthSession, Failure> {
        self.builder(url)?.open().await.map_err(Failure::of_setup)
    }

    pub(crate) fn builder(&self, url: &str) -> Result<AuthSessionBuilder, Failure> {
        Ok(AuthSession::builder(url)
            .profile(&self.profile)
            .store(self.open()?)
            .client_name("mcp-reauth"))
    }
}

fn default_store() -> Result<PathBuf, Failure> {
    // A relative HOME would mean another store in each working directory.
    if let Some(home) = std::env::var_os("HOME").map(PathBuf::from)
        && !home.as_os_str().is_empty()
        && !home.is_absolute()
    {
        return Err(Failure::Usage(format!(
            "the environment's HOME is {}, which is not an absolute path: set it, or give --store FILE",
            home.display()
        )));
    }
    let folders = choose_app_strategy(AppStrategyArgs {
        top_level_domain: "dev".to_owned(),
        author: "mcp-reauth".to_owned(),
        app_name: "mcp-reauth".to_owned(),
    });
    let folders = folders.map_err(|error| {
        Failure::Usage(format!(
            "your data folder cannot be found ({error}); give --store FILE"
        ))
    })?;
    Ok(folders.in_data_dir("credentials.json"))
}

impl ConnectArgs {
    /// Opens a session with the terminal as its host.
    pub(crate) async fn session(
        &self,
        url: &str,
        waiting: &Waiting,
    ) -> Result<AuthSession, Failure> {
        if let Some(callback) = &self.callback_url {
            CallbackListener::check(callback).map_err(Failure::of_setup)?;
        }
        let host = TerminalHost::new(TerminalOptions {
            redirect_uri: self.callback_url.clone(),
            open_browser: !self.no_browser,
            assume_yes: self.yes,
            without_terminal: "run it in a terminal, or agree in advance with --yes".to_owned(),
        });
        let waiting = waiting.clone();
        self.session_with(url, PatientHost { host, waiting }).await
    }

    async fn session_with(&self, url: &str, host: impl AuthHost) -> Result<AuthSession, Failure> {
        let scopes: ScopeSet = self
            .scopes
            .iter()
            .flat_map(|s| s.split([' ', ',']))
            .collect();
        let mut builder = self.store.builder(url)?.host(host);
        builder = builder.scopes(scopes).send_resource(!self.no_resource);
        builder = self
            .reach
            .apply(builder.push_requests(self.push_requests))?;
        if self.dpop {
            builder = builder.dpop(Dpop::Always);
        }
        builder = builder
            .policy(self.organization.policy())
            .credentials(credentials(&self.client, &self.organization)?);
        if let Some(url) = &self.client.client_metadata_url {
            builder = builder.client_metadata_url(url);
        }
        builder.open().await.map_err(Failure::of_setup)
    }

    /// Connects with `--protocol`, or with the newest protocol generation that the server knows.
    pub(crate) async fn connect(
        &self,
        session: &AuthSession,
        waiting: &Waiting,
    ) -> Result<Client, Failure> {
        let link = ClientFactory {
            http: self.reach.client(session)?,
            max_answer: self.max_answer as usize * MIB,
        };
        let Some(version) = &self.protocol else {
            return waiting
                .within(Some(GREETING_LIMIT), "answer", link.connect())
                .await;
        };
        let known = ProtocolVersion::KNOWN_VERSIONS.iter();
        let version = known
            .clone()
            .find(|known| known.as_str() == version)
            .ok_or_else(|| {
                let names: Vec<&str> = known.map(ProtocolVersion::as_str).collect();
                Failure::Usage(format!(
                    "--protocol {version}: not a supported version ({})",
                    names.join(", ")
                ))
            })?;
        let started = async {
            let started = link.start(version).await;
            started.map_err(|error| Failure::of(&error))
        };
        waiting
            .within(Some(GREETING_LIMIT), "answer", started)
            .await
    }
}

/// Connects as a command without options does.
pub(crate) async fn connect(session: &AuthSession) -> Result<Client, Failure> {
    let link = ClientFactory {
        http: ReauthClient::new(session.clone())?,
        max_answer: MAX_ANSWER,
    };
    link.connect().await
}

/// What an MCP client is built from.
struct ClientFactory {
    http: ReauthClient,
    /// The limit for one response, in bytes.
    max_answer: usize,
}

impl ClientFactory {
    /// Connects with the newest generation, or if the server does not know it, with the previous one.
    async fn connect(&self) -> Result<Client, Failure> {
        let newest = match self.start(&ProtocolVersion::V_2026_07_28).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        // Does not retry after an authorization error: it would fail again, and might ask the user twice.
        let unknown = matches!(
            newest,
            ClientInitializeError::JsonRpcError(_)
                | ClientInitializeError::NoCompatibleProtocolVersion { .. }
                | ClientInitializeError::ExpectedInitResult(_)
        );
        if !unknown {
            return Err(Failure::of(&newest));
        }
        self.start(&ProtocolVersion::V_2025_11_25)
            .await
            .map_err(|error| Failure::of(&error))
    }

    async fn start(&self, version: &ProtocolVersion) -> Result<Client, ClientInitializeError> {
        let session = self.http.session();
        let name = Implementation::new("mcp-reauth", env!("CARGO_PKG_VERSION"));
        let client =
            ClientConfig::new(capabilities(session), name).with_protocol_version(version.clone());
        let mut config = StreamableHttpClientTransportConfig::with_uri(session.server());
        config.max_concurrent_requests = MAX_CONCURRENT_REQUESTS;
        config.max_sse_event_size = self.max_answer;
        // Reopens a broken response stream, but only a few times.
        let mut again = ExponentialBackoff::default();
        again.max_times = Some(MAX_RESUMPTIONS);
        config.retry_config = Arc::new(again);
        let http = self.http.clone().without_idle_stream();
        let transport = StreamableHttpClientTransport::with_client(http, config);
        let lifecycle = if version.has_initialize() {
            ClientLifecycleMode::Initialize
        } else {
            ClientLifecycleMode::Discover {
                preferred_versions: vec![version.clone()],
            }
        };
        client.serve_with_lifecycle(transport, lifecycle).await
    }
}

/// Ends the MCP session, without waiting longer than the limit.
pub(crate) async fn close(mut client: Client) {
    let _ = client.close_with_timeout(CLOSE_LIMIT).await;
}

/// The capabilities to declare to the server.
fn capabilities(session: &AuthSession) -> ClientCapabilities {
    let mut capabilities = ClientCapabilities::default();
    if session.identity_provider().is_some() {
        let extension = (CAPABILITY.to_owned(), Default::default());
        capabilities.extensions = Some(ExtensionCapabilities::from([extension]));
    }
    capabilities
}
