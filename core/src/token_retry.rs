//! Retry policy for token requests.

use std::time::Duration;

use crate::error::{Delivery, TransientError};
use crate::oauth::token::TokenFailure;
use crate::runtime::Runtime;
use crate::store::lease::Lease;

/// The usual pause before the second try.
const PAUSE: Duration = Duration::from_millis(200);
/// Both tries are made within this time, if the server responds at once.
const BOTH_TRIES: Duration = Duration::from_millis(500);
/// The pause before the second try, if the first one took most of the time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
/// A request that took longer to fail is not repeated: the caller has waited long enough, and the response may merely
/// be late.
const SLOW: Duration = Duration::from_secs(2);
/// The longest Retry-After that is waited for before a code is sent again. The user has just signed in: a failure now
/// would cost another sign-in page.
const WAIT_WITH_CODE: Duration = Duration::from_secs(5);

/// Runs a token request, and repeats it once after a transient error, but only while the lease is held: after a
/// suspension, a process must not present a token that another process may have used meanwhile. If the server sent
/// Retry-After, the request is not repeated, and the caller is told the delay.
pub(crate) async fn retry_once<T, A>(
    runtime: &dyn Runtime,
    lease: Option<&Lease>,
    ask: impl FnMut() -> A,
) -> Result<T, TokenFailure>
where
    A: Future<Output = Result<T, TokenFailure>>,
{
    in_time(lease).await?;
    let at_once = |trouble: &TransientError| trouble.retry_after.unwrap_or_default() == 0;
    let wait = |trouble: &TransientError| at_once(trouble).then_some(Duration::ZERO);
    let again = async || in_time(lease).await;
    twice(runtime, wait, again, ask).await
}

/// Presents a code, which may be used once (RFC 6749 section 4.1.2). Repeats the request, once, only if the code cannot
/// have been used: no connection was made, or the server sent Retry-After.
pub(crate) async fn once<T, A>(
    runtime: &dyn Runtime,
    ask: impl FnMut() -> A,
) -> Result<T, TokenFailure>
where
    A: Future<Output = Result<T, TokenFailure>>,
{
    let wait = |trouble: &TransientError| match (trouble.delivery, trouble.retry_after) {
        (Delivery::Unsent, _) => Some(Duration::ZERO),
        (Delivery::Answered, Some(seconds)) => Some(Duration::from_secs(seconds)),
        _ => None,
    };
    let wait = |trouble: &TransientError| wait(trouble).filter(|wait| *wait <= WAIT_WITH_CODE);
    twice(runtime, wait, async || Ok(()), ask).await
}

/// Repeats a request, once, after a transient error for which `wait` returns the shortest delay, if `again` agrees
/// then.
async fn twice<T, A>(
    runtime: &dyn Runtime,
    wait: impl Fn(&TransientError) -> Option<Duration>,
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
    // If the clock was set back, the elapsed time counts as zero.
    let took = runtime.now().duration_since(begun).unwrap_or_default();
    let Some(asked) = wait(trouble).filter(|_| took <= SLOW) else {
        return answer;
    };
    let left = BOTH_TRIES.saturating_sub(took);
    let pause = jittered(PAUSE).min(left).max(SHORTEST_PAUSE);
    // A Retry-After that is shorter than the pause does not shorten it.
    runtime.sleep(pause.max(asked)).await;
    again().await?;
    ask().await
}

async fn in_time(lease: Option<&Lease>) -> Result<(), TokenFailure> {
    if let Some(lease) = lease
        && !lease.is_held().await
    {
        let detail = "this program was suspended for too long".to_owned();
        return Err(TokenFailure::Transient(detail.into()));
    }
    Ok(())
}

/// Adds up to half of the pause, so that many clients do not retry at the same time.
fn jittered(pause: Duration) -> Duration {
    let mut byte = [0_u8; 1];
    // Without randomness there is no jitter.
    let _ = getrandom::fill(&mut byte);
    pause + pause * u32::from(byte[0]) / 512
}
