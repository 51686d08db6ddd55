//! Where the server redirects callers that follow redirects themselves.

use crate::sync::{Mutex, lock};

/// How many addresses are remembered.
const MAX_KEPT: usize = 16;

/// Addresses that the server redirected a caller to, within its origin: what is sent to the server with a credential is
/// sent there with it. The last ones.
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
