//! The interactive flight: consent, the visit to the authorization server, and its answer.
//!
//! One at a time per session. What is wanted while it runs either belongs to it (then its result counts),
//! joins it (as long as the person has not been shown anything), or follows after, all that waits together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::callback::CallbackParams;
use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::host::{AuthHost, AuthorizationRequest, Authorized, Event, StepUpRequest};
use crate::oauth::authorization::{self, Parameters};
use crate::oauth::discovery::{Preference, discover};
use crate::oauth::registration::register;
use crate::oauth::token::{TokenFailure, TokenGrant};
use crate::recovery::Ask;
use crate::runtime::timeout;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::session::Inner;
use crate::store::record::{Grant, Pending};

/// The scope that asks for a refresh token (OpenID Connect Core section 11).
const OFFLINE_ACCESS: &str = "offline_access";

/// What one request needs of a person.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    pub(crate) ask: Ask,
    pub(crate) challenge: AuthChallenge,
    /// The person has agreed already.
    pub(crate) consented: bool,
}

impl Need {
    /// Whether both can be met by one authorization, if their scopes are put together.
    fn goes_with(&self, other: &Self) -> bool {
        let key = |need: &Self| {
            let challenge = &need.challenge;
            (
                need.ask,
                need.consented,
                challenge.acr_values.clone(),
                challenge.max_age,
            )
        };
        key(self) == key(other)
    }
}

/// How an interaction ended well.
#[derive(Debug, Clone)]
pub(crate) enum Interacted {
    /// There is a new credential.
    Authorized,
    /// The person is on another page; the answer will come elsewhere.
    Elsewhere { url: String, state: String },
    /// Another interaction was in the way, and is over: look again.
    Again,
}

type Ending = Result<Interacted, Error>;

/// The interactions of a session.
#[derive(Default)]
pub(crate) struct Interactions(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    open: Option<Arc<Interaction>>,
    /// What waits for the open one to end.
    waiting: BTreeMap<u64, Need>,
    next_id: u64,
}

struct Interaction {
    /// What it is for; grows until the person is shown something.
    need: Mutex<Open>,
    ending: watch::Receiver<Option<Ending>>,
}

struct Open {
    need: Need,
    shown: bool,
}

impl Interaction {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.need.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its result is the answer to `need` too; takes the need in where that is still possible.
    fn takes(&self, need: &Need) -> bool {
        let mut open = self.open();
        if !open.need.goes_with(need) {
            return false;
        }
        let within = open
            .need
            .challenge
            .required_scopes
            .covers(&need.challenge.required_scopes);
        if !within && !open.shown {
            add_scopes(&mut open.need, need);
            return true;
        }
        within
    }

    /// Closes it to further needs, and tells what it is for.
    fn show(&self) -> Need {
        let mut open = self.open();
        open.shown = true;
        open.need.clone()
    }
}

fn add_scopes(need: &mut Need, more: &Need) {
    let scopes = &mut need.challenge.required_scopes;
    *scopes = scopes.union(&more.challenge.required_scopes);
}

impl Interactions {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue, given up when it is dropped.
struct Place<'a> {
    interactions: &'a Interactions,
    id: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.interactions.slot().waiting.remove(&self.id);
    }
}

impl Inner {
    /// Has the person do what `need` takes, together with whoever needs the same.
    pub(crate) async fn interact(self: &Arc<Self>, need: Need) -> Ending {
        let (mut ending, place) = self.board(need);
        let over = ending.wait_for(Option::is_some).await;
        let cancelled = Err(Error::Cancelled {
            what: "The sign-in",
        });
        let ended = over
            .ok()
            .and_then(|ending| ending.clone())
            .unwrap_or(cancelled);
        match place {
            None => ended,
            // It was somebody else's, whatever became of it.
            Some(_) => Ok(Interacted::Again),
        }
    }

