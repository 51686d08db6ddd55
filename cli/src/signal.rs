//! Termination signals: Ctrl-C, and on Unix SIGTERM and SIGHUP.

use std::process;
#[cfg(unix)]
use std::sync::LazyLock;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// The exit code after Ctrl-C: 128 plus the signal's number.
const INTERRUPTED: u8 = 130;
/// The exit code after SIGTERM.
#[cfg(unix)]
const TERMINATED: u8 = 143;

/// The exit code after SIGHUP, which a closing terminal sends.
#[cfg(unix)]
const HUNG_UP: u8 = 129;

/// Receives the signals that ask the program to exit.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: Option<Signal>,
    #[cfg(unix)]
    terminate: Option<Signal>,
    #[cfg(unix)]
    hang_up: Option<Signal>,
}

impl Signals {
    /// Starts to listen.
    pub(crate) fn listen() -> Self {
        Self {
            #[cfg(unix)]
            interrupt: signal(SignalKind::interrupt()).ok(),
            #[cfg(unix)]
            terminate: signal(SignalKind::terminate()).ok(),
            #[cfg(unix)]
            hang_up: hang_up(),
        }
    }

    /// Waits for a signal, and returns the exit code for it.
    #[cfg(unix)]
    pub(crate) async fn wait_for_signal(&mut self) -> u8 {
        tokio::select! {
            () = heard(&mut self.interrupt) => INTERRUPTED,
            () = heard(&mut self.terminate) => TERMINATED,
            () = heard(&mut self.hang_up) => HUNG_UP,
        }
    }

    /// Waits for a signal, and returns the exit code for it.
    #[cfg(not(unix))]
    pub(crate) async fn wait_for_signal(&mut self) -> u8 {
        let _ = tokio::signal::ctrl_c().await;
        INTERRUPTED
    }

    /// Exits immediately at the next signal, even while the program is blocked writing to a full pipe.
    pub(crate) fn end_at_once(mut self) {
        tokio::spawn(async move {
            let code = self.wait_for_signal().await;
            process::exit(i32::from(code));
        });
    }
}

/// Listens for SIGHUP, unless it is ignored. Decided once, because listening replaces the ignored state.
#[cfg(unix)]
fn hang_up() -> Option<Signal> {
    static IGNORED: LazyLock<bool> = LazyLock::new(ignores_hang_up);
    if *IGNORED {
        return None;
    }
    signal(SignalKind::hangup()).ok()
}

/// Whether the program was started with SIGHUP ignored, as by `nohup`. Only Linux says so.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The lowest bit stands for signal 1, SIGHUP.
    ignored.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(unix)]
async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Waits for a signal.
pub(crate) async fn wait_for_signal() -> Failure {
    Failure::Ended(Signals::listen().wait_for_signal().await)
}
