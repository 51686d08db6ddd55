//! How to connect and to sign in.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use mcp_reauth::SecretMethod;

use super::StoreArgs;

/// How to connect and to sign in.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Additional scope to request; repeatable
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    #[command(flatten)]
    pub(crate) organization: OrganizationArgs,
    /// Require tokens that are bound to a key (DPoP) [default: if the server requires it]
    #[arg(long)]
    pub(crate) dpop: bool,
    /// Use pushed authorization requests (PAR) if the server offers them [default: if the server requires them]
    #[arg(long, conflicts_with_all = ["client_credentials", "workload_token_file"])]
    pub(crate) push_requests: bool,
    /// Redirect URI; port 0 means any free port [default: http://127.0.0.1:6276/oauth/callback, or a free port if that
    /// one is in use and the client is not pre-registered]
    #[arg(long, value_name = "URL")]
    pub(crate) callback_url: Option<String>,
    /// Print the sign-in URL instead of opening a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
    /// Do not send resource indicators, for servers that reject them
    #[arg(long)]
    pub(crate) no_resource: bool,
    /// Agree to every step-up without being asked
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// MCP version [default: the newest that the server supports]
    #[arg(long, value_name = "VERSION")]
    pub(crate) protocol: Option<String>,
    /// Response size limit in MiB
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u32).range(16..=4096))]
    pub(crate) max_answer: u32,
}

/// How servers are reached, and where they may lead.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ReachArgs {
    /// Origin in a narrower network (such as https://login.corp.example in your intranet) that the server may lead to;
    /// repeatable
    #[arg(long = "allow-endpoint", value_name = "ORIGIN")]
    pub(crate) allowed: Vec<String>,
    /// File with your client certificate and its private key (PEM), for servers that require one (mTLS)
    #[arg(long, value_name = "FILE")]
    pub(crate) client_cert: Option<PathBuf>,
    /// File with its private key (PEM), if separate
    #[arg(long, value_name = "FILE", requires = "client_cert")]
    pub(crate) client_cert_key: Option<PathBuf>,
}

/// How a client's secret is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ClientAuth {
    Basic,
    Post,
}

impl From<ClientAuth> for SecretMethod {
    fn from(method: ClientAuth) -> Self {
        match method {
            ClientAuth::Basic => Self::Basic,
            ClientAuth::Post => Self::Post,
        }
    }
}

/// This program's identity to the authorization server.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ClientArgs {
    /// ID of a pre-registered client
    #[arg(long = "client-id", env = "MCP_REAUTH_CLIENT_ID", value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Its secret. Other users of this machine can see command lines, so prefer the variable or a file
    #[arg(
        long = "client-secret",
        env = "MCP_REAUTH_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        requires = "client_id"
    )]
    pub(crate) client_secret: Option<String>,
    /// File with its secret
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_id",
        conflicts_with = "client_secret"
    )]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// How its secret is sent: in the Authorization header or in the form [default: as the server's metadata says]
    #[arg(long, value_enum, value_name = "METHOD", requires = "client_id")]
    pub(crate) client_auth: Option<ClientAuth>,
    /// File with its private key (PEM or JWK), for a client that has one instead of a secret
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_id",
        conflicts_with_all = ["client_secret", "client_secret_file"]
    )]
    pub(crate) private_key: Option<PathBuf>,
    /// Issuer of the authorization server that the client is registered at; its secret, key or assertions are sent
    /// only there. Without it, you are asked once
    #[arg(long, value_name = "ISSUER", requires = "client_id")]
    pub(crate) client_issuer: Option<String>,
    /// Authenticate as the client, with its secret or private key and without a user
    #[arg(long, requires = "client_id")]
    pub(crate) client_credentials: bool,
    /// Authenticate as a workload, without a user, with the platform's token in this file, which is read before each
    /// use
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_id",
        conflicts_with = "client_credentials"
    )]
    pub(crate) workload_token_file: Option<PathBuf>,
    /// URL of a client ID metadata document (https), used if the server supports it
    #[arg(long, value_name = "URL", conflicts_with = "client_id")]
    pub(crate) client_metadata_url: Option<String>,
}

/// The options that --ema requires, which the environment may set for other commands too.
pub(super) const FOR_EMA: [(&str, &str); 3] = [
    ("idp", "--idp"),
    ("idp_client_id", "--idp-client-id"),
    ("idp_client_secret", "--idp-client-secret"),
];

/// Enterprise-managed authorization.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct OrganizationArgs {
    /// Enterprise-managed authorization: your organization signs you in once, for all servers it manages access to
    #[arg(long, conflicts_with_all = ["client_credentials", "workload_token_file"])]
    pub(crate) ema: bool,
    /// Issuer of your organization's identity provider, for --ema
    #[arg(long, env = "MCP_REAUTH_IDP", value_name = "ISSUER")]
    pub(crate) idp: Option<String>,
    /// Client ID of this program at the identity provider
    #[arg(long, env = "MCP_REAUTH_IDP_CLIENT_ID", value_name = "ID")]
    pub(crate) idp_client_id: Option<String>,
    /// Its secret. Other users of this machine can see command lines, so prefer the variable or a file
    #[arg(
        long,
        env = "MCP_REAUTH_IDP_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub(crate) idp_client_secret: Option<String>,
    /// File with its secret
    #[arg(
        long,
        value_name = "FILE",
        requires = "ema",
        conflicts_with = "idp_client_secret"
    )]
    pub(crate) idp_client_secret_file: Option<PathBuf>,
    /// File with its private key (PEM or JWK)
    #[arg(
        long,
        value_name = "FILE",
        requires = "ema",
        conflicts_with_all = ["idp_client_secret", "idp_client_secret_file"]
    )]
    pub(crate) idp_private_key: Option<PathBuf>,
    /// Ask before your organization extends access [default: without asking]
    #[arg(long, requires = "ema", conflicts_with = "yes")]
    pub(crate) ask_step_up: bool,
}
