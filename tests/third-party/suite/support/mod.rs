//! What the tests have in common.

pub(crate) mod npm;
mod page;
mod person;
mod program;
mod servers;
#[path = "../../../../cli/tests/common/tested.rs"]
mod tested;
mod world;

use std::time::Duration;

pub(crate) use program::Program;
pub(crate) use servers::Servers;
pub(crate) use world::{Mood, Person, USER, World, find};

/// How long anything may take. Only a test that fails ever waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits for something that is going to happen.
#[track_caller]
pub(crate) fn soon<T>(what: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        tokio::time::timeout(PATIENCE, what)
            .await
            .unwrap_or_else(|_| panic!("{place}: waited for too long"))
    }
}

/// Waits until it is so.
#[track_caller]
pub(crate) fn until(mut is_so: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    soon(async move {
        while !is_so().await {
            tokio::time::sleep(PAUSE).await;
        }
    })
}

/// A client for the tests' own requests, as for a browser: it follows no redirect by itself.
pub(crate) fn http() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}
