//! Being told to end: Ctrl-C, and on Unix SIGTERM.

use std::process;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// The exit code after Ctrl-C: 128 and the signal's number.
const INTERRUPTED: u8 = 130;
/// The exit code after SIGTERM.
#[cfg(unix)]
const TERMINATED: u8 = 143;

/// Hears the signals that tell the program to end, each of them once.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: Option<Signal>,
    #[cfg(unix)]
    terminate: Option<Signal>,
}

impl Signals {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        Self {
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt()).ok(),
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate()).ok(),
        }
    }

    /// Waits until the program is told to end.
    #[cfg(unix)]
    pub(crate) async fn told_to_end(&mut self) -> Failure {
        tokio::select! {
            () = heard(&mut self.interrupt) => Failure::Ended(INTERRUPTED),
            () = heard(&mut self.terminate) => Failure::Ended(TERMINATED),
        }
    }

    /// Waits until the program is told to end.
    #[cfg(not(unix))]
    pub(crate) async fn told_to_end(&mut self) -> Failure {
        let _ = tokio::signal::ctrl_c().await;
        Failure::Ended(INTERRUPTED)
    }

    /// From now on the program ends at once when it is told to, even while it prints to a reader that does not read.
    pub(crate) fn end_at_once(mut self) {
        tokio::spawn(async move {
            if let Failure::Ended(code) = self.told_to_end().await {
                process::exit(i32::from(code));
            }
        });
    }
}

#[cfg(unix)]
async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Waits until the program is told to end.
pub(crate) async fn told_to_end() -> Failure {
    Signals::listen().told_to_end().await
}