    /// The ending to wait for: that of one's own interaction, or, with a place in the queue, that of another.
    fn board(self: &Arc<Self>, need: Need) -> (watch::Receiver<Option<Ending>>, Option<Place<'_>>) {
        let mut slot = self.interactions.slot();
        if let Some(open) = &slot.open {
            let ending = open.ending.clone();
            if open.takes(&need) {
                return (ending, None);
            }
            let id = slot.next_id;
            slot.next_id += 1;
            slot.waiting.insert(id, need);
            let place = Place {
                interactions: &self.interactions,
                id,
            };
            return (ending, Some(place));
        }
        let mut need = need;
        // Who waited for the same comes along, so that the person is asked once.
        for waiting in slot.waiting.values() {
            if need.goes_with(waiting) {
                add_scopes(&mut need, waiting);
            }
        }
        let (sender, ending) = watch::channel(None);
        let interaction = Arc::new(Interaction {
            need: Mutex::new(Open { need, shown: false }),
            ending: ending.clone(),
        });
        slot.open = Some(Arc::clone(&interaction));
        drop(slot);
        self.launch(interaction, sender);
        (ending, None)
    }

    fn launch(
        self: &Arc<Self>,
        interaction: Arc<Interaction>,
        sender: watch::Sender<Option<Ending>>,
    ) {
        /// Makes room also when the task panics or is never run.
        struct Closing(Arc<Inner>);
        impl Drop for Closing {
            fn drop(&mut self) {
                self.0.interactions.slot().open = None;
            }
        }
        let closing = Closing(Arc::clone(self));
        let inner = Arc::clone(self);
        self.runtime.spawn(Box::pin(async move {
            let ended = inner.run_interaction(&interaction).await;
            drop(closing);
            sender.send_replace(Some(ended));
        }));
    }

    async fn run_interaction(&self, interaction: &Interaction) -> Ending {
        let host = self
            .host
            .as_ref()
            .ok_or_else(|| Error::config("nobody is there to sign in: the session has no host"))?;
        // A sibling may have seen to it meanwhile.
        let before = self.current.get();
        self.reload().await?;
        let adopted = self.current.get();
        let usable = adopted.as_ref().is_some_and(|a| !a.is_expired(self.now()));
        if adopted != before && usable {
            self.event(Event::Adopted);
            return Ok(Interacted::Again);
        }
        let need = interaction.show();
        if need.ask == Ask::Union && !need.consented {
            self.ask_consent(&**host, &need.challenge).await?;
        }
        let (request, redirect) = self.prepare(&**host, &need).await?;
        let (url, state) = (request.url.clone(), request.state.clone());
        self.event(Event::AuthorizationStarted {
            issuer: request.issuer.clone(),
            scopes: request.scopes.clone(),
        });
        tracing::debug!(issuer = %request.issuer, redirect_uri = %redirect, "authorization started");
        match self
            .within_patience("The sign-in", host.authorize(request))
            .await
        {
            Ok(Authorized::Elsewhere) => Ok(Interacted::Elsewhere { url, state }),
            Ok(Authorized::Callback(callback)) => {
                // An answer to another authorization ends this one as little as it completes it.
                self.complete(&callback).await?;
                Ok(Interacted::Authorized)
            }
            Err(error) => {
                self.update(|record| record.pending.remove(&state).is_some())
                    .await?;
                Err(error)
            }
        }
    }

    async fn ask_consent(
        &self,
        host: &dyn AuthHost,
        challenge: &AuthChallenge,
    ) -> Result<(), Error> {
        let held = self
            .current
            .get()
            .map(|a| a.scopes().clone())
            .unwrap_or_default();
        let new_scopes = challenge.required_scopes.difference(&held);
        self.event(Event::ConsentAsked {
            new_scopes: new_scopes.clone(),
        });
        let question = StepUpRequest {
            server: self.server.clone(),
            scopes: held.union(&challenge.required_scopes),
            new_scopes,
            challenge: challenge.clone(),
        };
        let answer = host.confirm_step_up(question);
        if self.within_patience("The question", answer).await? {
            return Ok(());
        }
        Err(Error::ConsentDenied {
            server: self.server.clone(),
            wanted: challenge.required_scopes.clone(),
        })
    }

