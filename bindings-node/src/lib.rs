//! The native part of the npm package `mcp-reauth`: what its TypeScript part (`lib/`) calls, and nothing a user sees.
//!
//! Data crosses in its JSON form, as text, which is the same in every language. What an operation came to is an
//! `answer`; what the application does for a session is asked for over the `bridge`. See `docs/bindings.md`.

mod answer;
mod authorization;
mod bridge;
mod cancel;
mod check;
mod fetch;
mod host;
mod loopback;
mod options;
mod public;
mod request;
mod session;
mod store;
#[cfg(feature = "testing")]
mod testing;
mod text;
