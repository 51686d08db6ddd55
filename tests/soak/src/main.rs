//! The program; all of it is in the library.

use std::process::ExitCode;

#[cfg(unix)]
fn main() -> ExitCode {
    mcp_reauth_soak::main()
}

#[cfg(not(unix))]
fn main() -> ExitCode {
    eprintln!(
        "SKIPPED: the soak stops and kills its workers by signals, which this system has not got"
    );
    ExitCode::SUCCESS
}
