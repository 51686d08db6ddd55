//! The HTTP client and the runtime of a session: the given ones, or the defaults of this build.

#[cfg(feature = "tokio")]
use std::panic::catch_unwind;
use std::sync::Arc;
#[cfg(feature = "tokio")]
use std::time::Duration;

use crate::error::Error;
use crate::http::{Guard, GuardedClient, HttpClient};
use crate::runtime::Runtime;

/// Returns the given HTTP client and runtime, or the defaults of this build.
pub(crate) fn defaults(
    http: Option<Arc<dyn HttpClient>>,
    runtime: Option<Arc<dyn Runtime>>,
    guard: Guard,
) -> Result<(GuardedClient, Arc<dyn Runtime>), Error> {
    let runtime = runtime.map_or_else(default_runtime, Ok)?;
    let http = http.map_or_else(default_http, Ok)?;
    Ok((
        GuardedClient::new(http, Arc::clone(&runtime), guard),
        runtime,
    ))
}

#[cfg(feature = "tokio")]
fn default_runtime() -> Result<Arc<dyn Runtime>, Error> {
    if tokio::runtime::Handle::try_current().is_err() {
        return Err(Error::config(
            "a session is opened within a tokio runtime, or is given a runtime of its own (`runtime`)",
        ));
    }
    // Only a panic shows that a runtime has no timers.
    let timers = catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO)));
    timers.map_err(|_| {
        Error::config("a session needs the timers of its tokio runtime: build it with enable_time")
    })?;
    Ok(Arc::new(crate::runtime::TokioRuntime))
}

#[cfg(not(feature = "tokio"))]
fn default_runtime() -> Result<Arc<dyn Runtime>, Error> {
    Err(Error::config(
        "no runtime was given, and this build has none of its own",
    ))
}

#[cfg(feature = "reqwest")]
#[allow(clippy::unnecessary_wraps)]
fn default_http() -> Result<Arc<dyn HttpClient>, Error> {
    Ok(Arc::new(crate::http::SharedClient::default()))
}

#[cfg(not(feature = "reqwest"))]
fn default_http() -> Result<Arc<dyn HttpClient>, Error> {
    Err(Error::config(
        "no HTTP client was given, and this build has none of its own",
    ))
}
