//! The driver: has the state machine decide, carries out the step, and records the result.

use std::sync::Arc;

use crate::challenge::AuthChallenge;
use crate::enterprise::{IdpEnd, View};
use crate::error::Error;
use crate::host::Event;
use crate::recovery::{
    Current, Ending, Event as Recorded, Facts, Means, Permissions, Rejection, Renewal, Scoping,
    Source, Step, Tried, Trigger,
};
use crate::session::coordination::queue::{Joined, Place};
use crate::session::held::credential::Authorization;
use crate::session::inner::Inner;
use crate::session::interact::interact;
use crate::session::need::{self, Interacted, Need, Purpose};
use crate::session::outcome::{Conclusion, HandleOptions};
use crate::session::progress::Progress;
use crate::session::ways::{RenewalEnd, RenewalPlan, Way};
use crate::wording::next;

/// How many renewals in a row may fail before a failed connection leads to a lookup of the authorization server.
const MAX_UNCONNECTED: u32 = 3;

/// The options of a recovery.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode {
    pub(crate) trigger: Trigger,
    /// The user has already agreed to this step-up.
    pub(crate) confirmed: bool,
    /// The same request is sent again, and continues with the server's response.
    pub(crate) returns: bool,
    /// The application explicitly requests a sign-in.
    pub(crate) deliberate: bool,
    /// A dynamic registration is replaced.
    pub(crate) register_again: bool,
}

impl Mode {
    /// For a sign-in that the application requests: its call is the user's consent.
    pub(crate) fn deliberate(register_again: bool) -> Self {
        Self {
            confirmed: true,
            deliberate: true,
            register_again,
            ..Self::of(&HandleOptions::default())
        }
    }

    /// For a challenge that a host passes in.
    pub(crate) fn of(options: &HandleOptions) -> Self {
        Self {
            trigger: options.trigger,
            confirmed: options.confirmed_step_up,
            returns: false,
            deliberate: false,
            register_again: false,
        }
    }
}

