//! The URLs that the server has redirected callers to that follow redirects themselves.

use crate::sync::{Mutex, lock};

/// How many URLs are kept.
const MAX_KEPT: usize = 16;

/// The last URLs, within its origin, that the server redirected a caller to. Requests to them may carry the credential.
#[derive(Default)]
pub(super) struct Redirected(Mutex<Vec<String>>);

impl Redirected {
    pub(super) fn note(&self, target: String) {
        let mut kept = lock(&self.0);
        kept.retain(|known| *known != target);
        kept.push(target);
        if kept.len() > MAX_KEPT {
            kept.remove(0);
        }
    }

    pub(super) fn contains(&self, url: &str) -> bool {
        lock(&self.0).iter().any(|known| known == url)
    }
}
