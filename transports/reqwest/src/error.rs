//! Why a request failed.

use std::error::Error as StdError;

use mcp_reauth::Error;
use mcp_reauth::http::HttpError;

/// Why a request did not go through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Authorization could not be recovered, or the server redirects to where no request may go.
    #[error(transparent)]
    Auth(#[from] Error),
    /// The server could not be reached, or the connection broke.
    #[error(transparent)]
    Connection(#[from] HttpError),
    /// The answer, or an event of it, is longer than this many bytes.
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

/// The authorization error inside an error, however deep: what a failed request was about.
#[must_use]
pub fn find_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut at = Some(error);
    while let Some(error) = at {
        // It passes on the source of what it holds, not what it holds.
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
