//! One interaction with the user: wait for the turn, ask, show the page, process the callback.

use std::future::pending;
use std::sync::Arc;

use crate::challenge::{AuthChallenge, Reason};
use crate::error::Error;
use crate::host::{AuthHost, AuthorizationRequest, Authorized, Event, StepUpRequest};
use crate::recovery::{Attempt, Trigger};
use crate::runtime::timeout;
use crate::scope::ScopeSet;
use crate::session::complete::{complete, complete_awaited};
use crate::session::coordination::queue::Interaction;
use crate::session::coordination::users_turn::{Line, PERIOD, Turned, UsersTurn};
use crate::session::inner::Inner;
use crate::session::need::{Ending, Interacted, Need, Purpose};
use crate::session::ways::code::CodeFlow;
use crate::session::ways::idp_sign_in::IdpSignIn;
use crate::session::ways::sign_in_plan::{SignInPlan, find_server, without_offline_access};
use crate::session::ways::{RenewalEnd, Way};
use crate::store::record::Record;

/// A running interaction.
struct Dialogue<'a> {
    session: &'a Arc<Inner>,
    host: &'a dyn AuthHost,
    interaction: &'a Interaction<Need>,
}

/// Runs an interaction to its end.
pub(super) async fn interact(session: Arc<Inner>, interaction: Arc<Interaction<Need>>) -> Ending {
    let dialogue = Dialogue {
        session: &session,
        host: session.user.host()?,
        interaction: &interaction,
    };
    dialogue.run().await
}

