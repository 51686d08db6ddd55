//! The driver: carries out what the decision function says, notes the result, and asks again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::challenge::AuthChallenge;
use crate::enterprise::{IdpEnd, View};
use crate::error::Error;
use crate::host::Event;
use crate::recovery::{
    Ask, Current, Ending, Event as Recorded, Facts, Means, Permissions, Rejection, Renewal, Source,
    Step, Tried, Trigger,
};
use crate::session::credential::Authorization;
use crate::session::interaction::{Interacted, Need, Place, Purpose};
use crate::session::progress::Progress;
use crate::session::renewal::{RenewalEnd, RenewalPlan};
use crate::session::{GrantType, Inner};

/// How often in a row no connection could be made before it is looked up whether the authorization server has moved.
const MAX_UNCONNECTED: u32 = 3;

/// What a host says along with a challenge.
#[derive(Debug, Clone, Default)]
pub struct HandleOptions {
    /// The person has agreed to this step-up already.
    pub confirmed_step_up: bool,
    /// Whether a caller waits.
    pub trigger: Trigger,
    /// The credential that was rejected; `None`: the current one.
    pub failed: Option<Authorization>,
}

/// How a recovery is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) trigger: Trigger,
    /// The person has agreed to this step-up already.
    pub(crate) confirmed: bool,
    /// The user who is to confirm a step-up is asked here and now.
    pub(crate) asks: bool,
    /// What comes of it is tried out by the same request, which comes back with the server's answer.
    pub(crate) returns: bool,
    /// The application asks for a sign-in on purpose.
    pub(crate) deliberate: bool,
    /// A registration of our own is replaced.
    pub(crate) register_again: bool,
}

impl Manner {
    /// For a challenge that a host hands in.
    pub(crate) fn of(options: &HandleOptions) -> Self {
        Self {
            trigger: options.trigger,
            confirmed: options.confirmed_step_up,
            asks: false,
            returns: false,
            deliberate: false,
            register_again: false,
        }
    }
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
    /// A person is needed. With an address: they are on their way there, and the callback goes to
    /// [`complete_authorization`](crate::AuthSession::complete_authorization). Without: nothing was started;
    /// hand the challenge in again when a caller waits.
    Interactive {
        /// Where the person was sent.
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
    pub(crate) fn into_outcome(self, inner: &Inner, challenge: AuthChallenge) -> Outcome {
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
                    server: inner.server.clone(),
                    challenge: Box::new(challenge),
                },
            },
            Self::Failed(error) => Outcome::Failed { error },
        }
    }
}

/// Recovers from one challenge.
pub(crate) async fn drive(
    inner: &Arc<Inner>,
    progress: &mut Progress,
    challenge: &AuthChallenge,
    how: Manner,
) -> Conclusion {
    progress.begin(challenge, how.confirmed);
    // No server has asked for a sign-in on purpose.
    if !how.deliberate {
        inner.event(Event::Challenged {
            challenge: challenge.clone(),
        });
    }
    let mut drive = Drive {
        current: inner.current.get(),
        inner,
        progress,
        challenge,
        how,
        idp: View::default(),
        place: None,
        reread: false,
    };
    loop {
        let facts = match drive.look().await {
            Ok(facts) => facts,
            Err(error) => return Conclusion::Failed(error),
        };
        let step = drive.progress.state.next(&facts);
        tracing::trace!(situation = ?drive.progress.state.situation(&facts), ?step, "recovery");
        if let Some(conclusion) = drive.take(step, &facts).await {
            return conclusion;
        }
    }
}

struct Drive<'a> {
    inner: &'a Arc<Inner>,
    progress: &'a mut Progress,
    challenge: &'a AuthChallenge,
    how: Manner,
    /// The session at the identity provider that the next decision is about.
    idp: View,
    /// The credential that the next decision is about. By the time its step is carried out another may be
    /// current; then neither a server nor the user is asked.
    current: Option<Authorization>,
    /// Its place among the callers that wait for the user.
    place: Option<Place>,
    /// The store has been read since the challenge, and there was nothing better in it.
    reread: bool,
}

