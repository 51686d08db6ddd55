//! The interactive flight: consent, the visit to the authorization server, and its answer.
//!
//! One at a time per session. What is wanted while it runs either belongs to it (then its result counts),
//! joins it (as long as the person has not been shown anything), or follows after, all that waits together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::watch;

use crate::challenge::{AuthChallenge, Reason};
use crate::error::Error;
use crate::host::{
    AuthHost, AuthorizationRequest, Authorized, Event, StepUpRequest, check_redirect_uri,
};
use crate::recovery::{Ask, Attempt, Trigger};
use crate::runtime::timeout;
use crate::scope::ScopeSet;
use crate::session::credential::Authorization;
use crate::session::renewal::RenewalEnd;
use crate::session::scheme::without_offline_access;
use crate::session::users_turn::UsersTurn;
use crate::session::{GrantType, Inner};
use crate::store::record::Record;
use crate::sync::{Mutex, MutexGuard, lock};

/// What one request needs of a person.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    /// The credential that was current when it was decided that a person is needed.
    pub(crate) of: Option<Authorization>,
    /// The resource's metadata is read, however fresh what is on record says that it is.
    pub(crate) reads_metadata: bool,
    pub(crate) ask: Ask,
    pub(crate) challenge: AuthChallenge,
    pub(crate) purpose: Purpose,
    /// The ID token that there was when it was decided; of no use, or a person would not be needed.
    pub(crate) spent: Option<String>,
    /// A registration of our own is replaced.
    pub(crate) register_again: bool,
    /// The application asks for a sign-in on purpose.
    pub(crate) deliberate: bool,
}

/// What a person is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Agree; the rest is silent.
    Consent,
    /// Authorize; they have agreed, or need not be asked.
    Authorization,
    Both,
}

impl Need {
    /// Whether both can be met by one authorization, if their scopes are put together.
    fn goes_with(&self, other: &Self) -> bool {
        let key = |need: &Self| {
            let challenge = &need.challenge;
            (
                need.ask,
                need.purpose,
                need.spent.clone(),
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
    /// They agree.
    Consented,
    /// There is a new credential.
    Authorized,
    /// The person is on another page; the answer will come elsewhere.
    Elsewhere { url: String, state: String },
    /// Another interaction was in the way and is over, or the credential changed meanwhile: look again.
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

pub(super) struct Interaction {
    /// What it is for; grows until the person is shown something.
    need: Mutex<Open>,
    ending: watch::Receiver<Option<Ending>>,
}

struct Open {
    need: Need,
    /// Nothing more is taken in: the user sees it, or no caller wants it.
    shown: bool,
    /// How many wait for its result.
    seats: usize,
}

/// A claim on an interaction's result, given up when it is dropped.
struct Seat(Arc<Interaction>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.open().seats -= 1;
    }
}

impl Interaction {
    fn open(&self) -> MutexGuard<'_, Open> {
        lock(&self.need)
    }

    /// A seat, if its result is the answer to `need` too; takes the need in where that is still possible.
    fn take(self: &Arc<Self>, need: &Need) -> Option<Seat> {
        let mut open = self.open();
        if !open.need.goes_with(need) {
            return None;
        }
        let within = open
            .need
            .challenge
            .required_scopes
            .covers(&need.challenge.required_scopes);
        if !within && open.shown {
            return None;
        }
        if !within {
            add_scopes(&mut open.need, need);
        }
        open.seats += 1;
        drop(open);
        Some(Seat(Arc::clone(self)))
    }

    /// Closes it to further needs, and tells what it is for; `None` when no caller waits for it any more.
    fn show(&self) -> Option<Need> {
        let mut open = self.open();
        open.shown = true;
        (open.seats > 0).then(|| open.need.clone())
    }

    /// What it is for so far.
    pub(super) fn need(&self) -> Need {
        self.open().need.clone()
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.open().seats > 0
    }
}

fn add_scopes(need: &mut Need, more: &Need) {
    let scopes = &mut need.challenge.required_scopes;
    *scopes = scopes.union(&more.challenge.required_scopes);
    need.reads_metadata |= more.reads_metadata;
}

impl Interactions {
    fn slot(&self) -> MutexGuard<'_, Slot> {
        lock(&self.0)
    }
}

/// What a caller that waits for an ending has of it.
enum Claim {
    /// It is one's own.
    Seat(Seat),
    /// It is another's; one's own turn comes after it.
    Place(Place),
}

/// A place in the queue, given up when it is dropped.
pub(crate) struct Place {
    inner: Arc<Inner>,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.interactions.slot().waiting.remove(&self.id);
    }
}

