//! Ends a command only after a pending token has reached the store.

use std::time::Duration;

use mcp_reauth::AuthSession;

use crate::failure::Failure;
use crate::output;
use crate::signal::Signals;

/// How long a signalled program waits for a pending token: longer than a call may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(25);
/// The delay before the program prints what it waits for.
const NOTICE_AFTER: Duration = Duration::from_secs(1);

/// Runs `work`, then `finish` on its result, unless a signal ends the program first.
pub(crate) async fn interruptible<T, R>(
    session: &AuthSession,
    work: impl Future<Output = Result<T, Failure>>,
    finish: impl AsyncFnOnce(T) -> Result<R, Failure>,
) -> Result<R, Failure> {
    // Listens for signals before the work begins.
    let mut signals = Signals::listen();
    tokio::select! {
        biased;
        code = signals.wait_for_signal() => Err(end(session, &mut signals, code).await),
        ended = work => {
            signals.end_at_once();
            let ended = match ended {
                Ok(done) => finish(done).await,
                Err(failure) => Err(failure.at(session.server())),
            };
            // Renewals continue after their callers have given up.
            settled(session).await;
            ended
        }
    }
}

/// Ends the program after a signal.
async fn end(session: &AuthSession, signals: &mut Signals, code: u8) -> Failure {
    tokio::select! {
        biased;
        () = settled(session) => Failure::Ended(code),
        () = tokio::time::sleep(SETTLE_LIMIT) => Failure::EndedEarly(code),
        _ = signals.wait_for_signal() => Failure::EndedEarly(code),
    }
}

/// Waits until no token is pending, and prints a notice if that takes long.
async fn settled(session: &AuthSession) {
    tokio::select! {
        biased;
        () = session.settle() => return,
        () = tokio::time::sleep(NOTICE_AFTER) => {}
    }
    output::say(format_args!(
        "mcp-reauth: a token request for {} is pending, and the old token may be used up: waiting (Ctrl-C ends this, and may lose the new token)",
        session.server()
    ));
    session.settle().await;
}
