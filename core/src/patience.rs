//! How long a caller waits for a server that is unavailable.

use std::time::{Duration, SystemTime};

use crate::http::CALL_TIMEOUT;
use crate::oauth::token::TokenFailure;
use crate::runtime::Runtime;

/// The pause before the second try.
const PAUSE: Duration = Duration::from_millis(200);
/// Within this time both tries are made, where the server answers at once.
const BOTH_TRIES: Duration = Duration::from_millis(500);
/// The pause before the second try, when the first one took most of the time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// A server that takes longer to fail is not asked again: the caller has waited enough, and an answer that is merely
/// late may still arrive.
const SLOW: Duration = Duration::from_secs(2);
/// How long both tries of one request can take.
pub(crate) const LIMIT: Duration =
    Duration::from_secs(CALL_TIMEOUT.as_secs() + SLOW.as_secs() + BOTH_TRIES.as_secs() + 1);

/// The longest time that a server can ask for before a code is sent again. The user has just signed in: telling them to
/// come back later would cost them another page.
pub(crate) const WAIT_WITH_CODE: Duration = Duration::from_secs(5);

/// Asks again, once, when the server is unavailable; but not after `until`: a process or a machine that stood still must
/// not present what another process may have used meanwhile. A server that asks for time is not asked again: the time
/// it asks for is told to the caller.
pub(crate) async fn patiently<T, A>(
    runtime: &dyn Runtime,
    until: Option<SystemTime>,
    ask: impl FnMut() -> A,
) -> Result<T, TokenFailure>
where
    A: Future<Output = Result<T, TokenFailure>>,
{
    patiently_for(Duration::ZERO, runtime, until, ask).await
}

/// As [`patiently`], but a server may ask for so much time before the second try.
pub(crate) async fn patiently_for<T, A>(
    longest: Duration,
    runtime: &dyn Runtime,
    until: Option<SystemTime>,
    mut ask: impl FnMut() -> A,
) -> Result<T, TokenFailure>
where
    A: Future<Output = Result<T, TokenFailure>>,
{
    let begun = runtime.now();
    in_time(runtime, until)?;
    let answer = ask().await;
    let Err(TokenFailure::Transient(trouble)) = &answer else {
        return answer;
    };
    // A clock that was set back tells nothing.
    let took = runtime.now().duration_since(begun).unwrap_or_default();
    let asked = Duration::from_secs(trouble.retry_after.unwrap_or_default());
    if took > SLOW || asked > longest {
        return answer;
    }
    let left = BOTH_TRIES.saturating_sub(took);
    let pause = jittered(PAUSE).min(left).max(SHORTEST_PAUSE);
    // A server that asks for less than it takes to recover is not taken at its word.
    runtime.sleep(pause.max(asked)).await;
    in_time(runtime, until)?;
    ask().await
}

fn in_time(runtime: &dyn Runtime, until: Option<SystemTime>) -> Result<(), TokenFailure> {
    if until.is_some_and(|until| runtime.now() >= until) {
        let detail = "this program stood still for too long".to_owned();
        return Err(TokenFailure::Transient(detail.into()));
    }
    Ok(())
}

/// Up to half as long again, so that a fleet does not come back in step.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness there is merely no jitter.
    let _ = getrandom::fill(&mut byte);
    pause + pause * u32::from(byte[0]) / 512
}
