//! The error of an application's own component.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// The error of an application's own component. Two are equal if they are the same object.
#[derive(Clone)]
pub struct Cause(pub(super) Arc<dyn StdError + Send + Sync>);

impl Cause {
    /// Wraps an error.
    #[must_use]
    pub fn new(error: impl StdError + Send + Sync + 'static) -> Self {
        Self(Arc::new(error))
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Cause {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Shows nothing of the error: an application's error is not meant for logs, and an HTTP client's may quote a token.
impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cause(..)")
    }
}

impl StdError for Cause {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