/// Recovers from one challenge.
pub(crate) async fn drive(
    inner: &Arc<Inner>,
    progress: &mut Progress,
    challenge: &AuthChallenge,
    mode: Mode,
) -> Conclusion {
    progress.begin(challenge, mode.confirmed);
    // A sign-in that the application requests was not caused by a server's challenge.
    if !mode.deliberate {
        inner.held.tell(Event::Challenged {
            challenge: challenge.clone(),
        });
    }
    let mut drive = Drive {
        current: inner.held.current(),
        inner,
        progress,
        challenge,
        mode,
        idp: None,
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
    mode: Mode,
    /// The session at the identity provider, if it was read for the current decision.
    idp: Option<View>,
    /// The credential that the decision is about. If another one is current when the step is carried out, neither a
    /// server nor the user is asked.
    current: Option<Authorization>,
    /// Its place among the callers that wait for the user.
    place: Option<Place<Need, need::Ending>>,
    /// The store was read once more before giving up.
    reread: bool,
}

impl Drive<'_> {
    /// Gathers the facts for the next decision. Reads the identity provider's record only if the decision depends on
    /// it.
    async fn look(&mut self) -> Result<Facts<Error>, Error> {
        self.idp = None;
        let facts = self.facts();
        if !self.progress.state.depends_on_idp(&facts) {
            return Ok(facts);
        }
        self.read_idp().await?;
        // The credential may have changed in the meantime.
        Ok(self.facts())
    }

    async fn read_idp(&mut self) -> Result<(), Error> {
        let Some(idp) = &self.inner.idp else {
            return Ok(());
        };
        let view = idp.idp().view().await?;
        self.progress.note_id_token(view.id.as_ref());
        self.idp = Some(view);
        Ok(())
    }

    fn facts(&mut self) -> Facts<Error> {
        let inner = self.inner;
        self.current = inner.held.current();
        let now = inner.held.now();
        let (backoff, trigger) = (&inner.renewals.backoff, self.mode.trigger);
        let policy = &inner.settings.policy;
        let has_host = inner.user.has_host();
        Facts {
            trigger,
            returns: self.mode.returns,
            deliberate: self.mode.deliberate,
            permissions: Permissions {
                max_step_ups: policy.max_step_ups(),
                interaction: policy.interaction && has_host,
                can_authorize: has_host || !matches!(inner.ways.way, Way::Person),
                confirm: policy.confirm_enterprise_step_up,
            },
            source: self.source(),
            paused: backoff.verdict(self.current.as_ref(), trigger, now),
            anonymous: self.progress.sent.is_none(),
            names_scopes: !self.challenge.required_scopes.is_empty(),
            current: self.current_facts(now),
            proof: self.progress.proof_demand(self.challenge),
        }
    }

    fn source(&self) -> Source<Error> {
        match &self.inner.ways.way {
            Way::Person => Source::Person {
                renewable: self.renewal_means().is_some(),
            },
            Way::ClientCredentials => Source::ClientCredentials,
            Way::Workload(_) => Source::WorkloadIdentity,
            Way::Enterprise(_) => {
                let (renewals, view) = (self.inner.idp.as_ref(), self.idp.as_ref());
                let paused = renewals.zip(view).and_then(|(renewals, view)| {
                    renewals.verdict(view.id.as_ref(), self.mode.trigger)
                });
                Source::Enterprise {
                    id_token: view.is_some_and(|view| view.id_token),
                    renewable: view.is_some_and(|view| view.renewable),
                    paused,
                }
            }
        }
    }

    fn current_facts(&self, now: u64) -> Current {
        let Some(current) = &self.current else {
            return Current::default();
        };
        let required = &self.challenge.required_scopes;
        let lost = current.grant().scopes_before_refresh.as_ref();
        // A refresh that names the granted scopes may restore what the last refresh lost.
        let helps = match Rejection::of(self.challenge) {
            Rejection::Scope => lost.is_some_and(|lost| lost.covers(required)),
            _ => lost.is_some(),
        };
        Current {
            is_other: self.progress.sent.as_ref() != Some(current),
            is_usable: !current.is_expired(now),
            covers: current.scopes().covers(required),
            has_lost: helps && self.renewal_means() == Some(Means::Refresh),
            was_rejected_at_once: self.inner.rejected.holds(current, now),
        }
    }

    /// Returns the silent means that can renew the current credential.
    fn renewal_means(&self) -> Option<Means> {
        let current = self.current.as_ref()?;
        self.inner.ways.renewal_means(current)
    }

    /// Carries out a step. Returns the conclusion if the step ends the recovery.
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
            // A caller waits for this very request: the user is asked here and now, and not sent away to come back.
            Step::ConfirmStepUp if self.mode.returns && self.inner.user.has_host() => {
                self.interact(Scoping::Union, Purpose::Consent).await
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
                let issuer = self.inner.renewals.check_issuer(self.challenge).await;
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
            Step::AskConsent => self.interact(Scoping::Union, Purpose::Both).await,
            // The rules have already decided whether the user must confirm.
            Step::Authorize(_, ask) => self.interact(ask, Purpose::Authorization).await,
        }
    }

    /// Records that signing in did not help, so that later requests do not prompt for a while. Forgets the known
    /// metadata: another authorization server may help.
    async fn note_in_vain(&self) {
        if let Some(current) = &self.current {
            let now = self.inner.held.now();
            self.inner.rejected.note(current, now);
        }
        self.inner.held.forget_known().await;
    }

    /// Whether to read the resource's metadata even if it is still fresh (RFC 9111). A rejected or expired credential
    /// does not suggest that it changed. The rejection of a new credential does, and so does an authorization server
    /// that moved; a sign-in that the application requests and a server that asks for something else need the current
    /// metadata.
    fn reads_metadata(&self) -> bool {
        let state = &self.progress.state;
        self.mode.deliberate
            || Rejection::of(self.challenge) != Rejection::Token
            || state.has_moved()
            || state.is_renewed()
            || state.is_reauthorized()
    }

    /// Reads the store before giving up: the user may have signed in through another process.
    async fn reread(&mut self, step: Step) -> Option<Conclusion> {
        self.reread = true;
        match self.inner.held.reload().await {
            // Without the store, asking the user would not help either.
            Err(error) if step == Step::Defer => Some(Conclusion::Failed(error)),
            _ => None,
        }
    }

    fn defer(&self) -> Conclusion {
        let backoff = &self.inner.renewals.backoff;
        // A renewal that did not help would not help the next event stream either.
        if self.progress.state.is_renewed() {
            let now = self.inner.held.now();
            backoff.note_useless(self.current.clone(), now);
        }
        if backoff.announce(self.current.clone()) {
            self.inner.held.tell(Event::InteractionRequired {
                challenge: self.challenge.clone(),
            });
        }
        Conclusion::Interactive(None)
    }

    async fn renew_idp(&mut self) -> Option<Conclusion> {
        let Some(idp) = &self.inner.idp else {
            return Some(Conclusion::Failed(Error::EnterpriseNotConfigured));
        };
        let id_token = self.idp.as_ref().and_then(|view| view.id.clone());
        let end = match idp.renew(id_token).await {
            Ok(end) => end,
            Err(error) => return Some(Conclusion::Failed(error)),
        };
        let tried = match &*end {
            Ok(IdpEnd::Renewed) => {
                self.inner.renewals.backoff.reset();
                Tried::Succeeded
            }
            Ok(IdpEnd::Failed(attempt, error)) => Tried::Failed(*attempt, error.clone()),
            Err(error) => return Some(Conclusion::Failed(error.clone())),
        };
        let state = &mut self.progress.state;
        state.record(Recorded::IdpSessionRenewed(tried));
        None
    }

    async fn renew(&mut self, means: Means, ask: Scoping) -> Option<Conclusion> {
        let (ways, current) = (&self.inner.ways, self.current.as_ref());
        let plan = RenewalPlan {
            credential: self.current.clone(),
            means,
            ask,
            scopes: ways.requested(ask, current, self.challenge),
            challenge: self.challenge.clone(),
            rediscover: self.progress.state.has_moved(),
        };
        let renewal = match self.inner.renewals.renew(plan.clone()).await {
            Ok(renewal) => renewal,
            Err(error) => return Some(Conclusion::Failed(error)),
        };
        // The shared renewal may have been for another credential or other scopes; then its result does not count here.
        if !renewal.answers(&plan) {
            return None;
        }
        let told = match &renewal.end {
            RenewalEnd::Broken(error) => return Some(Conclusion::Failed(error.clone())),
            end => end.told()?,
        };
        if ask == Scoping::Union && told == Renewal::Tried(Tried::Succeeded) {
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

    /// Whether no connection could be made. The authorization server is then unlikely to have moved: it or the network
    /// is down, and looking for another one would only cost time.
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
        unconnected && self.inner.renewals.backoff.failures() < MAX_UNCONNECTED
    }

    /// Runs the user's part of a step.
    async fn interact(&mut self, ask: Scoping, purpose: Purpose) -> Option<Conclusion> {
        if self.idp.is_none()
            && let Err(error) = self.read_idp().await
        {
            return Some(Conclusion::Failed(error));
        }
        let need = Need {
            credential: self.current.clone(),
            reads_metadata: self.reads_metadata(),
            ask,
            challenge: self.challenge.clone(),
            purpose,
            spent_id_token: self.idp.as_ref().and_then(|view| view.id.clone()),
            register_again: self.mode.register_again,
            deliberate: self.mode.deliberate,
        };
        match self.joined(need).await {
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
            Err(Error::ConsentDenied { .. }) if ask == Scoping::Union => {
                self.progress.state.record(Recorded::Declined);
                None
            }
            Err(error) => Some(Conclusion::Failed(error)),
        }
    }

    /// Joins or starts an interaction with the user.
    async fn joined(&mut self, need: Need) -> need::Ending {
        let session = Arc::clone(self.inner);
        let runtime = &*self.inner.held.runtime;
        let interactions = &self.inner.interactions;
        let joined = interactions.join(runtime, need, &mut self.place, |interaction| {
            Box::pin(interact(session, interaction))
        });
        match joined.await {
            Joined::Own(Some(ending)) => ending,
            Joined::Own(None) => Err(Error::Cancelled {
                what: "The sign-in",
            }),
            Joined::Other => Ok(Interacted::Again),
        }
    }

    fn error(&self, ending: Ending, facts: &Facts<Error>) -> Error {
        let server = self.inner.held.server().to_owned();
        let challenge = || Box::new(self.challenge.clone());
        let current = self.current.as_ref();
        let missing = || {
            let held = current.map(|c| c.scopes().clone()).unwrap_or_default();
            self.challenge.required_scopes.difference(&held)
        };
        let issuer = current
            .map_or(&server, |c| &c.grant().grantor.issuer)
            .clone();
        match ending {
            Ending::InsufficientScope => Error::InsufficientScope {
                next: self.next(),
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

    fn next(&self) -> &'static str {
        if self.inner.settings.policy.max_step_ups() == 0 {
            next::STEP_UP_DISABLED
        } else if self.inner.ways.way.is_machine() {
            next::ASK_ADMINISTRATOR
        } else if !self.inner.user.has_host() {
            next::NO_HOST
        } else {
            next::COVERED
        }
    }
}
