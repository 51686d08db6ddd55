//! A transient error of another's service, on its way to becoming an error.

use super::{Cause, Error};

/// A transient error of another's service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What happened.
    pub(crate) detail: String,
    /// How many seconds the service asked to wait.
    pub(crate) retry_after: Option<u64>,
    /// How far the request got.
    pub(crate) delivery: Delivery,
    /// What the application's own HTTP client failed by.
    pub(crate) cause: Option<Cause>,
}

/// How far a request got that brought nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// No connection could be made.
    Unsent,
    /// The connection broke: nothing is known of what became of it.
    Broken,
    /// No answer came in time.
    Late,
    /// The server answered.
    #[default]
    Answered,
}

impl Trouble {
    /// The same, of a request that presented a code: that is used up, whatever became of the answer.
    pub(crate) fn of_sign_in(mut self) -> Self {
        if matches!(self.delivery, Delivery::Broken | Delivery::Late) {
            let detail = self.detail;
            self.detail =
                format!("the answer to the sign-in was lost on the way ({detail}). Sign in again");
        }
        self
    }
}

impl From<String> for Trouble {
    fn from(detail: String) -> Self {
        Self {
            detail,
            ..Self::default()
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self {
            cause: error.own_cause().cloned(),
            ..error.to_string().into()
        }
    }
}