impl Inner {
    /// Has the user do what `need` takes, together with the callers that need the same. `place` is the caller's place
    /// in the queue; it is kept from [`Interacted::Again`] until the caller has come back or gone.
    pub(crate) async fn interact(
        self: &Arc<Self>,
        need: Need,
        place: &mut Option<Place>,
    ) -> Ending {
        let (mut ending, claim) = self.board(need);
        let (_seat, queued) = match claim {
            Claim::Seat(seat) => (Some(seat), None),
            Claim::Place(place) => (None, Some(place)),
        };
        *place = queued;
        let over = ending.wait_for(Option::is_some).await;
        let cancelled = Err(Error::Cancelled {
            what: "The sign-in",
        });
        let ended = over.ok().and_then(|ending| ending.clone());
        match place {
            None => ended.unwrap_or(cancelled),
            // It was another caller's, whatever became of it.
            Some(_) => Ok(Interacted::Again),
        }
    }

    /// The ending to wait for: that of one's own interaction, or, with a place in the queue, that of another.
    fn board(self: &Arc<Self>, need: Need) -> (watch::Receiver<Option<Ending>>, Claim) {
        let mut slot = self.interactions.slot();
        if let Some(open) = &slot.open {
            let ending = open.ending.clone();
            if let Some(seat) = open.take(&need) {
                return (ending, Claim::Seat(seat));
            }
            let id = slot.next_id;
            slot.next_id += 1;
            slot.waiting.insert(id, need);
            let inner = Arc::clone(self);
            return (ending, Claim::Place(Place { inner, id }));
        }
        let mut need = need;
        // Callers that waited for the same come along, so that the user is asked once.
        for waiting in slot.waiting.values() {
            if need.goes_with(waiting) {
                add_scopes(&mut need, waiting);
            }
        }
        let (sender, ending) = watch::channel(None);
        let interaction = Arc::new(Interaction {
            need: Mutex::new(Open {
                need,
                shown: false,
                seats: 1,
            }),
            ending: ending.clone(),
        });
        let seat = Seat(Arc::clone(&interaction));
        slot.open = Some(Arc::clone(&interaction));
        drop(slot);
        self.launch(interaction, sender);
        (ending, Claim::Seat(seat))
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

    async fn run_interaction(self: &Arc<Self>, interaction: &Interaction) -> Ending {
        let host = self
            .host
            .as_ref()
            .ok_or_else(|| Error::config("nobody is there to sign in: the session has no host"))?;
        // An organization's users sign in elsewhere, in turns of their own.
        let turn = match self.grant_type {
            GrantType::Enterprise => None,
            _ => match self.users_turn(&**host, interaction).await? {
                UsersTurn::Over => return Ok(Interacted::Again),
                UsersTurn::Ours(turn) => Some(turn),
            },
        };
        // Another flight or another process may have seen to it meanwhile.
        let before = interaction.need();
        let record = self.reload().await?.record;
        let now = self.current.get();
        if now != before.of && now.is_some_and(|now| !now.is_expired(self.now())) {
            return Ok(Interacted::Again);
        }
        if !interaction.is_wanted() {
            return Ok(Interacted::Again);
        }
        let waited = turn.as_ref().and_then(|turn| turn.waited);
        let declined = waited.and_then(|since| self.declined_since(since, &record, &before));
        if let Some(declined) = declined {
            return Err(declined);
        }
        let ended = match self.grant_type {
            GrantType::Enterprise => self.interact_at_idp(&**host, &record, interaction).await,
            _ => self.interact_here(&**host, &record, interaction).await,
        };
        if let Err(error) = &ended {
            self.note_declined(&interaction.need(), error).await;
        }
        ended
    }

    /// Asks the user, and has them sign in, for a session that is its own.
    async fn interact_here(
        self: &Arc<Self>,
        host: &dyn AuthHost,
        record: &Record,
        interaction: &Interaction,
    ) -> Ending {
        let before = interaction.need();
        let known = self.find_server(&before, record).await?;
        // From here on nothing is waited for until the user sees it: what they see is what is asked for.
        let Some(need) = interaction.show() else {
            return Ok(Interacted::Again);
        };
        let scheme = self.scheme(&need, record, known);
        let asks = need.purpose != Purpose::Authorization;
        if asks {
            let (challenge, scopes) = (&need.challenge, &scheme.scopes);
            self.ask_consent(host, challenge, scopes).await?;
        }
        let request = self.prepare(host, &need, scheme).await?;
        self.send_person(host, request, &need, interaction, asks)
            .await
    }

    /// The same for a session that an organization manages.
    async fn interact_at_idp(
        self: &Arc<Self>,
        host: &dyn AuthHost,
        record: &Record,
        interaction: &Interaction,
    ) -> Ending {
        let Some(need) = interaction.show() else {
            return Ok(Interacted::Again);
        };
        let asks = need.purpose != Purpose::Authorization;
        if asks {
            let asked = self.asked(need.ask, need.of.as_ref(), &need.challenge);
            let scopes = record.requested.union(&asked);
            self.ask_consent(host, &need.challenge, &scopes).await?;
        }
        match need.purpose {
            Purpose::Consent => self.mint_agreed(&need).await,
            _ => self.sign_in_at_idp(host, &need, interaction, asks).await,
        }
    }

    /// What they agreed to is silent, and part of the interaction: a caller that asks for the same meanwhile need
    /// not ask them again.
    async fn mint_agreed(self: &Arc<Self>, need: &Need) -> Ending {
        if !self.idp_is_ready(Trigger::Command).await {
            return Ok(Interacted::Consented);
        }
        let plan = self.minting_plan(need.ask, need.of.clone(), need.challenge.clone());
        let renewal = self.mint_for(plan).await?;
        match &renewal.end {
            RenewalEnd::Renewed => Ok(Interacted::Authorized),
            RenewalEnd::Adopted => Ok(Interacted::Again),
            // Another ID token may do.
            RenewalEnd::Failed(Attempt::Rejected, _) => Ok(Interacted::Consented),
            RenewalEnd::Failed(_, error) | RenewalEnd::Broken(error) => Err(error.clone()),
        }
    }

    /// Has the person sign in at the identity provider, unless they just did so for another server.
    async fn sign_in_at_idp(
        self: &Arc<Self>,
        host: &dyn AuthHost,
        need: &Need,
        interaction: &Interaction,
        asked: bool,
    ) -> Ending {
        let waiting = self
            .idp()?
            .sign_in_turn(self.settings.policy.interaction_timeout);
        let _turn = self.within_patience("The sign-in", waiting).await?;
        // For more or later authentication (RFC 9470), any other sign-in is no answer.
        let demanded = need.challenge.reason == Reason::InsufficientUserAuthentication;
        let now = self.idp_view().await?;
        if !demanded && now.id.is_some() && now.id != need.spent {
            return Ok(Interacted::Again);
        }
        let request = self.prepare_idp(host, need).await?;
        self.send_person(host, request, need, interaction, asked)
            .await
    }

    /// Has the person go where they sign in, and takes what they come back with. `asked`: they know of it.
    async fn send_person(
        self: &Arc<Self>,
        host: &dyn AuthHost,
        request: AuthorizationRequest,
        need: &Need,
        interaction: &Interaction,
        asked: bool,
    ) -> Ending {
        let (url, state) = (request.url.clone(), request.state.clone());
        // What a user has begun goes on for the next caller; no other user is bothered for nothing.
        if !asked && !interaction.is_wanted() {
            self.forget_pending(&state).await?;
            return Ok(Interacted::Again);
        }
        self.event(Event::AuthorizationStarted {
            issuer: request.issuer.clone(),
            scopes: request.scopes.clone(),
        });
        tracing::debug!(issuer = %request.issuer, redirect_uri = %request.redirect_uri, "authorization started");
        let page = self.within_patience("The sign-in", host.authorize(request));
        let answered = tokio::select! {
            biased;
            answered = page => answered,
            // By a session that did not wait for its turn, or by a callback that came elsewhere.
            () = self.met(need) => {
                self.forget_pending(&state).await?;
                return Ok(Interacted::Again);
            }
        };
        match answered {
            Ok(Authorized::Elsewhere) => Ok(Interacted::Elsewhere { url, state }),
            Ok(Authorized::Callback(callback)) => {
                let completed = match callback.has_state(&state) {
                    true => self.complete_awaited(&callback).await,
                    // That of another page, which a host may be given first.
                    false => self.complete(&callback).await,
                };
                match completed {
                    // Whether it covers what each request needs, each decides for itself.
                    Ok(_) => Ok(Interacted::Authorized),
                    // It is the awaited one, and what it belongs to was ended, as a sign-out does.
                    Err(Error::StateMismatch) if callback.has_state(&state) => {
                        Err(Error::Cancelled {
                            what: "The sign-in",
                        })
                    }
                    Err(error) => Err(error),
                }
            }
            Err(error) => {
                self.abandon(&state).await?;
                Err(error)
            }
        }
    }

    async fn forget_pending(&self, state: &str) -> Result<(), Error> {
        self.update(|record| record.pending.remove(state).is_some())
            .await?;
        Ok(())
    }

    /// Where the host says that the callback will come. It is registered and shown, so it should be an address
    /// (RFC 6749 section 3.1.2). `registered` says whether the client is registered for certain addresses already.
    pub(super) async fn redirect_uri(
        &self,
        host: &dyn AuthHost,
        registered: bool,
    ) -> Result<String, Error> {
        if let Some(uri) = &self.settings.redirect_uri {
            return Ok(uri.clone());
        }
        let said = match registered {
            true => host.registered_redirect_uri(),
            false => host.redirect_uri(),
        };
        let uri = self.within_patience("The sign-in", said).await?;
        check_redirect_uri(&uri).map_err(Error::host)?;
        Ok(uri)
    }

    /// Asks for what the request that follows asks for: `scopes`, no more and no less.
    async fn ask_consent(
        &self,
        host: &dyn AuthHost,
        challenge: &AuthChallenge,
        scopes: &ScopeSet,
    ) -> Result<(), Error> {
        let held = self
            .current
            .get()
            .map(|a| a.scopes().clone())
            .unwrap_or_default();
        // That access is renewed without asking is no access to anything.
        let new_scopes = without_offline_access(scopes).difference(&held);
        self.event(Event::ConsentAsked {
            new_scopes: new_scopes.clone(),
        });
        let question = StepUpRequest {
            server: self.server.clone(),
            scopes: scopes.clone(),
            new_scopes: new_scopes.clone(),
            challenge: challenge.clone(),
            identity_provider: self.idp.as_ref().map(|idp| idp.issuer().to_owned()),
        };
        let answer = host.confirm_step_up(question);
        if self.within_patience("The question", answer).await? {
            return Ok(());
        }
        Err(Error::ConsentDenied {
            server: self.server.clone(),
            wanted: new_scopes,
            challenge: Box::new(challenge.clone()),
        })
    }

    /// Waits for the user, as long as the policy allows and the application holds the session. Only this can be
    /// cancelled: a code that is being exchanged is not let go.
    pub(super) async fn within_patience<T>(
        &self,
        what: &'static str,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let limit = self.settings.policy.interaction_timeout;
        let closed = self.ended.until(|| self.closed.load(Ordering::SeqCst));
        tokio::select! {
            biased;
            // First: the user is not to be shown anything for a session that is gone.
            () = closed => Err(Error::Cancelled { what }),
            answered = timeout(&*self.runtime, limit, answer) => answered.unwrap_or_else(|| {
                Err(Error::Timeout {
                    what: what.to_owned(),
                    seconds: limit.as_secs(),
                })
            }),
        }
    }
}
