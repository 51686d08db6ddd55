//! The native part of the npm package `mcp-reauth`. Its TypeScript part (`lib/`) calls it; users never see it.
//!
//! The behaviour is in `bindings-common`. This crate has the napi annotations, the calls of JavaScript, and the
//! promises of answers. See `docs/bindings.md`.

mod authorization;
mod bridge;
mod cancel;
mod exchange;
mod loopback;
mod promise;
mod request;
mod session;
mod store;
#[cfg(feature = "testing")]
mod testing;
mod text;
