//! `mcp-reauth`: MCP at a terminal, with authorization that recovers.

mod args;
mod arguments;
mod commands;
mod connection;
mod demo;
mod examine;
mod failure;
mod files;
mod identity;
mod issuer;
mod output;
mod reach;
mod shutdown;
mod signal;
mod state;
mod waiting;

use std::process::ExitCode;
use std::time::Duration;

use args::{Args, Command};
use failure::Failure;

/// How long the program waits at exit for blocking system calls, such as a DNS lookup.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args = args::read();
    failure::explain(args.verbose);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::Other(format!("the runtime could not be started: {error}"));
            failure.report();
            return failure.code();
        }
    };
    let mut ended = runtime.block_on(run(args.clone()));
    if let Err(failure) = &ended
        && let Some(args) = issuer::confirmed(&args, failure)
    {
        ended = runtime.block_on(run(args));
    }
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    match ended {
        Ok(code) => code,
        Err(failure) => {
            failure.report();
            failure.code()
        }
    }
}

async fn run(args: Args) -> Result<ExitCode, Failure> {
    let verbose = args.verbose;
    match args.command {
        Command::List(args) => commands::list::run(args).await,
        Command::Call(args) => commands::call::run(args).await,
        Command::Login(args) => commands::login::run(args).await,
        Command::Status(args) => commands::status::run(args).await,
        Command::Logout(args) => commands::logout::run(args).await,
        Command::Challenge(args) => commands::challenge::run(&args),
        Command::ServeFixture(args) => commands::serve_fixture::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Examine(args) => examine::run(args, verbose).await,
    }
}
