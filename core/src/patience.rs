//! How long a server in trouble is borne with.

use std::time::{Duration, SystemTime};

use crate::http::CALL_TIMEOUT;
use crate::oauth::token::TokenFailure;
use crate::runtime::Runtime;

/// How often a token request is made at the most when the server is in passing trouble.
const TRIES: u32 = 3;
/// The longest pause between tries. A server that wants a longer one is not waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long all tries of one request can take.
pub(crate) const LIMIT: Duration = Duration::from_secs(
    CALL_TIMEOUT.as_secs() * TRIES as u64 + LONGEST_PAUSE.as_secs() * (TRIES as u64 - 1),
);

/// Asks again while the server is in passing trouble, a few times; but not after `until`: a process or a machine that
/// stood still must not present what a sibling may have used meanwhile.
pub(crate) async fn patiently<T, A>(
    runtime: &dyn Runtime,
    until: Option<SystemTime>,
    mut ask: impl FnMut() -> A,
) -> Result<T, TokenFailure>
where
    A: Future<Output = Result<T, TokenFailure>>,
{
    let mut pause = Duration::from_millis(250);
    for attempt in 1.. {
        if until.is_some_and(|until| runtime.now() >= until) {
            let detail = "this program stood still for too long".to_owned();
            return Err(TokenFailure::Transient(detail.into()));
        }
        let answer = ask().await;
        let Err(TokenFailure::Transient(trouble)) = &answer else {
            return answer;
        };
        // A server that asks for less than it takes to recover is not taken at its word.
        let asked = trouble
            .retry_after
            .map(Duration::from_secs)
            .unwrap_or_default();
        let wait = asked.max(jittered(pause));
        if attempt == TRIES || wait > LONGEST_PAUSE {
            return answer;
        }
        runtime.sleep(wait).await;
        pause *= 3;
    }
    unreachable!("the last try returns")
}

/// Up to half as long again, so that a fleet does not come back in step.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness there is merely no jitter.
    let _ = getrandom::fill(&mut byte);
    pause + pause * u32::from(byte[0]) / 512
}
