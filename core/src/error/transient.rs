//! A transient error of a service, before it becomes an [`Error`].

use super::{Cause, Error};

/// A transient error of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TransientError {
    /// What happened.
    pub(crate) detail: String,
    /// How many seconds the service asked to wait.
    pub(crate) retry_after: Option<u64>,
    /// How far the request got.
    pub(crate) delivery: Delivery,
    /// The error of the application's own HTTP client.
    pub(crate) cause: Option<Cause>,
}

/// How far a failed request got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// No connection could be made.
    Unsent,
    /// The connection broke: whether the server received the request is unknown.
    Broken,
    /// No response arrived in time.
    Late,
    /// The server responded.
    #[default]
    Answered,
}

impl TransientError {
    /// Rewrites the detail for a request that presented a code, which is used up even if the response was lost.
    pub(crate) fn during_sign_in(mut self) -> Self {
        if matches!(self.delivery, Delivery::Broken | Delivery::Late) {
            let detail = self.detail;
            self.detail = format!("the sign-in response was lost ({detail}). Sign in again");
        }
        self
    }
}

impl From<String> for TransientError {
    fn from(detail: String) -> Self {
        Self {
            detail,
            ..Self::default()
        }
    }
}

impl From<Error> for TransientError {
    fn from(error: Error) -> Self {
        Self {
            cause: error.own_cause().cloned(),
            ..error.to_string().into()
        }
    }
}
