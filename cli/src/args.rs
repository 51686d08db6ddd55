//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

/// MCP at a terminal, with authorization that recovers.
///
/// Expired and revoked tokens are renewed silently; when a tool needs more access, you are asked. Results go to
/// standard output, everything else to standard error.
#[derive(Debug, Parser)]
#[command(
    name = "mcp-reauth",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Live through everything that can happen to an authorization, against a server on this machine
    Demo(DemoArgs),
    /// List what a server offers
    List(ListArgs),
    /// Call a tool
    Call(CallArgs),
    /// Sign in to a server
    Login(LoginArgs),
    /// Show what is known of your authorization; never a secret, no network
    Status(StatusArgs),
    /// Revoke and forget your authorization
    Logout(LogoutArgs),
    /// Read a rejected response and print what it asks for, as JSON
    Challenge(ChallengeArgs),
    /// Run the test server: an MCP server and an authorization server with switchable faults
    ServeFixture(FixtureArgs),
}

/// Where records are, and whose.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct StoreArgs {
    /// The file that keeps your authorizations [default: credentials.json in your data folder]
    #[arg(long, env = "MCP_REAUTH_STORE", value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// Whose authorization it is: profiles never share anything
    #[arg(
        long,
        env = "MCP_REAUTH_PROFILE",
        default_value = "default",
        value_name = "NAME"
    )]
    pub(crate) profile: String,
}

/// How to connect and to sign in.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// A scope to ask for, besides what the server asks for; repeatable
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// The id of a client that is registered already
    #[arg(long, env = "MCP_REAUTH_CLIENT_ID", value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Its secret. Other users of this machine can see the command line: rather use the variable or a file
    #[arg(
        long,
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
    /// The authorization server it is registered at [default: the first one it is used at]; its secret goes nowhere else
    #[arg(long, value_name = "ISSUER", requires = "client_id")]
    pub(crate) client_issuer: Option<String>,
    /// Act as the client itself, with its secret and nobody signing in
    #[arg(long, requires = "client_id")]
    pub(crate) client_credentials: bool,
    /// An https address that serves the client's metadata, used as its id where that is supported
    #[arg(long, value_name = "URL", conflicts_with = "client_id")]
    pub(crate) client_metadata_url: Option<String>,
    /// Where the browser comes back to; port 0 means any free port
    #[arg(long, value_name = "URL", default_value = mcp_reauth::loopback::DEFAULT_REDIRECT_URI)]
    pub(crate) callback_url: String,
    /// Print the sign-in address, and do not open a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Do not send resource indicators, for servers that reject them
    #[arg(long)]
    pub(crate) no_resource: bool,
    /// Agree to every request for more access without being asked
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// The protocol version to speak [default: the newest that the server knows]
    #[arg(long, value_name = "VERSION")]
    pub(crate) protocol: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    Tools,
    Resources,
    Prompts,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ListArgs {
    /// The MCP server's address
    pub(crate) url: String,
    /// What to list
    #[arg(value_enum, default_value = "tools")]
    pub(crate) kind: Kind,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CallArgs {
    /// The MCP server's address
    pub(crate) url: String,
    /// The tool's name
    pub(crate) tool: String,
    /// An argument, NAME=VALUE; the value is JSON, or else text; repeatable
    #[arg(long = "arg", value_name = "NAME=VALUE", conflicts_with = "args")]
    pub(crate) arg: Vec<String>,
    /// All arguments, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) args: Option<String>,
    /// Print the whole result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LoginArgs {
    /// The MCP server's address
    pub(crate) url: String,
    /// Sign in again, even if you are signed in; what you have stays until you have
    #[arg(long)]
    pub(crate) force: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    /// The MCP server's address; without it, all servers on record
    pub(crate) url: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct LogoutArgs {
    /// The MCP server's address
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ChallengeArgs {
    /// The response's HTTP status
    #[arg(long)]
    pub(crate) status: u16,
    /// A header line of the response, such as 'WWW-Authenticate: Bearer error="invalid_token"'; repeatable
    #[arg(long = "header", short = 'H', value_name = "LINE")]
    pub(crate) headers: Vec<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FixtureArgs {
    /// What the servers offer and how they behave, as JSON; tests/fixture/example-config.json has every setting
    /// [default: a few tools, everything well]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the addresses as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Print one JSON object a step
    #[arg(long)]
    pub(crate) json: bool,
    /// Sign in with your own browser, where you answer the consent page yourself
    #[arg(long)]
    pub(crate) browser: bool,
}