impl Dialogue<'_> {
    async fn run(&self) -> Ending {
        // Enterprise users sign in at the identity provider, which has turns of its own.
        let is_enterprise = matches!(self.session.ways.way, Way::Enterprise(_));
        let turn = match is_enterprise {
            true => None,
            false => match self.users_turn().await? {
                Turned::Over => return Ok(Interacted::Again),
                Turned::Ours(turn) => Some(turn),
            },
        };
        // Another session or process may have obtained the credential in the meantime.
        let held = &self.session.held;
        let before = self.interaction.request();
        let record = held.reload().await?.record;
        if held.has_replaced(before.credential.as_ref()) || !self.interaction.is_wanted() {
            return Ok(Interacted::Again);
        }
        let waited = turn.as_ref().and_then(|turn| turn.waited);
        let server = held.server();
        let declined = waited.and_then(|since| before.declined_since(since, &record, server));
        if let Some(declined) = declined {
            return Err(declined);
        }
        let ended = match is_enterprise {
            true => self.at_identity_provider(&record).await,
            false => self.at_authorization_server(&record).await,
        };
        if let Err(error) = &ended {
            self.note_declined(error).await;
        }
        ended
    }

    /// Waits until this session may ask the user, or the user is no longer needed. A sign-in that the application
    /// requests does not wait.
    async fn users_turn(&self) -> Result<Turned, Error> {
        let line = Line::new(&self.session.held);
        if let Some(turn) = line.turn_now().await {
            return Ok(Turned::Ours(turn));
        }
        if self.interaction.request().deliberate {
            return Ok(Turned::Ours(UsersTurn::beside()));
        }
        let told = async {
            self.host
                .sign_in_elsewhere(self.session.held.server())
                .await;
            pending().await
        };
        let waiting = async {
            tokio::select! {
                biased;
                turned = line.wait(|| self.is_over()) => Ok(turned),
                never = told => never,
            }
        };
        let user = &self.session.user;
        user.within_patience("The sign-in", waiting).await
    }

    /// Asks the user if necessary, and sends them to the resource's authorization server.
    async fn at_authorization_server(&self, record: &Record) -> Ending {
        let client = &*self.session.client;
        let before = self.interaction.request();
        let known = find_server(client, &before, record).await?;
        // Do not wait between here and the question, so that the question names exactly the scopes that will be
        // requested.
        let Some(need) = self.interaction.show() else {
            return Ok(Interacted::Again);
        };
        let plan = SignInPlan::new(client, &need, record, known);
        let asks = need.purpose != Purpose::Authorization;
        if asks {
            self.ask_consent(&need.challenge, &plan.scopes).await?;
        }
        let flow = CodeFlow { client };
        let request = flow.prepare(&self.session.user, &need, plan).await?;
        self.send_user(request, &need, asks).await
    }

    /// Asks the user if necessary, and sends them to the organization's identity provider if necessary.
    async fn at_identity_provider(&self, record: &Record) -> Ending {
        let Some(need) = self.interaction.show() else {
            return Ok(Interacted::Again);
        };
        let asks = need.purpose != Purpose::Authorization;
        if asks {
            let ways = &self.session.ways;
            let requested = ways.requested(need.ask, need.credential.as_ref(), &need.challenge);
            let scopes = record.requested.union(&requested);
            self.ask_consent(&need.challenge, &scopes).await?;
        }
        match need.purpose {
            Purpose::Consent => self.mint_agreed(&need).await,
            Purpose::Authorization | Purpose::Both => self.sign_in_at_idp(&need, asks).await,
        }
    }

    /// Mints what the user agreed to, silently. This is part of the interaction, so that concurrent requests share one
    /// consent.
    async fn mint_agreed(&self, need: &Need) -> Ending {
        let session = self.session;
        if !session.can_mint(Trigger::Command).await {
            return Ok(Interacted::Consented);
        }
        let (credential, challenge) = (need.credential.clone(), need.challenge.clone());
        let minting = session.renewals.mint(need.ask, credential, challenge);
        match &minting.await?.end {
            RenewalEnd::Renewed => Ok(Interacted::Authorized),
            RenewalEnd::TakenOver | RenewalEnd::Void => Ok(Interacted::Again),
            // A new ID token may help.
            RenewalEnd::Failed(Attempt::Rejected, _) => Ok(Interacted::Consented),
            RenewalEnd::Failed(_, error) | RenewalEnd::Broken(error) => Err(error.clone()),
        }
    }

    /// Sends the user to the identity provider, unless they have just signed in there for another server.
    async fn sign_in_at_idp(&self, need: &Need, asked: bool) -> Ending {
        let (user, idp) = (&self.session.user, self.session.ways.way.idp()?);
        let waiting = idp.sign_in_turn(user.patience());
        let _turn = user.within_patience("The sign-in", waiting).await?;
        // Stronger or more recent authentication (RFC 9470) requires a new sign-in.
        let demanded = need.challenge.reason == Reason::InsufficientUserAuthentication;
        let now = idp.view().await?;
        if !demanded && now.id.is_some() && now.id != need.spent_id_token {
            return Ok(Interacted::Again);
        }
        let client = &*self.session.client;
        let request = IdpSignIn { client, idp }.prepare(user, need).await?;
        self.send_user(request, need, asked).await
    }

    /// Sends the user to the page and processes the callback. `asked`: the user was asked for consent first.
    async fn send_user(&self, request: AuthorizationRequest, need: &Need, asked: bool) -> Ending {
        let held = &self.session.held;
        let (url, state) = (request.url.clone(), request.state.clone());
        // After the user has answered a question, continue for the next caller. Otherwise, open no page that no caller
        // waits for.
        if !asked && !self.interaction.is_wanted() {
            held.forget_pending(&state).await?;
            return Ok(Interacted::Again);
        }
        held.tell(Event::AuthorizationStarted {
            issuer: request.issuer.clone(),
            scopes: request.scopes.clone(),
        });
        tracing::debug!(issuer = %request.issuer, redirect_uri = %request.redirect_uri, "authorization started");
        let page = self.host.authorize(request);
        let page = self.session.user.within_patience("The sign-in", page);
        let answered = tokio::select! {
            biased;
            answered = page => answered,
            // Another session that did not wait for its turn, or a callback that arrived elsewhere, obtained the
            // credential.
            () = self.met(need) => {
                held.forget_pending(&state).await?;
                return Ok(Interacted::Again);
            }
        };
        match answered {
            Ok(Authorized::Elsewhere) => Ok(Interacted::Elsewhere { url, state }),
            Ok(Authorized::Callback(callback)) => {
                let completed = match callback.has_state(&state) {
                    true => complete_awaited(self.session, &callback).await,
                    // The callback of another page, which a host may receive first.
                    false => complete(self.session, &callback).await,
                };
                match completed {
                    // Each request decides whether the credential covers what it needs.
                    Ok(_) => Ok(Interacted::Authorized),
                    // The callback is the expected one, but its authorization was removed, for example by a sign-out.
                    Err(Error::StateMismatch) if callback.has_state(&state) => {
                        Err(Error::Cancelled {
                            what: "The sign-in",
                        })
                    }
                    Err(error) => Err(error),
                }
            }
            Err(error) => {
                held.abandon_pending(&state).await?;
                Err(error)
            }
        }
    }

    /// Asks the user to agree to `scopes`: exactly those of the request that follows.
    async fn ask_consent(&self, challenge: &AuthChallenge, scopes: &ScopeSet) -> Result<(), Error> {
        let (session, held) = (self.session, &self.session.held);
        let granted = held.current().map(|c| c.scopes().clone());
        // `offline_access` gives access to nothing, so the question does not show it.
        let new_scopes = without_offline_access(scopes).difference(&granted.unwrap_or_default());
        held.tell(Event::ConsentAsked {
            new_scopes: new_scopes.clone(),
        });
        let idp = session.idp.as_ref();
        let question = StepUpRequest {
            server: held.server().to_owned(),
            scopes: scopes.clone(),
            new_scopes: new_scopes.clone(),
            challenge: challenge.clone(),
            identity_provider: idp.map(|idp| idp.idp().issuer().to_owned()),
        };
        let answer = self.host.confirm_step_up(question);
        let user = &session.user;
        if user.within_patience("The question", answer).await? {
            return Ok(());
        }
        Err(Error::ConsentDenied {
            server: held.server().to_owned(),
            wanted: new_scopes,
            challenge: Box::new(challenge.clone()),
        })
    }

    /// Records that the user declined, for sessions that wait to ask the same. If the store fails, they ask again.
    async fn note_declined(&self, error: &Error) {
        let held = &self.session.held;
        let Some(declined) = self.interaction.request().declined_by(error, held.now()) else {
            return;
        };
        let noted = held.update(|record| {
            record.declined = Some(declined.clone());
            true
        });
        if let Err(error) = noted.await {
            tracing::debug!(server = %held.server(), %error, "the user's refusal could not be stored");
        }
    }

    /// Whether the user is no longer needed.
    async fn is_over(&self) -> bool {
        !self.interaction.is_wanted() || self.is_met(&self.interaction.request()).await
    }

    /// Completes when another session or process has stored a credential that meets `need`.
    async fn met(&self, need: &Need) {
        let held = &self.session.held;
        loop {
            let now = held.current();
            let changed = held.changed_here(now.as_ref());
            let _ = timeout(&*held.runtime, PERIOD, changed).await;
            if self.is_met(need).await {
                return;
            }
        }
    }

    async fn is_met(&self, need: &Need) -> bool {
        let held = &self.session.held;
        // Ignores a store error; a caller that needs the record gets it.
        let _ = held.reload().await;
        let now = held.current();
        now.is_some_and(|now| !now.is_expired(held.now()) && need.is_met_by(&now))
    }
}
