//! Being told to end: Ctrl-C, and on Unix SIGTERM.

use crate::failure::Failure;

/// The exit code after Ctrl-C: 128 and the signal's number.
const INTERRUPTED: u8 = 130;
/// The exit code after SIGTERM.
#[cfg(unix)]
const TERMINATED: u8 = 143;

/// Waits until the program is told to end.
pub(crate) async fn told_to_end() -> Failure {
    #[cfg(unix)]
    if let Ok(mut terminate) =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
    {
        return tokio::select! {
            _ = tokio::signal::ctrl_c() => Failure::Ended(INTERRUPTED),
            _ = terminate.recv() => Failure::Ended(TERMINATED),
        };
    }
    let _ = tokio::signal::ctrl_c().await;
    Failure::Ended(INTERRUPTED)
}
