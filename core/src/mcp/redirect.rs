//! Which redirects of requests to the MCP server are followed.

use http::{HeaderMap, StatusCode};

use crate::error::Error;
use crate::http::{HttpError, has_userinfo, keeps_method, location, same_origin};

/// The maximum number of redirects of one request.
pub(super) const MAX_REDIRECTS: usize = 5;

/// Returns the target of a redirect that keeps method and body (307, 308), if it is within the origin, where
/// credentials may be sent.
pub(super) fn target(from: &str, status: StatusCode, headers: &HeaderMap) -> Option<String> {
    if !keeps_method(status) {
        return None;
    }
    let target = location(from, headers)?;
    (same_origin(from, &target) && !has_userinfo(&target)).then_some(target)
}

/// Returns the error for a redirect that is not followed.
pub(super) fn not_followed(from: &str, headers: &HeaderMap) -> Error {
    let target = location(from, headers);
    HttpError::redirect(target.as_deref().unwrap_or("nowhere")).at(from)
}
