//! Storing what could not be stored at once, and must not be lost.

use std::time::Duration;

use crate::runtime::Runtime;

/// How long it is tried.
const LIMIT: Duration = Duration::from_secs(60);

/// The pause before each try.
const PAUSE: Duration = Duration::from_secs(1);

/// Tries again, once a second and for a minute at most, until `store` says that it is done. Meanwhile the lease is to be
/// held: others would present a refresh token that is used up.
pub(crate) async fn store_at_last<F>(runtime: &dyn Runtime, store: impl Fn() -> F)
where
    F: Future<Output = bool>,
{
    let began = runtime.now();
    let passed = || runtime.now().duration_since(began).unwrap_or_default();
    while passed() < LIMIT {
        runtime.sleep(PAUSE).await;
        if store().await {
            return;
        }
    }
}
