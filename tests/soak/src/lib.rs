//! A soak test: many sessions in Rust and Node processes that share profiles and one store make calls for minutes,
//! while faults are injected on a schedule that depends on a seed.

// It needs Unix signals.
#![cfg(unix)]

mod args;
mod checks;
mod faults;
mod fleet;
mod kinds;
mod proxy;
mod random;
mod record;
mod report;
mod run;
mod schedule;
mod secrets;
mod servers;
mod setting;
mod store_reader;
mod vitals;
mod wire;
mod worker;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let well = runtime.block_on(async {
        match cli.command {
            Some(Command::Worker) => worker::run().await.map(|()| true),
            None => run::run(cli.soak).await,
        }
    });
    match well {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &std::io::Error) -> ExitCode {
    eprintln!("mcp-reauth-soak: {error}");
    ExitCode::FAILURE
}
