//! Which redirects of requests to the MCP server are followed.

use http::{HeaderMap, StatusCode};

use crate::error::Error;
use crate::http::{HttpError, has_userinfo, keeps_method, location, same_origin};

/// How many redirects of one request are followed.
pub(super) const MAX_REDIRECTS: usize = 5;

/// Where a redirect points that keeps method and body (307, 308), if that is within the origin: so far credentials may
/// go.
pub(super) fn target(from: &str, status: StatusCode, headers: &HeaderMap) -> Option<String> {
    if !keeps_method(status) {
        return None;
    }
    let target = location(from, headers)?;
    (same_origin(from, &target) && !has_userinfo(&target)).then_some(target)
}

/// Why a redirect is not followed.
pub(super) fn not_followed(from: &str, headers: &HeaderMap) -> Error {
    let target = location(from, headers);
    HttpError::redirect(target.as_deref().unwrap_or("nowhere")).at(from)
}
