//! Ending tokens at their server (RFC 7009).

use serde::{Deserialize, Serialize};

/// What became of the tokens at their server when signing out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Revocation {
    /// They are revoked.
    Done,
    /// There was nothing to revoke.
    Nothing,
    /// The server does not revoke tokens; the access token is good there until it expires.
    NotOffered,
    /// The server could not be told, or refused; they may be good there until they expire.
    Failed,
}
