//! The JSON form of an error.

use serde::{Deserialize, Serialize};

use super::ErrorCode;
use crate::challenge::AuthChallenge;
use crate::scope::ScopeSet;

/// The form of an [`Error`](super::Error): its code, what people and logs are told, and the facts, from which an application can make
/// sentences of its own, in another language. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ErrorForm {
    /// What kind of error it is.
    pub code: ErrorCode,
    /// What happened, where, and what to do next: for a log and for the program's operator.
    pub message: String,
    /// The same for the person who uses it ([`wording::failure`](crate::wording::failure)).
    pub sentence: String,
    /// The MCP server ([`Error::server`](super::Error::server)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The authorization server or identity provider ([`Error::issuer`](super::Error::issuer)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The address ([`Error::url`](super::Error::url)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The scopes that are missing ([`Error::scopes`](super::Error::scopes)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<ScopeSet>,
    /// What happened, without the words around it ([`Error::detail`](super::Error::detail)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The challenge behind it ([`Error::challenge`](super::Error::challenge)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<AuthChallenge>,
    /// Where a person was sent, whose answer is still to come ([`Error::authorization_url`](super::Error::authorization_url)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_url: Option<String>,
    /// How many seconds a server asked to wait ([`Error::retry_after`](super::Error::retry_after)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}
