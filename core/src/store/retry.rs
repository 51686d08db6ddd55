//! Retries a write that failed and must not be lost.

use std::time::Duration;

use crate::runtime::Runtime;

/// How long to try.
const LIMIT: Duration = Duration::from_secs(60);

/// The pause before each try.
const PAUSE: Duration = Duration::from_secs(1);

/// Tries again, once a second and for a minute at most, until `store` returns true. The caller must hold the lease
/// meanwhile: other sessions would present a refresh token that is used up.
pub(crate) async fn retry_store<F>(runtime: &dyn Runtime, store: impl Fn() -> F)
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
