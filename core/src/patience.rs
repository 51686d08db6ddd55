//! How long a caller waits for a server that is unavailable.

use std::time::Duration;

use crate::error::{Delivery, Trouble};
use crate::oauth::token::TokenFailure;
use crate::runtime::Runtime;
use crate::store::lease::Lease;

/// The pause before the second try.
const PAUSE: Duration = Duration::from_millis(200);
/// Within this time both tries are made, where the server answers at once.
const BOTH_TRIES: Duration = Duration::from_millis(500);
/// The pause before the second try, when the first one took most of the time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// A server that takes longer to fail is not asked again: the caller has waited enough, and an answer that is merely
/// late may still arrive.
const SLOW: Duration = Duration::from_secs(2);
/// The longest time that a server can ask for before a code is sent again. The user has just signed in: telling them to
/// come back later would cost them another page.
const WAIT_WITH_CODE: Duration = Duration::from_secs(5);

/// Asks again, once, when the server is unavailable; but only while the lease is held: a process or a machine that stood
/// still must not present what another process may have used meanwhile. A server that asks for time is not asked again: the time
/// it asks for is told to the caller.
pub(crate) async fn patiently<T, A>(
    runtime: &dyn Runtime,
    lease: Option<&Lease>,
    ask: impl FnMut() -> A,
) -> Result<T, TokenFailure>
where
    A: Future<Output = Result<T, TokenFailure>>,
{
    in_time(lease).await?;
    let at_once = |trouble: &Trouble| trouble.retry_after.unwrap_or_default() == 0;
    let wait = |trouble: &Trouble| at_once(trouble).then_some(Duration::ZERO);
    let again = async || in_time(lease).await;
    twice(runtime, wait, again, ask).await
}

/// Presents a code, which is good for one request (RFC 6749 section 4.1.2): again, once, only where it cannot have been
/// used, since no connection could be made or the server asks to come back.
pub(crate) async fn once<T, A>(
    runtime: &dyn Runtime,
    ask: impl FnMut() -> A,
) -> Result<T, TokenFailure>
where
    A: Future<Output = Result<T, TokenFailure>>,
{
    let wait = |trouble: &Trouble| match (trouble.delivery, trouble.retry_after) {
        (Delivery::Unsent, _) => Some(Duration::ZERO),
        (Delivery::Answered, Some(seconds)) => Some(Duration::from_secs(seconds)),
        _ => None,
    };
    let wait = |trouble: &Trouble| wait(trouble).filter(|wait| *wait <= WAIT_WITH_CODE);
    twice(runtime, wait, async || Ok(()), ask).await
}

/// Asks again, once, after a transient error for which `wait` gives the shortest wait; and if `again` agrees then.
async fn twice<T, A>(
    runtime: &dyn Runtime,
    wait: impl Fn(&Trouble) -> Option<Duration>,
    again: impl AsyncFnOnce() -> Result<(), TokenFailure>,
    mut ask: impl FnMut() -> A,
) -> Result<T, TokenFailure>
where
    A: Future<Output = Result<T, TokenFailure>>,
{
    let begun = runtime.now();
    let answer = ask().await;
    let Err(TokenFailure::Transient(trouble)) = &answer else {
        return answer;
    };
    // A clock that was set back tells nothing.
    let took = runtime.now().duration_since(begun).unwrap_or_default();
    let Some(asked) = wait(trouble).filter(|_| took <= SLOW) else {
        return answer;
    };
    let left = BOTH_TRIES.saturating_sub(took);
    let pause = jittered(PAUSE).min(left).max(SHORTEST_PAUSE);
    // A server that asks for less than it takes to recover is not taken at its word.
    runtime.sleep(pause.max(asked)).await;
    again().await?;
    ask().await
}

async fn in_time(lease: Option<&Lease>) -> Result<(), TokenFailure> {
    if let Some(lease) = lease
        && !lease.is_held().await
    {
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
