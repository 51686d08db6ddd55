//! The JSON form of an error.

use serde::{Deserialize, Serialize};

use super::ErrorCode;
use crate::challenge::AuthChallenge;
use crate::scope::ScopeSet;

/// The JSON form of an [`Error`](super::Error): its code, a message for logs, a sentence for the user, and the facts,
/// from which an application can write its own sentences, also in another language. It contains no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ErrorForm {
    /// What kind of error it is.
    pub code: ErrorCode,
    /// What happened, where, and what to do next: for a log and for the program's operator.
    pub message: String,
    /// The same for the user ([`wording::failure`](crate::wording::failure)).
    pub sentence: String,
    /// The MCP server ([`Error::server`](super::Error::server)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The authorization server or identity provider ([`Error::issuer`](super::Error::issuer)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The URL ([`Error::url`](super::Error::url)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The missing scopes ([`Error::scopes`](super::Error::scopes)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<ScopeSet>,
    /// What happened, without the surrounding words ([`Error::detail`](super::Error::detail)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The challenge behind the error ([`Error::challenge`](super::Error::challenge)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<AuthChallenge>,
    /// The URL that the user was sent to, while the callback is pending
    /// ([`Error::authorization_url`](super::Error::authorization_url)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_url: Option<String>,
    /// How many seconds a server asked to wait ([`Error::retry_after`](super::Error::retry_after)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}