impl Drive<'_> {
    /// How things are, for the next decision.
    async fn look(&mut self) -> Result<Facts<Error>, Error> {
        self.idp = self.inner.idp_view().await?;
        self.progress.note_id_token(self.idp.id.as_ref());
        self.current = self.inner.current.get();
        let now = self.inner.now();
        let hold = &self.inner.hold;
        let held = hold.verdict(self.current.as_ref(), self.how.trigger, now);
        let policy = &self.inner.settings.policy;
        let alone = self.inner.grant_type != GrantType::AuthorizationCode;
        Ok(Facts {
            trigger: self.how.trigger,
            returns: self.how.returns,
            deliberate: self.how.deliberate,
            permissions: Permissions {
                max_step_ups: policy.max_step_ups(),
                interaction: policy.interaction && self.inner.host.is_some(),
                can_authorize: self.inner.host.is_some() || alone,
                confirm: policy.confirm_enterprise_step_up,
            },
            source: self.source(now),
            paused: held,
            anonymous: self.progress.sent.is_none(),
            names_scopes: !self.challenge.required_scopes.is_empty(),
            current: self.current_facts(now),
            proof: self.progress.proof_demand(self.challenge),
        })
    }

    fn source(&self, now: u64) -> Source<Error> {
        match self.inner.grant_type {
            GrantType::AuthorizationCode => Source::Person {
                renewable: self.renewal_means().is_some(),
            },
            GrantType::ClientCredentials => Source::ClientCredentials,
            GrantType::WorkloadIdentity => Source::WorkloadIdentity,
            GrantType::Enterprise => Source::Enterprise {
                id_token: self.idp.id_token,
                renewable: self.idp.renewable,
                paused: {
                    let hold = &self.inner.idp_hold;
                    hold.verdict(self.idp.id.as_ref(), self.how.trigger, now)
                },
            },
        }
    }

    fn current_facts(&self, now: u64) -> Current {
        let Some(current) = &self.current else {
            return Current::default();
        };
        let required = &self.challenge.required_scopes;
        let lost = current.grant().lost.as_ref();
        // Whether a refresh that names the granted scopes may bring back what the last refresh lost.
        let helps = match Rejection::of(self.challenge) {
            Rejection::Scope => lost.is_some_and(|lost| lost.covers(required)),
            _ => lost.is_some(),
        };
        Current {
            is_other: self.progress.sent.as_ref() != Some(current),
            is_usable: !current.is_expired(now),
            covers: current.scopes().covers(required),
            has_lost: helps && self.renewal_means() == Some(Means::Refresh),
            is_in_vain: self.inner.rejected.holds(Some(current), now),
        }
    }

    /// How the current credential can be renewed.
    fn renewal_means(&self) -> Option<Means> {
        let current = self.current.as_ref()?;
        self.inner.renewal_means(current)
    }

    /// Carries out a step; the conclusion, if that was the last.
    async fn take(&mut self, step: Step, facts: &Facts<Error>) -> Option<Conclusion> {
        match step {
            Step::Retry => {
                self.progress.state.record(Recorded::Retried);
                Some(Conclusion::Retry)
            }
            Step::RetryWithNonce => {
                self.progress.state.record(Recorded::ProvedAgain);
                Some(Conclusion::Retry)
            }
            Step::PassThrough => Some(Conclusion::PassThrough),
            Step::ConfirmStepUp if self.how.asks => {
                self.interact(Ask::Union, Purpose::Consent).await
            }
            Step::ConfirmStepUp => Some(Conclusion::ConfirmStepUp),
            Step::Defer | Step::Fail(_) if !self.reread => self.reread(step).await,
            Step::Defer => Some(self.defer()),
            Step::Fail(ending) => {
                if ending == Ending::Unauthorized && self.progress.state.is_reauthorized() {
                    self.note_in_vain().await;
                }
                Some(Conclusion::Failed(self.error(ending, facts)))
            }
            Step::CheckIssuer => {
                let issuer = self.inner.check_issuer(self.challenge).await;
                self.progress.state.record(Recorded::IssuerChecked(issuer));
                None
            }
            Step::Adopt => {
                self.progress.sent.clone_from(&self.current);
                self.progress.state.record(Recorded::Adopted);
                None
            }
            Step::Renew(Means::IdpSession, _) => self.renew_idp().await,
            Step::Renew(means, ask) => self.renew(means, ask).await,
            Step::AskConsent => self.interact(Ask::Union, Purpose::Both).await,
            // The rules have said whether the user is to be asked first.
            Step::Authorize(_, ask) => self.interact(ask, Purpose::Authorization).await,
        }
    }

    /// Signing in did not help; doing so again for the next request would not either. Later it may, at another server.
    async fn note_in_vain(&self) {
        if let Some(current) = &self.current {
            self.inner.rejected.note(current, self.inner.now());
        }
        self.inner.forget_known().await;
    }

    /// Whether the resource's metadata may have changed, though it was said to be fresh (RFC 9111). A rejected or
    /// expired credential says nothing of that. The rejection of one that was just granted does, and so does a move
    /// that was seen; and an application or a server that asks for something else is to get what there is now.
    fn reads_metadata(&self) -> bool {
        let state = &self.progress.state;
        self.how.deliberate
            || Rejection::of(self.challenge) != Rejection::Token
            || state.has_moved()
            || state.is_renewed()
            || state.is_reauthorized()
    }

    /// Reads the store before giving up: the user may have signed in at another process, which does not report it.
    async fn reread(&mut self, step: Step) -> Option<Conclusion> {
        self.reread = true;
        match self.inner.reload().await {
            // Without its store, a session is not helped by a person either.
            Err(error) if step == Step::Defer => Some(Conclusion::Failed(error)),
            _ => None,
        }
    }

    fn defer(&self) -> Conclusion {
        // A renewal that helped nothing would help the next stream as little.
        if self.progress.state.is_renewed() {
            let current = self.current.clone();
            self.inner.hold.note_useless(current, self.inner.now());
        }
        if self.inner.hold.announce(self.current.clone()) {
            self.inner.event(Event::InteractionRequired {
                challenge: self.challenge.clone(),
            });
        }
        Conclusion::Interactive(None)
    }

    async fn renew_idp(&mut self) -> Option<Conclusion> {
        let Some(end) = self.inner.renew_idp(self.idp.id.clone()).await else {
            return Some(Conclusion::Failed(Error::Cancelled {
                what: "The renewal",
            }));
        };
        let tried = match &*end {
            Ok(IdpEnd::Renewed) => {
                self.inner.hold.release();
                Tried::Succeeded
            }
            Ok(IdpEnd::Failed(attempt, error)) => Tried::Failed(*attempt, error.clone()),
            Err(error) => return Some(Conclusion::Failed(error.clone())),
        };
        let state = &mut self.progress.state;
        state.record(Recorded::IdpSessionRenewed(tried));
        None
    }

    async fn renew(&mut self, means: Means, ask: Ask) -> Option<Conclusion> {
        let scopes = self.inner.asked(ask, self.current.as_ref(), self.challenge);
        let plan = RenewalPlan {
            of: self.current.clone(),
            means,
            ask,
            scopes: scopes.clone(),
            challenge: self.challenge.clone(),
            rediscover: self.progress.state.has_moved(),
        };
        let Some(renewal) = self.inner.renew(plan).await else {
            return Some(Conclusion::Failed(Error::Cancelled {
                what: "The renewal",
            }));
        };
        // It may have been under way for another credential or for other scopes: then it is not ours.
        if renewal.of != self.current || !renewal.asked.covers(&scopes) {
            return None;
        }
        let told = match &renewal.end {
            RenewalEnd::Broken(error) => return Some(Conclusion::Failed(error.clone())),
            end => end.told()?,
        };
        if ask == Ask::Union && told == Renewal::Tried(Tried::Succeeded) {
            self.progress.note_authorized_for(self.challenge);
        }
        self.progress.state.record(Recorded::Renewed {
            means,
            ask,
            renewal: told,
            is_offline: self.is_offline(&renewal.end),
        });
        None
    }

    /// Whether no connection could be made, which is hardly the authorization server's having moved: the network is
    /// down, or the server is, and asking another one now would only cost time.
    fn is_offline(&self, end: &RenewalEnd) -> bool {
        let unconnected = matches!(
            end,
            RenewalEnd::Failed(
                _,
                Error::RefreshUnavailable {
                    connected: false,
                    ..
                }
            )
        );
        unconnected && self.inner.hold.failures() < MAX_UNCONNECTED
    }

    /// Has the person do their part.
    async fn interact(&mut self, ask: Ask, purpose: Purpose) -> Option<Conclusion> {
        let need = Need {
            of: self.current.clone(),
            reads_metadata: self.reads_metadata(),
            ask,
            challenge: self.challenge.clone(),
            purpose,
            spent: self.idp.id.clone(),
            register_again: self.how.register_again,
            deliberate: self.how.deliberate,
        };
        match self.inner.interact(need, &mut self.place).await {
            Ok(Interacted::Authorized) => {
                self.progress.note_authorized_for(self.challenge);
                self.progress.state.record(Recorded::Authorized(ask));
                None
            }
            Ok(Interacted::Elsewhere { url, state }) => {
                Some(Conclusion::Interactive(Some((url, state))))
            }
            Ok(Interacted::Consented) => {
                self.progress.state.record(Recorded::Consented);
                None
            }
            Ok(Interacted::Again) => None,
            Err(Error::ConsentDenied { .. }) if ask == Ask::Union => {
                self.progress.state.record(Recorded::Declined);
                None
            }
            Err(error) => Some(Conclusion::Failed(error)),
        }
    }

    fn error(&self, ending: Ending, facts: &Facts<Error>) -> Error {
        let server = self.inner.server.clone();
        let challenge = || Box::new(self.challenge.clone());
        let current = self.current.as_ref();
        let missing = || {
            let held = current.map(|c| c.scopes().clone()).unwrap_or_default();
            self.challenge.required_scopes.difference(&held)
        };
        let issuer = current.map_or(&server, |c| &c.grant().by.issuer).clone();
        match ending {
            Ending::InsufficientScope => Error::InsufficientScope {
                next: self.advice(),
                challenge: challenge(),
                server,
            },
            Ending::ConsentDenied => Error::ConsentDenied {
                server,
                wanted: missing(),
                challenge: challenge(),
            },
            Ending::ScopeNotGranted => Error::ScopeNotGranted {
                issuer,
                missing: missing(),
            },
            Ending::StepUpLimit => Error::StepUpLimit {
                server,
                attempts: self.progress.state.step_ups(),
                challenge: challenge(),
            },
            Ending::Unauthorized => Error::Unauthorized {
                server,
                challenge: challenge(),
            },
            Ending::RefreshUnavailable | Ending::RefreshRejected | Ending::PolicyDenied => {
                let detail = "there is nothing to renew it with".to_owned();
                let unknown = Error::RefreshRejected { issuer, detail };
                self.progress.state.error(facts).cloned().unwrap_or(unknown)
            }
        }
    }

    fn advice(&self) -> &'static str {
        if self.inner.settings.policy.max_step_ups() == 0 {
            "Asking for more is off in this program's policy."
        } else if self.inner.grant_type.is_machine() {
            "Have the client's own access extended by the server's administrator."
        } else if self.inner.host.is_none() {
            "Nobody is there to ask; sign in where somebody is."
        } else {
            "The access on record covers it already, and renewing it changed nothing; sign out and in again, or ask the server's operator."
        }
    }
}
