//! Finds errors inside the errors of rmcp.

use std::error::Error as StdError;

use mcp_reauth::Error;
use rmcp::ServiceError;
use rmcp::service::ClientInitializeError;
use rmcp::transport::streamable_http_client::StreamableHttpError;

use crate::TransportError;

/// Finds the authorization error inside an error of rmcp, at any depth.
#[must_use]
pub fn find_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        at = inner(error).or_else(|| error.source());
    }
    None
}

/// Finds the innermost error that rmcp's errors wrap, which has the most useful message.
#[must_use]
pub fn innermost<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut at = error;
    while let Some(next) = inner(at) {
        at = next;
    }
    at
}

/// Returns the error that an rmcp error contains without returning it from `source()`.
fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(ServiceError::TransportSend(inner)) = error.downcast_ref() {
        return Some(&*inner.error);
    }
    if let Some(ClientInitializeError::TransportError { error, .. }) = error.downcast_ref() {
        return Some(&*error.error);
    }
    if let Some(StreamableHttpError::Client(inner)) = error.downcast_ref() {
        let inner: &TransportError = inner;
        return Some(inner);
    }
    match error.downcast_ref() {
        Some(TransportError::Auth(inner)) => Some(inner),
        _ => None,
    }
}
