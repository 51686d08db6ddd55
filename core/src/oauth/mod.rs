//! The legs of the protocol, one file each. They know nothing of sessions, stores or retries.

pub(crate) mod answer;
pub(crate) mod authorization;
pub(crate) mod client;
pub(crate) mod client_auth;
pub(crate) mod clock;
pub(crate) mod discovery;
pub(crate) mod document;
pub(crate) mod dpop;
mod freshness;
pub(crate) mod id_token;
pub(crate) mod known;
mod lenient;
pub(crate) mod metadata;
pub(crate) mod registration;
pub(crate) mod revocation;
pub(crate) mod token;
mod tokens;
