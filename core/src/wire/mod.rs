//! The JSON forms that cross to other languages, processes and pages.
//!
//! Challenges, outcomes and events are their own forms ([`AuthChallenge`](crate::AuthChallenge),
//! [`Outcome`](crate::Outcome), [`Event`](crate::Event)); an error is written as [`ErrorForm`], and read as
//! [`Error::Received`]. Names are in camelCase; absent values are left out.

#[cfg(feature = "schema")]
mod schema;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::error::Error;
use crate::wording;

pub use crate::error::ErrorForm;

#[cfg(feature = "schema")]
pub use schema::schema;

impl From<&Error> for ErrorForm {
    fn from(error: &Error) -> Self {
        if let Error::Received(form) = error {
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

/// Serializes the [form](ErrorForm) of the error.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ErrorForm::from(self).serialize(serializer)
    }
}

/// The code of a JSON-RPC error that represents an [`Error`]: in the range for implementations (JSON-RPC 2.0 section
/// 5.1), and not used by MCP or its SDKs, so that a refusal is not taken for a timeout and retried.
const JSON_RPC_CODE: i64 = -32080;

impl Error {
    /// Returns the error response to the JSON-RPC request `id`, for transports that have no other way to report an
    /// error. Its `data` is the error's [form](ErrorForm).
    #[must_use]
    pub fn to_json_rpc(&self, id: &Value) -> Value {
        json!({
            "jsonrpc": "2.0",
            "id": id,
            "error": { "code": JSON_RPC_CODE, "message": self.to_string(), "data": self },
        })
    }
}
