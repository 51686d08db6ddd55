//! Errors of the application's own code.

use std::error::Error as StdError;
use std::fmt;

use mcp_reauth::Error;
use mcp_reauth::http::HttpError;
use serde::Deserialize;

/// An exception of the application, by the number under which its binding keeps it.
#[derive(Debug)]
pub(crate) struct Thrown(pub(crate) u32);

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an exception of the application")
    }
}

impl StdError for Thrown {}

/// Why a call to the application failed.
#[derive(Debug, Deserialize)]
pub(crate) struct CallFailure {
    pub(crate) message: String,
    /// The user or the application cancelled it.
    #[serde(default)]
    cancelled: bool,
    /// Certainly nothing was sent to a server.
    #[serde(default)]
    unsent: bool,
    thrown: Option<u32>,
}

impl CallFailure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            cancelled: false,
            unsent: false,
            thrown: None,
        }
    }

    /// Converts it to an error of the application's host.
    pub(crate) fn host(self) -> Error {
        match self.cancelled {
            true => Error::Cancelled {
                what: "Signing in or granting access",
            },
            false => self.into(Error::host),
        }
    }

    /// Converts it to an error of the application's store.
    pub(crate) fn store(self) -> Error {
        self.into(Error::store)
    }

    /// Converts it to an error of the application's HTTP client.
    pub(crate) fn http(self) -> HttpError {
        let error = match self.unsent {
            true => HttpError::unreachable(self.message),
            false => HttpError::broken(self.message),
        };
        match self.thrown {
            Some(id) => error.caused_by(Thrown(id)),
            None => error,
        }
    }

    fn into(self, error: impl FnOnce(String) -> Error) -> Error {
        let error = error(self.message);
        match self.thrown {
            Some(id) => error.caused_by(Thrown(id)),
            None => error,
        }
    }
}
