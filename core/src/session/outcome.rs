//! How handling a challenge ends: for the host that handed it in, and for the request that met it.

use serde::{Deserialize, Serialize};

use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::recovery::Trigger;
use crate::session::held::credential::Authorization;

/// What a host says along with a challenge.
#[derive(Debug, Clone, Default)]
pub struct HandleOptions {
    /// The user has agreed to this step-up already.
    pub confirmed_step_up: bool,
    /// Whether a caller waits.
    pub trigger: Trigger,
    /// The credential that was rejected; `None`: the current one.
    pub failed: Option<Authorization>,
}

/// How handling a challenge ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Outcome {
    /// There is a credential that answers it: send the request again.
    Satisfied,
    /// Show what would be asked for, then come back with
    /// [`confirmed_step_up`](HandleOptions::confirmed_step_up).
    StepUpConfirm {
        /// The challenge.
        challenge: AuthChallenge,
    },
    /// The user is needed. With an address: they are on their way there, and the callback goes to
    /// [`complete_authorization`](crate::AuthSession::complete_authorization). Without: nothing was started;
    /// hand the challenge in again when a caller waits.
    Interactive {
        /// Where the user was sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        authorization_url: Option<String>,
        /// The `state` of the callback.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
        /// The challenge.
        challenge: AuthChallenge,
    },
    /// It could not be answered.
    Failed {
        /// Why.
        error: Error,
    },
}

/// How a recovery ended, for the caller that drove it.
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
