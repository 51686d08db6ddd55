//! The driver: carries out what the decision function says, notes the result, and asks again.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::challenge::{AuthChallenge, DpopDemand};
use crate::enterprise::{IdpEnd, View};
use crate::error::Error;
use crate::host::Event;
use crate::recovery::{
    Ask, Attempt, Consent, Ending, Failure, IssuerCheck, Means, Proof, Protocol, Situation, Step,
    Trigger, next_step,
};
use crate::session::credential::Authorization;
use crate::session::interaction::{Interacted, Need, Place, Purpose};
use crate::session::progress::{Nonce, Progress};
use crate::session::renewal::{RenewalEnd, RenewalPlan};
use crate::session::{GrantType, Inner};

/// How often a request may be sent again because another session has a newer credential. Sessions that
/// renew all the time must not keep it going for ever.
const MAX_ADOPTIONS: u8 = 3;
/// How often a request may be sent again because its proof lacked a nonce. They are changed from time to time, and
/// after a renewal the request may meet another server.
const MAX_NONCES: u8 = 3;
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
    inner.event(Event::Challenged {
        challenge: challenge.clone(),
    });
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
        if let Err(error) = drive.look().await {
            return Conclusion::Failed(error);
        }
        let situation = drive.situation();
        let step = next_step(&situation);
        tracing::trace!(?situation, ?step, "recovery");
        if let Some(conclusion) = drive.take(step).await {
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
    /// Notes what the next decision is about.
    async fn look(&mut self) -> Result<(), Error> {
        self.idp = self.inner.idp_view().await?;
        self.progress.note_id_token(self.idp.id.as_ref());
        self.current = self.inner.current.get();
        let now = self.inner.now();
        if self.progress.idp.is_none() {
            let of = self.idp.id.as_ref();
            let held = self.inner.idp_hold.verdict(of, self.how.trigger, now);
            self.progress.idp_held = held.map(|(attempt, error)| {
                self.progress.error = error;
                attempt
            });
        }
        let failure = Failure::of(self.challenge);
        if self.progress.renewal(failure).is_some() {
            return Ok(());
        }
        let held = self
            .inner
            .hold
            .verdict(self.current.as_ref(), self.how.trigger, now);
        self.progress.held = held.map(|(attempt, error)| {
            self.progress.error = error;
            // A session that gives a server time need not look where else to go.
            self.progress.issuer = IssuerCheck::Same;
            attempt
        });
        Ok(())
    }

    fn situation(&self) -> Situation {
        let progress = &*self.progress;
        let policy = &self.inner.settings.policy;
        let failure = Failure::of(self.challenge);
        let current = self.current.as_ref();
        let required = &self.challenge.required_scopes;
        let covers = current.is_some_and(|c| c.scopes().covers(required));
        let usable = current.is_some_and(|c| !c.is_expired(self.inner.now()));
        let moved = current.is_some() && self.current != progress.sent;
        let may_adopt = progress.retries < progress.earned().saturating_add(MAX_ADOPTIONS);
        // A server that does not say what it lacks is not known to have it until there was an authorization.
        let answered = progress.answered.is_some();
        let covered = covers && (!required.is_empty() || answered);
        // A grant may have another name for what is required: the server is to judge.
        let worth_trying = failure != Failure::Scope || covers || (answered && self.how.returns);
        let alone = self.inner.grant_type != GrantType::AuthorizationCode;
        let attended = policy.interaction && self.inner.host.is_some();
        Situation {
            failure,
            trigger: self.how.trigger,
            protocol: self.protocol(failure, covered),
            newer_credential: moved && usable && may_adopt && worth_trying,
            proof: self.proof(),
            covered,
            store_moved: moved && may_adopt,
            issuer: progress.issuer,
            consent: progress.consent,
            short: progress.short || (answered && !self.how.returns),
            reauthorized: progress.reauthorized || progress.renewed_for_both() || self.is_in_vain(),
            anonymous: progress.sent.is_none(),
            rescope: self.rescope(failure),
            deliberate: self.how.deliberate,
            step_ups: progress.step_ups,
            max_step_ups: policy.max_step_ups(),
            interaction: attended,
            can_authorize: self.inner.host.is_some() || alone,
            confirm: policy.confirm_enterprise_step_up,
        }
    }

    /// The session's latest sign-in was rejected at once, a short while ago.
    fn is_in_vain(&self) -> bool {
        let rejected = &self.inner.rejected;
        rejected.holds(self.current.as_ref(), self.inner.now())
    }

    /// Whether a refresh that names the granted scopes may bring back what the last refresh lost.
    fn rescope(&self, failure: Failure) -> bool {
        let lost = self.current.as_ref().and_then(|c| c.grant().lost.as_ref());
        let required = &self.challenge.required_scopes;
        let helps = match failure {
            Failure::Scope => lost.is_some_and(|lost| lost.covers(required)),
            _ => lost.is_some(),
        };
        let current = self.current.as_ref();
        let means = current.and_then(|current| self.inner.renewal_means(current));
        helps && !self.progress.rescoped && means == Some(Means::Refresh)
    }

    fn proof(&self) -> Proof {
        if self.progress.proof == Nonce::Unused {
            return Proof::Unquestioned;
        }
        match self.challenge.dpop_demand() {
            DpopDemand::Nonce if self.progress.nonces >= MAX_NONCES => Proof::Refused,
            DpopDemand::Nonce if self.progress.proof == Nonce::Fresh => Proof::NeedsNonce,
            // Its time may be the reason: again with the server's.
            DpopDemand::Refused if self.progress.retimed && self.progress.nonces < MAX_NONCES => {
                Proof::NeedsNonce
            }
            DpopDemand::Nonce | DpopDemand::Refused => Proof::Refused,
            DpopDemand::None | DpopDemand::Token => Proof::Unquestioned,
        }
    }

    fn protocol(&self, failure: Failure, covered: bool) -> Protocol {
        let progress = &*self.progress;
        let tried = progress.renewal(failure).or(progress.held);
        let widening = failure == Failure::Scope && !covered;
        let asking = if widening { progress.widening } else { tried };
        let mint = asking.unwrap_or(Attempt::Untried);
        match self.inner.grant_type {
            GrantType::ClientCredentials => Protocol::ClientCredentials { mint },
            GrantType::WorkloadIdentity => Protocol::WorkloadIdentity { mint },
            GrantType::Enterprise => Protocol::Enterprise {
                id_token: self.idp.id_token,
                idp: progress.idp.unwrap_or(match self.idp.renewable {
                    true => progress.idp_held.unwrap_or(Attempt::Untried),
                    false => Attempt::Absent,
                }),
                mint,
            },
            GrantType::AuthorizationCode => {
                let renewable = self
                    .current
                    .as_ref()
                    .and_then(|c| self.inner.renewal_means(c));
                let untouched = match renewable {
                    Some(_) => Attempt::Untried,
                    None => Attempt::Absent,
                };
                Protocol::Standard {
                    refresh: tried.unwrap_or(untouched),
                }
            }
        }
    }

    /// Carries out a step; the conclusion, if that was the last.
    async fn take(&mut self, step: Step) -> Option<Conclusion> {
        match step {
            Step::Retry => Some(self.retry()),
            Step::RetryWithNonce => {
                self.progress.nonces = self.progress.nonces.saturating_add(1);
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
                if ending == Ending::Unauthorized && self.progress.reauthorized {
                    self.note_in_vain().await;
                }
                Some(Conclusion::Failed(self.error(ending)))
            }
            Step::CheckIssuer => {
                self.progress.issuer = self.inner.check_issuer(self.challenge).await;
                None
            }
            Step::Adopt => {
                self.progress.adopt(self.current.clone());
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
        let progress = &*self.progress;
        self.how.deliberate
            || Failure::of(self.challenge) != Failure::Token
            || progress.issuer == IssuerCheck::Moved
            || progress.renewed()
            || progress.reauthorized
    }

    /// Of the retries that this request's own renewal and authorizations earn there are few; any other is
    /// owed to another request's.
    fn retry(&mut self) -> Conclusion {
        self.progress.retries = self.progress.retries.saturating_add(1);
        Conclusion::Retry
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
        if self.progress.renewed() {
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
        match &*end {
            Ok(IdpEnd::Renewed) => {
                self.progress.idp = Some(Attempt::Succeeded);
                self.inner.hold.release();
            }
            Ok(IdpEnd::Failed(attempt, error)) => {
                self.progress.idp = Some(*attempt);
                self.progress.error = Some(error.clone());
            }
            Err(error) => return Some(Conclusion::Failed(error.clone())),
        }
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
            rediscover: self.progress.issuer == IssuerCheck::Moved,
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
        if let RenewalEnd::Broken(error) = &renewal.end {
            return Some(Conclusion::Failed(error.clone()));
        }
        self.progress.rescoped |= means == Means::ScopedRefresh;
        if ask == Ask::Union {
            let required = &self.challenge.required_scopes;
            self.progress.note_widening(&renewal.end, required);
        } else {
            let failure = Failure::of(self.challenge);
            self.progress.note_renewal(failure, &renewal.end);
        }
        if self.progress.issuer == IssuerCheck::Moved || self.is_offline(&renewal.end) {
            self.progress.issuer = IssuerCheck::Same;
        }
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
                self.progress.answered = Some(self.challenge.required_scopes.clone());
                self.progress.reauthorized = true;
                self.progress.issuer = IssuerCheck::Unchecked;
                if ask == Ask::Union {
                    self.progress.step_ups = self.progress.step_ups.saturating_add(1);
                }
                None
            }
            Ok(Interacted::Elsewhere { url, state }) => {
                Some(Conclusion::Interactive(Some((url, state))))
            }
            Ok(Interacted::Consented) => {
                self.progress.consent = Consent::Given;
                None
            }
            Ok(Interacted::Again) => None,
            Err(Error::ConsentDenied { .. }) if ask == Ask::Union => {
                self.progress.consent = Consent::Declined;
                None
            }
            Err(error) => Some(Conclusion::Failed(error)),
        }
    }

    fn error(&mut self, ending: Ending) -> Error {
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
                attempts: self.progress.step_ups,
                challenge: challenge(),
            },
            Ending::Unauthorized => Error::Unauthorized {
                server,
                challenge: challenge(),
            },
            Ending::RefreshUnavailable | Ending::RefreshRejected | Ending::PolicyDenied => {
                let detail = "there is nothing to renew it with".to_owned();
                let unknown = Error::RefreshRejected { issuer, detail };
                self.progress.error.take().unwrap_or(unknown)
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
