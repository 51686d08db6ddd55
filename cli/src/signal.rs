//! Being told to end: Ctrl-C, and on Unix SIGTERM and SIGHUP.

use std::process;
#[cfg(unix)]
use std::sync::LazyLock;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// The exit code after Ctrl-C: 128 and the signal's number.
const INTERRUPTED: u8 = 130;
/// The exit code after SIGTERM.
#[cfg(unix)]
const TERMINATED: u8 = 143;

/// The exit code after SIGHUP, which a terminal sends that goes away.
#[cfg(unix)]
const HUNG_UP: u8 = 129;

/// Hears the signals that tell the program to end, each of them once.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: Option<Signal>,
    #[cfg(unix)]
    terminate: Option<Signal>,
    #[cfg(unix)]
    hang_up: Option<Signal>,
}

impl Signals {
    /// Listens from now on.
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

    /// Waits until the program is told to end; the exit code for that.
    #[cfg(unix)]
    pub(crate) async fn told_to_end(&mut self) -> u8 {
        tokio::select! {
            () = heard(&mut self.interrupt) => INTERRUPTED,
            () = heard(&mut self.terminate) => TERMINATED,
            () = heard(&mut self.hang_up) => HUNG_UP,
        }
    }

    /// Waits until the program is told to end; the exit code for that.
    #[cfg(not(unix))]
    pub(crate) async fn told_to_end(&mut self) -> u8 {
        let _ = tokio::signal::ctrl_c().await;
        INTERRUPTED
    }

    /// From now on the program ends at once when it is told to, even while it prints to a reader that does not read.
    pub(crate) fn end_at_once(mut self) {
        tokio::spawn(async move {
            let code = self.told_to_end().await;
            process::exit(i32::from(code));
        });
    }
}

/// What a terminal sends that goes away, unless that is to be ignored. Once it is listened for, it is not any more.
#[cfg(unix)]
fn hang_up() -> Option<Signal> {
    static IGNORED: LazyLock<bool> = LazyLock::new(ignores_hang_up);
    if *IGNORED {
        return None;
    }
    signal(SignalKind::hangup()).ok()
}

/// Whether the program was started to outlive its terminal (SIGHUP ignored, as by `nohup`). Only Linux tells.
#[cfg(unix)]
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first bit stands for the first signal, which is SIGHUP.
    ignored.is_some_and(|mask| mask & 1 == 1)
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
    Failure::Ended(Signals::listen().told_to_end().await)
}
