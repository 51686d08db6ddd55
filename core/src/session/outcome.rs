//! The result of handling a challenge, for the host that passed it in and for the request that received it.

use serde::{Deserialize, Serialize};

use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::recovery::Trigger;
use crate::session::held::credential::Authorization;

/// Options that a host passes with a challenge.
#[derive(Debug, Clone, Default)]
pub struct HandleOptions {
    /// The user has already agreed to this step-up.
    pub confirmed_step_up: bool,
    /// Whether a caller waits for the request.
    pub trigger: Trigger,
    /// The rejected credential; `None`: the current one.
    pub failed: Option<Authorization>,
}

/// The result of handling a challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Outcome {
    /// The session has a credential that answers the challenge: send the request again.
    Satisfied,
    /// Show the user what would be requested, then pass the challenge in again with
    /// [`confirmed_step_up`](HandleOptions::confirmed_step_up).
    StepUpConfirm {
        /// The challenge.
        challenge: AuthChallenge,
    },
    /// The user is needed. With a URL, the user was sent there, and the callback goes to
    /// [`complete_authorization`](crate::AuthSession::complete_authorization). Without a URL, nothing was started: pass
    /// the challenge in again when a caller waits.
    Interactive {
        /// The URL that the user was sent to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authorization_url: Option<String>,
        /// The `state` that the callback will carry.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
        /// The challenge.
        challenge: AuthChallenge,
    },
    /// The challenge could not be answered.
    Failed {
        /// The error.
        error: Error,
    },
}

/// The end of a recovery, for the code that ran the driver.
pub(crate) enum Conclusion {
    Retry,
    PassThrough,
    ConfirmStepUp,
    Interactive(Option<(String, String)>),
    Failed(Error),
}

impl Conclusion {
    pub(crate) fn into_outcome(self, server: &str, challenge: AuthChallenge) -> Outcome {
        match self {
            Self::Retry => Outcome::Satisfied,
            Self::ConfirmStepUp => Outcome::StepUpConfirm { challenge },
            Self::Interactive(started) => {
                let (authorization_url, state) = started.unzip();
                Outcome::Interactive {
                    authorization_url,
                    state,
                    challenge,
                }
            }
            Self::PassThrough => Outcome::Failed {
                error: Error::Unauthorized {
                    server: server.to_owned(),
                    challenge: Box::new(challenge),
                },
            },
            Self::Failed(error) => Outcome::Failed { error },
        }
    }
}
