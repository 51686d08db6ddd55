//! Keeps an MCP client's session alive when the server stops accepting its credentials.
//!
//! A server may answer any request with 401 (token missing, expired, revoked) or 403 `insufficient_scope`.
//! Every way a session can lose its authorization is one typed [`AuthChallenge`], goes through one entry point
//! ([`AuthSession::handle_auth_challenge`]), is decided by one pure function ([`recovery::next_step`]), and ends
//! in one of four [`Outcome`]s.
//!
//! Start with [`AuthSession::builder`]. An application implements [`AuthHost`], or uses the ready-made
//! [`TerminalHost`](loopback::TerminalHost). A transport drives an [`mcp::Exchange`]: the crate `mcp-reauth-rmcp` does
//! so for the official Rust SDK, `mcp-reauth-reqwest` for reqwest.

mod callback;
pub mod challenge;
mod client;
mod credentials;
mod defaults;
pub mod enterprise;
mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod grant;
pub mod host;
pub mod http;
mod issuer;
pub mod jose;
mod limits;
#[cfg(feature = "loopback")]
pub mod loopback;
pub mod mcp;
mod oauth;
mod policy;
pub mod recovery;
pub mod runtime;
mod scope;
mod secret;
mod session;
mod settings;
mod signal;
pub mod store;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
mod threads;
mod token_retry;
#[cfg(any(all(test, feature = "jwt"), feature = "vectors"))]
#[doc(hidden)]
pub mod vectors;
pub mod wire;
pub mod wording;

pub use callback::CallbackParams;
pub use challenge::{AuthChallenge, Operation, Reason};
pub use client::{Client, SecretMethod};
pub use credentials::Credentials;
pub use enterprise::{IdentityProvider, IdpSession};
pub use error::{Cause, Error, ErrorCode, UnknownErrorCode};
pub use host::{AuthHost, Event, WorkloadIdentity};
#[cfg(feature = "jwt")]
pub use jose::PrivateKey;
pub use jose::SigningKey;
pub use oauth::authorization::is_from_issuer;
pub use oauth::revocation::Revocation;
pub use policy::{Dpop, OnInsufficientScope, Policy};
pub use recovery::Trigger;
pub use runtime::Runtime;
#[cfg(feature = "tokio")]
pub use runtime::TokioRuntime;
pub use scope::ScopeSet;
pub use secret::Secret;
pub use session::{
    AuthSession, AuthSessionBuilder, AuthState, Authorization, ConnectionState, FailedCredential,
    HandleOptions, Outcome, Recovery, RequestCredential, ResourceRequest, StoredCredential,
    is_satisfied,
};
pub use settings::Settings;
#[cfg(feature = "file-store")]
pub use store::FileStore;
pub use store::{LocalLeases, MemoryStore, RecordStore, TokenStore};
pub use threads::{BoxFuture, MaybeSend, MaybeSync};
