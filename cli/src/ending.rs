//! The end of a command, which a token that is on its way reaches the store before.

use std::time::Duration;

use mcp_reauth::AuthSession;

use crate::failure::Failure;
use crate::output;
use crate::signal::Signals;

/// How long a program that is told to end waits for a token that is on its way: longer than a call may take.
const SETTLE_LIMIT: Duration = Duration::from_secs(25);
/// After how long it says what it waits for.
const NOTICE_AFTER: Duration = Duration::from_secs(1);

/// Runs `work`, and `finish` on what came of it, unless the program is told to end first.
pub(crate) async fn interruptible<T, R>(
    session: &AuthSession,
    work: impl Future<Output = Result<T, Failure>>,
    finish: impl AsyncFnOnce(T) -> Result<R, Failure>,
) -> Result<R, Failure> {
    // The signals are listened to before the work begins.
    let mut signals = Signals::listen();
    tokio::select! {
        biased;
        code = signals.told_to_end() => Err(end(session, &mut signals, code).await),
        ended = work => {
            signals.end_at_once();
            let ended = match ended {
                Ok(done) => finish(done).await,
                Err(failure) => Err(failure.at(session.server())),
            };
            // Renewals go on after the callers that wanted them have given up.
            settled(session).await;
            ended
        }
    }
}

/// How a program ends that is told to.
async fn end(session: &AuthSession, signals: &mut Signals, code: u8) -> Failure {
    tokio::select! {
        biased;
        () = settled(session) => Failure::Ended(code),
        () = tokio::time::sleep(SETTLE_LIMIT) => Failure::EndedEarly(code),
        _ = signals.told_to_end() => Failure::EndedEarly(code),
    }
}

/// Waits until no token is on its way to the store, and says so where that takes long.
async fn settled(session: &AuthSession) {
    tokio::select! {
        biased;
        () = session.settle() => return,
        () = tokio::time::sleep(NOTICE_AFTER) => {}
    }
    output::say(format_args!(
        "mcp-reauth: a new token for {} may be on its way, and the old one used up: waiting for it (Ctrl-C ends this, and may lose it)",
        session.server()
    ));
    session.settle().await;
}
