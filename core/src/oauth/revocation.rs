//! Token revocation (RFC 7009).

use serde::{Deserialize, Serialize};

/// What happened to the tokens at their server at sign-out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// The tokens are revoked.
    Done,
    /// There was nothing to revoke.
    Nothing,
    /// The server does not revoke tokens; the access token stays valid until it expires.
    NotOffered,
    /// The server could not be reached, or refused; the tokens may stay valid until they expire.
    Failed,
}
