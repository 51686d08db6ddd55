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
    /// A scope to ask for, besides what the server asks for; repeatable
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    #[command(flatten)]
    pub(crate) organization: OrganizationArgs,
    /// Only take tokens that are bound to a key, so that no other program can use them (DPoP)
    /// [default: where the server asks for it]
    #[arg(long)]
    pub(crate) dpop: bool,
    /// Send what is asked for to the authorization server beforehand, and not through the browser, where that is offered
    /// [default: where the server insists on it]
    #[arg(long, conflicts_with_all = ["client_credentials", "workload_token_file"])]
    pub(crate) push_requests: bool,
    /// Where the browser comes back to; port 0 means any free port [default: http://127.0.0.1:6276/oauth/callback, or,
    /// when its port is taken and the client is not registered beforehand, a free one]
    #[arg(long, value_name = "URL")]
    pub(crate) callback_url: Option<String>,
    /// Print the sign-in address, and do not open a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
    /// Do not send resource indicators, for servers that reject them
    #[arg(long)]
    pub(crate) no_resource: bool,
    /// Agree to every request for more access without being asked
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// The protocol version to speak [default: the newest that the server knows]
    #[arg(long, value_name = "VERSION")]
    pub(crate) protocol: Option<String>,
    /// The longest answer that is read, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u32).range(16..=4096))]
    pub(crate) max_answer: u32,
}

/// How servers are reached, and where they may lead.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ReachArgs {
    /// An origin (https://login.corp.example) that the server may lead to although it is in a network that the server
    /// is not in, such as your intranet; repeatable
    #[arg(long = "allow-endpoint", value_name = "ORIGIN")]
    pub(crate) allowed: Vec<String>,
    /// A file with your client certificate (PEM), for servers that ask for one (mTLS), and with its private key
    #[arg(long, value_name = "FILE")]
    pub(crate) client_cert: Option<PathBuf>,
    /// The file with its private key (PEM), if that is another
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
    /// The id of a client that is registered already
    #[arg(long = "client-id", env = "MCP_REAUTH_CLIENT_ID", value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Its secret. Other users of this machine can see the command line: rather use the variable or a file
    #[arg(
        long = "client-secret",
        env = "MCP_REAUTH_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        requires = "client_id"
    )]
    pub(crate) client_secret: Option<String>,
    /// A file that holds its secret
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
    /// A file that holds its private key, PEM or JWK, for a client that has one instead of a secret
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_id",
        conflicts_with_all = ["client_secret", "client_secret_file"]
    )]
    pub(crate) private_key: Option<PathBuf>,
    /// The authorization server it is registered at: its secret, key or assertions go nowhere else. Without it you are
    /// asked the first time
    #[arg(long, value_name = "ISSUER", requires = "client_id")]
    pub(crate) client_issuer: Option<String>,
    /// Act as the client itself, with its secret or private key and no user signing in
    #[arg(long, requires = "client_id")]
    pub(crate) client_credentials: bool,
    /// Act as a workload, with the token that its platform keeps in this file and no user signing in; it is read anew
    /// each time
    #[arg(
        long,
        value_name = "FILE",
        requires = "client_id",
        conflicts_with = "client_credentials"
    )]
    pub(crate) workload_token_file: Option<PathBuf>,
    /// An https address that serves the client's metadata, used as its id where that is supported
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
    /// Your organization signs you in: once, for all servers it manages access to
    #[arg(long, conflicts_with_all = ["client_credentials", "workload_token_file"])]
    pub(crate) ema: bool,
    /// The issuer of your organization's identity provider, for --ema
    #[arg(long, env = "MCP_REAUTH_IDP", value_name = "ISSUER")]
    pub(crate) idp: Option<String>,
    /// The id of the client that this program is there
    #[arg(long, env = "MCP_REAUTH_IDP_CLIENT_ID", value_name = "ID")]
    pub(crate) idp_client_id: Option<String>,
    /// Its secret. Other users of this machine can see the command line: rather use the variable or a file
    #[arg(
        long,
        env = "MCP_REAUTH_IDP_CLIENT_SECRET",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub(crate) idp_client_secret: Option<String>,
    /// A file that holds its secret
    #[arg(
        long,
        value_name = "FILE",
        requires = "ema",
        conflicts_with = "idp_client_secret"
    )]
    pub(crate) idp_client_secret_file: Option<PathBuf>,
    /// A file that holds its private key, PEM or JWK
    #[arg(
        long,
        value_name = "FILE",
        requires = "ema",
        conflicts_with_all = ["idp_client_secret", "idp_client_secret_file"]
    )]
    pub(crate) idp_private_key: Option<PathBuf>,
    /// Be asked before access is extended, which your organization would otherwise do without asking
    #[arg(long, requires = "ema", conflicts_with = "yes")]
    pub(crate) ask_step_up: bool,
}
