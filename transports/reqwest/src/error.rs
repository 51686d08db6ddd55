//! Errors of the transport, and how to find an authorization error in them.

use std::error::Error as StdError;

use mcp_reauth::Error;
use mcp_reauth::http::HttpError;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Authorization could not be recovered, or the server redirects to an address that the request must not go to.
    #[error(transparent)]
    Auth(#[from] Error),
    /// The server could not be reached, or the connection broke.
    #[error(transparent)]
    Connection(#[from] HttpError),
    /// The response, or an event in it, is longer than this many bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// Another middleware failed.
    #[cfg(feature = "middleware")]
    #[error(transparent)]
    Middleware(reqwest_middleware::Error),
}

impl From<reqwest::Error> for TransportError {
    fn from(error: reqwest::Error) -> Self {
        Self::Connection(error.into())
    }
}

/// Finds the authorization error inside an error, at any depth.
#[must_use]
pub fn find_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut at = Some(error);
    while let Some(error) = at {
        // `transparent` forwards `source()` to the inner error's source, and so hides the inner error itself.
        if let Some(TransportError::Auth(found)) = error.downcast_ref() {
            return Some(found);
        }
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        #[cfg(feature = "middleware")]
        if let Some(reqwest_middleware::Error::Middleware(inner)) = error.downcast_ref() {
            at = Some(&**inner);
            continue;
        }
        at = error.source();
    }
    None
}
