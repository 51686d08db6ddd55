//! Functions for all tests.

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

/// The limit for any wait. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two checks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits for something that must happen.
#[track_caller]
pub(crate) fn soon<T>(what: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        tokio::time::timeout(PATIENCE, what)
            .await
            .unwrap_or_else(|_| panic!("{place}: waited for too long"))
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn until(mut is_so: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    soon(async move {
        while !is_so().await {
            tokio::time::sleep(PAUSE).await;
        }
    })
}

/// A client for the tests' own requests, and for a browser: it follows no redirects.
pub(crate) fn http() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
}
