//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::kinds::Kind;

/// Runs many sessions in many processes for a while, makes everything around them go wrong, and checks what must hold
/// all the same.
#[derive(Debug, Parser)]
#[command(name = "mcp-reauth-soak", version)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) soak: SoakArgs,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What the program starts itself as.
    #[command(hide = true)]
    Worker,
}

/// What is run, and for how long.
#[derive(Clone, Debug, Args)]
pub(crate) struct SoakArgs {
    /// For how long faults are injected; it takes up to a minute more until all has settled
    #[arg(long, default_value_t = 10.0)]
    pub(crate) minutes: f64,
    /// How many sessions there are in all processes together
    #[arg(long, default_value_t = 36)]
    pub(crate) sessions: usize,
    /// How many profiles they share, at each of the two servers
    #[arg(long, default_value_t = 3)]
    pub(crate) profiles: usize,
    /// How many processes they run in
    #[arg(long, default_value_t = 6)]
    pub(crate) processes: usize,
    /// Which part of the processes is Node's, from 0 to 1
    #[arg(long, default_value_t = 0.34)]
    pub(crate) node_share: f64,
    /// Which faults are injected, separated by commas; the default is all
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) faults: Vec<Kind>,
    /// What decides which faults come when; the default is another each time
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Where the report goes as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Where the store and the workers' output are kept; the default is a folder that is removed after a run that went
    /// well
    #[arg(long, value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Breaks a promise on purpose, to see that it is noticed
    #[arg(long, value_enum, hide = true)]
    pub(crate) break_on_purpose: Option<Breakage>,
}

/// What can be broken on purpose: each of these must fail the run by the check that it is named for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Breakage {
    /// A call that never ends.
    Hang,
    /// An error that no fault explains.
    Code,
    /// A refresh token is presented once more.
    Reuse,
    /// A code is presented once more.
    CodeTwice,
    /// Two pages at a time.
    Pages,
    /// Pages that nothing needs.
    TooManyPages,
    /// The grants are gone and the user refuses, after the last fault is lifted.
    Recovery,
    /// A worker that keeps what it should let go.
    Memory,
    /// A worker that leaves files open.
    Descriptors,
    /// Half a store file.
    Store,
    /// A worker that prints its token.
    Secret,
}
