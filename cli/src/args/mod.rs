//! The command line.

mod connect;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{
    ArgMatches, Args as ClapArgs, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum,
};

pub(crate) use connect::{ClientArgs, ConnectArgs, OrganizationArgs, ReachArgs};

/// MCP at a terminal, with authorization that recovers.
///
/// Expired and revoked tokens are renewed silently; when a tool needs more access, you are asked. Results go to
/// standard output, everything else to standard error.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "mcp-reauth",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub(crate) struct Args {
    /// Also print the causes of an error; of examine, the requests
    #[arg(long, short, global = true)]
    pub(crate) verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Play every recovery against servers on this machine
    Demo(DemoArgs),
    /// List what a server offers
    List(ListArgs),
    /// Call a tool
    Call(CallArgs),
    /// Sign in to a server
    Login(LoginArgs),
    /// Show the stored authorizations; no secrets, no network
    Status(StatusArgs),
    /// Revoke and delete your authorization
    Logout(LogoutArgs),
    /// Parse a rejected response and print its challenge as JSON
    Challenge(ChallengeArgs),
    /// Examine an MCP client of your own: how it recovers its authorization
    #[command(after_help = EXAMINE_HELP)]
    Examine(ExamineArgs),
    /// Run the test server: an MCP server and an authorization server with switchable faults
    ServeFixture(FixtureArgs),
}

const EXAMINE_HELP: &str = "\
COMMAND is started in some thirty situations, takes commands on standard input, and prints results \
on standard output: docs/examine.md has the protocol.

Exit codes: 0 if every scenario passed, 1 if one failed, 2 for a command line that cannot be carried \
out, also if COMMAND cannot be started.";

/// Parses the command line. An invalid one ends the program, as clap does.
pub(crate) fn read() -> Args {
    let matches = Args::command().get_matches();
    let read = check_idp(&matches).and_then(|()| Args::from_arg_matches(&matches));
    read.unwrap_or_else(|error| error.format(&mut Args::command()).exit())
}

/// Rejects identity provider options without --ema. The environment may set them for every command; clap's `requires`
/// does not distinguish the two.
fn check_idp(matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((name, given)) = matches.subcommand() else {
        return Ok(());
    };
    // Asks the definition, not the matches, which arguments a subcommand has: for an undefined argument, clap returns
    // an error in debug builds only, and panics in release builds.
    if !defines(name, "ema") || given.get_flag("ema") {
        return Ok(());
    }
    for (id, flag) in connect::FOR_EMA {
        if given.value_source(id) == Some(ValueSource::CommandLine) {
            let why = format!("{flag} requires --ema");
            return Err(clap::Error::raw(ErrorKind::MissingRequiredArgument, why));
        }
    }
    Ok(())
}

/// Whether a subcommand defines the argument with this id.
fn defines(subcommand: &str, id: &str) -> bool {
    Args::command()
        .find_subcommand(subcommand)
        .is_some_and(|command| {
            command
                .get_arguments()
                .any(|argument| argument.get_id() == id)
        })
}

