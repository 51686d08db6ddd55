//! The JSON forms in which what happens here crosses to other languages, processes and pages.
//!
//! Challenges, outcomes and events are their own forms ([`AuthChallenge`],
//! [`Outcome`](crate::Outcome), [`Event`](crate::Event)); an error is written as [`ErrorForm`], and read as
//! [`Error::Told`]. Names are in camelCase, and what is
//! absent is left out.

#[cfg(feature = "schema")]
mod schema;

use serde::{Deserialize, Serialize};

use crate::challenge::AuthChallenge;
use crate::error::{Error, ErrorCode};
use crate::scope::ScopeSet;
use crate::wording;

#[cfg(feature = "schema")]
#[cfg_attr(docsrs, doc(cfg(feature = "schema")))]
pub use schema::schema;

/// The form of an [`Error`]: its code, what people and logs are told, and the facts, from which an application can make
/// sentences of its own, in another language. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ErrorForm {
    /// What kind of error it is.
    pub code: ErrorCode,
    /// What happened, where, and what to do next: for a log and for who runs the program.
    pub message: String,
    /// The same for the person who uses it ([`wording::failure`]).
    pub sentence: String,
    /// The MCP server ([`Error::server`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The authorization server or identity provider ([`Error::issuer`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The address ([`Error::url`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The scopes that are missing ([`Error::scopes`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<ScopeSet>,
    /// What happened, without the words around it ([`Error::detail`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The challenge behind it ([`Error::challenge`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<AuthChallenge>,
    /// Where a person was sent, whose answer is still to come ([`Error::authorization_url`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_url: Option<String>,
    /// How many seconds a server asked to wait ([`Error::retry_after`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

impl From<&Error> for ErrorForm {
    fn from(error: &Error) -> Self {
        if let Error::Told(form) = error {
            return Self::clone(form);
        }
        Self {
            code: error.code(),
            message: error.to_string(),
            sentence: wording::failure(error),
            server: error.server().map(str::to_owned),
            issuer: error.issuer().map(str::to_owned),
            url: error.url().map(str::to_owned),
            scopes: error.scopes().cloned(),
            detail: error.detail().map(str::to_owned),
            challenge: error.challenge().cloned(),
            authorization_url: error.authorization_url().map(str::to_owned),
            retry_after: error.retry_after(),
        }
    }
}