    /// Waits for the person, as long as the policy allows and anybody holds the session. Only this can be
    /// cancelled: a code that is being exchanged is not let go.
    async fn within_patience<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = self.policy.interaction_timeout;
        let mut closed = self.closed.subscribe();
        tokio::select! {
            biased;
            answered = timeout(&*self.runtime, limit, answer) => answered.unwrap_or_else(|| {
                Err(Error::Timeout {
                    what: what.to_owned(),
                    seconds: limit.as_secs(),
                })
            }),
            _ = closed.wait_for(|closed| *closed) => Err(Error::Cancelled { what }),
        }
    }

    /// Finds the authorization server (it may have changed), registers there, and notes the authorization that
    /// is about to start.
    async fn prepare(
        &self,
        host: &dyn AuthHost,
        need: &Need,
    ) -> Result<(AuthorizationRequest, String), Error> {
        let record = self.reload().await?.record;
        let preregistered = self.identity.preregistered.as_ref();
        let preference = Preference {
            required: preregistered.and_then(|client| client.issuer.as_deref()),
            current: record.grant.as_ref().map(|grant| grant.issuer.as_str()),
        };
        let named = need.challenge.resource_metadata.as_deref();
        let found = discover(&self.http, &self.server, named, &preference).await?;
        let server = &found.server;
        server.require_pkce()?;
        let redirect_uri = host.redirect_uri().await?;
        let recorded = record.clients.get(&server.issuer);
        let client = register(&self.http, server, &self.identity, &redirect_uri, recorded).await?;

        let held = record
            .grant
            .as_ref()
            .filter(|grant| grant.issuer == server.issuer);
        let wanted = self.wanted(need, held, &record.requested, &found.scopes_supported);
        let mut scopes = wanted.difference(&ScopeSet::parse(OFFLINE_ACCESS));
        if server.scopes_supported.iter().any(|s| s == OFFLINE_ACCESS) {
            scopes.insert(OFFLINE_ACCESS);
        }
        let resource = found.resource.filter(|_| self.send_resource);
        let prepared = authorization::prepare(
            server,
            &Parameters {
                client_id: &client.client_id,
                redirect_uri: &redirect_uri,
                scopes: &scopes,
                resource: resource.as_deref(),
                challenge: &need.challenge,
            },
        )?;
        let now = self.now();
        let pending = Pending {
            issuer: server.issuer.clone(),
            iss_expected: server.authorization_response_iss_parameter_supported,
            verifier: prepared.verifier,
            redirect_uri: redirect_uri.clone(),
            scopes: scopes.clone(),
            widen: need.ask == Ask::Union,
            token_endpoint: server.token_endpoint()?.to_owned(),
            revocation_endpoint: server.revocation_endpoint.clone(),
            resource: resource.clone(),
            client: client.clone(),
            created_at: now,
            challenge: need.challenge.clone(),
        };
        let oldest = now.saturating_sub(self.policy.interaction_timeout.as_secs());
        self.update(|record| {
            record.clients.insert(server.issuer.clone(), client.clone());
            record.add_pending(prepared.state.clone(), pending.clone(), oldest);
            true
        })
        .await?;
        let mut challenge = need.challenge.clone();
        challenge.authorization_scopes = scopes.clone();
        challenge.resource = resource;
        challenge.audience = Some(server.issuer.clone());
        let request = AuthorizationRequest {
            url: prepared.url,
            state: prepared.state,
            redirect_uri: redirect_uri.clone(),
            server: self.server.clone(),
            issuer: server.issuer.clone(),
            scopes,
            challenge,
        };
        Ok((request, redirect_uri))
    }

    /// The scopes to ask for. What was asked for and granted before at the same issuer always comes along
    /// (SEP-2350): a person who signs in again does not want to lose what they had agreed to.
    fn wanted(
        &self,
        need: &Need,
        held: Option<&Grant>,
        requested: &ScopeSet,
        supported: &ScopeSet,
    ) -> ScopeSet {
        let before = match (held, need.ask) {
            (None, _) => ScopeSet::new(),
            (Some(_), Ask::Afresh) => requested.clone(),
            (Some(grant), Ask::Union) => requested.union(&grant.granted),
        };
        let required = &need.challenge.required_scopes;
        let named = before.union(&self.scopes).union(required);
        let nothing_named = required.is_empty() && self.scopes.is_empty();
        if nothing_named {
            named.union(supported)
        } else {
            named
        }
    }

    /// Finishes the authorization that a callback belongs to.
    pub(crate) async fn complete(&self, callback: &CallbackParams) -> Result<(), Error> {
        let oldest = self
            .now()
            .saturating_sub(self.policy.interaction_timeout.as_secs());
        // Taken out before it is used: whoever takes it out is the one who may use it, once.
        let mut taken = None;
        self.update(|record| {
            let known = record
                .pending
                .keys()
                .find(|state| callback.has_state(state))
                .cloned();
            taken = known.and_then(|state| record.pending.remove(&state));
            taken.is_some()
        })
        .await?;
        let pending = taken
            .filter(|pending| pending.created_at >= oldest)
            .ok_or(Error::StateMismatch)?;
        let code = match authorization::code(callback, &pending.issuer, pending.iss_expected) {
            Ok(code) => code,
            Err(error) => {
                self.note_denial(&pending, &error).await?;
                return Err(error);
            }
        };
        let _unsettled = self.unsettled();
        let grant = self.exchange(&pending, &code).await?;
        let (issuer, scopes) = (grant.issuer.clone(), grant.granted.clone());
        let asked = pending.scopes.difference(&ScopeSet::parse(OFFLINE_ACCESS));
        self.update(|record| {
            record.requested = match pending.widen {
                true => record.requested.union(&asked),
                false => asked.clone(),
            };
            record
                .clients
                .insert(issuer.clone(), pending.client.clone());
            record.grant = Some(grant.clone());
            true
        })
        .await?;
        self.hold.release();
        self.event(Event::Authorized { issuer, scopes });
        Ok(())
    }

    /// A server that no longer knows a scope would refuse every sign-in that asks for it: next time only what
    /// is required is asked for.
    async fn note_denial(&self, pending: &Pending, error: &Error) -> Result<(), Error> {
        let unknown_scope = matches!(
            error,
            Error::AuthorizationDenied { error, .. } if error == "invalid_scope"
        );
        if unknown_scope && !pending.widen {
            self.update(|record| {
                let required = pending.challenge.required_scopes.clone();
                let changes = record.requested != required;
                record.requested = required;
                changes
            })
            .await?;
        }
        Ok(())
    }

    async fn exchange(&self, pending: &Pending, code: &Secret) -> Result<Grant, Error> {
        let presented = TokenGrant::Code {
            code,
            verifier: &pending.verifier,
            redirect_uri: &pending.redirect_uri,
        };
        let (endpoint, resource) = (&pending.token_endpoint, pending.resource.as_deref());
        let answer = self
            .token(endpoint, &pending.client, &presented, resource)
            .await;
        let template = Grant {
            issuer: pending.issuer.clone(),
            access_token: Secret::new(""),
            token_type: String::new(),
            granted: ScopeSet::new(),
            expires_at: None,
            obtained_at: 0,
            refresh_token: None,
            token_endpoint: endpoint.clone(),
            revocation_endpoint: pending.revocation_endpoint.clone(),
            resource: pending.resource.clone(),
        };
        let failure = match answer {
            Ok(tokens) => return Ok(self.granted(tokens, &template, &pending.scopes)),
            Err(failure) => failure,
        };
        let (issuer, detail) = (pending.issuer.clone(), failure.detail());
        Err(match failure {
            TokenFailure::Insecure => Error::InsecureEndpoint {
                url: endpoint.clone(),
            },
            TokenFailure::Transient { .. } => Error::http(endpoint, detail),
            TokenFailure::InvalidClient { .. } => {
                self.discard_client(&issuer, &pending.client).await?;
                Error::RegistrationRejected { issuer, detail }
            }
            TokenFailure::InvalidGrant { .. } => Error::AuthorizationDenied {
                issuer,
                error: "invalid_grant".to_owned(),
                description: Some(detail),
            },
            TokenFailure::Other { code, .. } => Error::AuthorizationDenied {
                issuer,
                error: code,
                description: Some(detail),
            },
        })
    }
}