/// Where records are, and whose.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct StoreArgs {
    /// File that stores your authorizations [default: credentials.json in your data folder]
    #[arg(long, env = "MCP_REAUTH_STORE", value_name = "FILE")]
    pub(crate) store: Option<PathBuf>,
    /// User or tenant; profiles never share data
    #[arg(
        long,
        env = "MCP_REAUTH_PROFILE",
        default_value = "default",
        value_name = "NAME"
    )]
    pub(crate) profile: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    Tools,
    Resources,
    Prompts,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ListArgs {
    /// URL of the MCP server
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

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct CallArgs {
    /// URL of the MCP server
    pub(crate) url: String,
    /// The tool's name
    pub(crate) tool: String,
    /// An argument, NAME=VALUE; repeatable. JSON if valid, otherwise text; for ambiguous values, such as 7, the tool's
    /// schema decides
    #[arg(long = "arg", value_name = "NAME=VALUE", conflicts_with = "args")]
    pub(crate) arg: Vec<String>,
    /// All arguments, as a JSON object
    #[arg(long, value_name = "JSON")]
    pub(crate) args: Option<String>,
    /// Time limit for the tool in seconds, without the time of prompts [default: none]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
    /// Print the whole result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct LoginArgs {
    /// URL of the MCP server
    pub(crate) url: String,
    /// Sign in again, even if you are signed in; the current tokens are kept until then
    #[arg(long)]
    pub(crate) force: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) connect: ConnectArgs,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct StatusArgs {
    /// URL of the MCP server; without it, all stored servers and identity providers
    pub(crate) url: Option<String>,
    /// Only the identity provider with this issuer
    #[arg(long, value_name = "ISSUER", conflicts_with = "url")]
    pub(crate) idp: Option<String>,
    /// Print JSON: an object, or without URL and --idp an array of servers; a server whose access your organization
    /// manages has the identity provider's session as idpSession
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct LogoutArgs {
    /// URL of the MCP server
    #[arg(required_unless_present = "idp")]
    pub(crate) url: Option<String>,
    /// Sign out at the identity provider with this issuer, and of every server that you signed in to through it
    #[arg(long, value_name = "ISSUER", conflicts_with = "url")]
    pub(crate) idp: Option<String>,
    #[command(flatten)]
    pub(crate) reach: ReachArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ChallengeArgs {
    /// The response's HTTP status
    #[arg(long)]
    pub(crate) status: u16,
    /// A header line of the response, such as 'WWW-Authenticate: Bearer error="invalid_token"'; repeatable
    #[arg(long = "header", short = 'H', value_name = "LINE")]
    pub(crate) headers: Vec<String>,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct FixtureArgs {
    /// Server configuration as JSON; tests/fixture/example-config.json has every setting
    /// [default: a few tools, no faults]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the URLs as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Print one JSON object per step
    #[arg(long)]
    pub(crate) json: bool,
    /// Sign in with your own browser, where you answer the consent page yourself
    #[arg(long)]
    pub(crate) browser: bool,
}

#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ExamineArgs {
    /// The client's program and arguments; the server's URL is added as the last one
    #[arg(last = true, value_name = "COMMAND", required_unless_present_any = ["list", "visit"])]
    pub(crate) command: Vec<String>,
    /// Only these scenarios, separated by commas
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Print the names of the scenarios
    #[arg(long)]
    pub(crate) list: bool,
    /// Print one JSON object per scenario
    #[arg(long)]
    pub(crate) json: bool,
    /// How long a call may take, in seconds; connecting may take twice as long
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) timeout: u64,
    /// The MCP version that the client is told to use
    #[arg(long, value_name = "VERSION", default_value = "2025-11-25")]
    pub(crate) protocol: String,
    /// Visit a page as the person does, for clients that open a browser
    #[arg(long, value_name = "URL", hide = true)]
    pub(crate) visit: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// clap checks its definition under debug assertions only.
    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn identity_providers_are_for_ema_on_the_command_line() {
        for (line, fits) in [
            ("status --idp https://idp.example", true),
            ("logout --idp https://idp.example", true),
            ("challenge --status 401", true),
            ("serve-fixture", true),
            ("demo", true),
            ("login https://a.example", true),
            (
                "list https://a.example --ema --idp https://idp.example",
                true,
            ),
            ("list https://a.example --idp https://idp.example", false),
            ("login https://a.example --idp-client-id x", false),
            ("call https://a.example echo --idp-client-secret x", false),
        ] {
            let words = std::iter::once("mcp-reauth").chain(line.split(' '));
            let matches = Args::command().try_get_matches_from(words);
            let matches = matches.expect("a command line that clap takes");
            assert_eq!(check_idp(&matches).is_ok(), fits, "{line}");
        }
    }
}
