//! The native part of the npm package `mcp-reauth`: what its TypeScript part (`lib/`) calls, and nothing a user sees.
//!
//! What it does is in `bindings-common`; here are the annotations for Node, the way to call JavaScript, and the promises of
//! answers. See `docs/bindings.md`.

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
