//! `mcp-reauth`: MCP at a terminal, with authorization that recovers.

mod args;
mod commands;
mod connection;
mod demo;
mod failure;
mod files;
mod identity;
mod output;
mod signal;
mod state;

use std::process::ExitCode;

use args::Command;

#[tokio::main]
async fn main() -> ExitCode {
    let args = args::read();
    let ended = match args.command {
        Command::List(args) => commands::list::run(args).await,
        Command::Call(args) => commands::call::run(args).await,
        Command::Login(args) => commands::login::run(args).await,
        Command::Status(args) => commands::status::run(args).await,
        Command::Logout(args) => commands::logout::run(args).await,
        Command::Challenge(args) => commands::challenge::run(&args),
        Command::ServeFixture(args) => commands::serve_fixture::run(args).await,
        Command::Demo(args) => demo::run(args).await,
    };
    match ended {
        Ok(code) => code,
        Err(failure) => {
            failure.report();
            failure.code()
        }
    }
}
