//! What has been tried for one request, and every transition.
//!
//! A recovery is a walk: a rejection (`begin`), then step after step (`next`, `record`), to an end. If it ends with
//! sending the request again and the server rejects that too, the walk continues in the same state: what was tried
//! counts over all tries. Every walk ends, since each step that does not end it uses something up:
//!
//! - each silent means is tried once, per request (`renewal`, `scope_renewal`, `idp`, `rescoped`) or per rejection that
//!   asks for more (`widening`, which counts as a step-up);
//! - the issuer is looked up once, and once more after the user has authorized;
//! - the user is asked once per rejection, and authorizes once for a 401 and `max_step_ups` times for more;
//! - other sessions' credentials are adopted [`MAX_ADOPTIONS`] times, beyond the retries that this request has earned
//!   itself.
//!
//! A step may record nothing: it joined another request's renewal, for other scopes or another credential. There are at
//! most as many of those as other requests.
//!
//! Errors are a type parameter: an attempt carries its error, and the machine never inspects it.

use super::facts::{Event, Facts, ProofDemand, Renewal, Source, Tried};
use super::rules::{Leg, next_step};
use super::situation::{
    Attempt, Consent, IssuerCheck, Means, Proof, Protocol, Rejection, Scoping, Situation, Step,
};

/// How often a request may be sent again because another session has a newer credential. Sessions that renew all the
/// time must not keep it going for ever.
const MAX_ADOPTIONS: u8 = 3;
/// How often a request may be sent again because its proof lacked a nonce. Servers change nonces from time to time, and
/// after a renewal the request may reach another server.
const MAX_NONCES: u8 = 3;

/// What has been tried for one request, over all its tries.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State<E> {
    /// How often another session's credential may be adopted.
    adoptions: u8,
    rejection: Rejection,
    /// Silent renewal of a token that expired or was rejected: at most one per request.
    renewal: Option<Tried<E>>,
    /// Silent renewal of a token that lacked scope: at most one per request, whatever was renewed before. The grant may
    /// have shrunk since.
    scope_renewal: Option<Tried<E>>,
    /// The token was renewed before the request was sent, and not for a 401.
    ahead: bool,
    /// Silent step-up, enterprise-managed or by a machine grant: at most one per rejection.
    widening: Option<Tried<E>>,
    /// Silent renewal of the session at the identity provider: at most one per request.
    idp: Option<Tried<E>>,
    /// A refresh that names the granted scopes: at most one per request.
    rescoped: bool,
    /// How often a new proof was made.
    proofs: u8,
    issuer: IssuerCheck,
    consent: Consent,
    /// A wider credential was authorized or minted after this rejection.
    answered: bool,
    /// A wider credential was obtained after the last rejection, and this one asks for no more.
    short: bool,
    reauthorized: bool,
    step_ups: u8,
    /// How often the request was sent again.
    retries: u8,
    /// How often a renewal found another session's credential.
    overtaken: u8,
    /// How often the ID token was replaced.
    id_tokens: u8,
}

impl<E> Default for State<E> {
    fn default() -> Self {
        Self::with_adoptions(MAX_ADOPTIONS)
    }
}

impl<E> State<E> {
    /// Creates the state of a request that was not sent yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates the same with another limit on adoptions of other sessions' credentials.
    #[must_use]
    pub fn with_adoptions(adoptions: u8) -> Self {
        Self {
            adoptions,
            rejection: Rejection::Token,
            renewal: None,
            scope_renewal: None,
            ahead: false,
            widening: None,
            idp: None,
            rescoped: false,
            proofs: 0,
            issuer: IssuerCheck::Unchecked,
            consent: Consent::NotAsked,
            answered: false,
            short: false,
            reauthorized: false,
            step_ups: 0,
            retries: 0,
            overtaken: 0,
            id_tokens: 0,
        }
    }

    /// Takes in a rejection. `repeats`: it asks for no more than what was authorized after the last one; `consented`:
    /// the user has already agreed to this step-up.
    pub fn begin(&mut self, rejection: Rejection, repeats: bool, consented: bool) {
        self.rejection = rejection;
        self.short = self.answered && repeats;
        self.answered = false;
        self.widening = None;
        self.consent = match consented {
            true => Consent::Given,
            false => Consent::NotAsked,
        };
    }

    /// Returns the next step.
    #[must_use]
    pub fn next(&self, facts: &Facts<E>) -> Step {
        next_step(&self.situation(facts))
    }

    /// Whether the next step, or the error that it ends with, depends on the session at the identity provider, whose record
    /// has to be read for that.
    #[must_use]
    pub fn depends_on_idp(&self, facts: &Facts<E>) -> bool {
        let situation = self.situation(facts);
        let Protocol::Enterprise { new_token, .. } = situation.protocol else {
            return false;
        };
        // Another ID token than the one that was rejected may do, whatever the next step is.
        if new_token == Attempt::Rejected {
            return true;
        }
        let step = |id_token, idp| {
            let protocol = Protocol::Enterprise {
                id_token,
                idp,
                new_token,
            };
            next_step(&Situation {
                protocol,
                ..situation
            })
        };
        let mut steps = Attempt::ALL
            .into_iter()
            .flat_map(|idp| [step(false, idp), step(true, idp)]);
        let Some(first) = steps.next() else {
            return false;
        };
        matches!(first, Step::Fail(_)) || steps.any(|step| step != first)
    }

    /// Returns what the next step depends on, as the rules see it.
    #[must_use]
    pub fn situation(&self, facts: &Facts<E>) -> Situation {
        let (current, permissions) = (facts.current, facts.permissions);
        let is_scope = self.rejection == Rejection::Scope;
        let may_adopt = self.retries < self.own_retries().saturating_add(self.adoptions);
        // If a rejection names no scopes, only a credential authorized after it counts as covering them.
        let covered = current.covers && (facts.names_scopes || self.answered);
        // A grant may have another name for what is required: the server decides.
        let worth_trying = !is_scope || current.covers || (self.answered && facts.returns);
        let adoptable = current.is_other && may_adopt;
        Situation {
            rejection: self.rejection,
            trigger: facts.trigger,
            protocol: self.protocol(facts, is_scope && !covered),
            newer_credential: adoptable && current.is_usable && worth_trying,
            proof: self.proof(facts.proof),
            covered,
            store_moved: adoptable,
            issuer: self.issuer(facts),
            consent: self.consent,
            short: self.short || (self.answered && !facts.returns),
            reauthorized: self.reauthorized
                || self.renewed_for_both()
                || current.was_rejected_at_once,
            anonymous: facts.anonymous,
            rescope: current.has_lost && !self.rescoped,
            deliberate: facts.deliberate,
            step_ups: self.step_ups,
            max_step_ups: permissions.max_step_ups,
            interaction: permissions.interaction,
            can_authorize: permissions.can_authorize,
            confirm: permissions.confirm,
        }
    }

    /// Records the result of a step, or something that happened meanwhile.
    pub fn record(&mut self, event: Event<E>) {
        match event {
            Event::Retried => self.retries = self.retries.saturating_add(1),
            Event::ProvedAgain => self.proofs = self.proofs.saturating_add(1),
            Event::Adopted => {
                self.retries = self.retries.saturating_add(1);
                // It is another session's credential: its own means have not been tried.
                self.renewal = None;
                self.scope_renewal = None;
            }
            Event::IssuerChecked(issuer) => self.issuer = issuer,
            Event::RenewedAhead(renewal) => {
                if let Some(tried) = self.tried(renewal) {
                    self.renewal = Some(tried);
                }
                self.ahead = true;
            }
            Event::Renewed {
                means,
                ask,
                renewal,
                is_offline,
            } => {
                self.rescoped |= means == Means::ScopedRefresh;
                match ask {
                    Scoping::Union => self.note_widening(renewal),
                    Scoping::Unchanged => self.note_renewal(renewal),
                }
                if self.issuer == IssuerCheck::Moved || is_offline {
                    self.issuer = IssuerCheck::Same;
                }
            }
            Event::IdpSessionRenewed(tried) => self.idp = Some(tried),
            Event::IdTokenReplaced => self.note_id_token(),
            Event::Consented => self.consent = Consent::Given,
            Event::Declined => self.consent = Consent::Declined,
            Event::Authorized(ask) => {
                self.answered = true;
                self.reauthorized = true;
                self.issuer = IssuerCheck::Unchecked;
                // The server of the new credential responds; the means of the new credential were not tried.
                for tried in [&mut self.renewal, &mut self.scope_renewal] {
                    tried.take_if(|tried| tried.attempt() == Attempt::Unreachable);
                }
                if ask == Scoping::Union {
                    // A user who authorizes more has agreed to it.
                    self.consent = Consent::Given;
                    self.step_ups = self.step_ups.saturating_add(1);
                }
            }
        }
    }

    /// Returns the error of the silent means that [`next`](Self::next) decided by.
    #[must_use]
    pub fn error<'a>(&'a self, facts: &'a Facts<E>) -> Option<&'a E> {
        let situation = self.situation(facts);
        let widens = self.rejection == Rejection::Scope && !situation.covered;
        let tried = match situation.protocol.decisive() {
            Leg::IdpSession => self.idp_session(facts),
            Leg::Own => self.own(facts, widens),
        };
        tried.and_then(Tried::error)
    }

    /// Returns the kind of the last rejection.
    #[must_use]
    pub fn rejection(&self) -> Rejection {
        self.rejection
    }

    /// How many step-ups the request has gone through.
    #[must_use]
    pub fn step_ups(&self) -> u8 {
        self.step_ups
    }

    /// Whether the user has authorized for this request.
    #[must_use]
    pub fn is_reauthorized(&self) -> bool {
        self.reauthorized
    }

    /// Whether the resource names another authorization server, which was not asked yet.
    #[must_use]
    pub fn has_moved(&self) -> bool {
        self.issuer == IssuerCheck::Moved
    }

    /// Whether one of this request's own renewals obtained a credential.
    #[must_use]
    pub fn is_renewed(&self) -> bool {
        self.renewals().into_iter().flatten().any(Tried::is_success)
    }

    /// Returns the renewal for this rejection. A rejected token that was just renewed, for whatever reason, is not
    /// renewed again.
    fn own_renewal(&self) -> Option<&Tried<E>> {
        match self.rejection {
            Rejection::Scope => self.scope_renewal.as_ref(),
            _ => self.renewal.as_ref().or(self.scope_renewal.as_ref()),
        }
    }

    /// Returns the result of the silent means other than the session at the identity provider.
    fn own<'a>(&'a self, facts: &'a Facts<E>, widens: bool) -> Option<&'a Tried<E>> {
        match widens && !matches!(facts.source, Source::Person { .. }) {
            true => self.widening.as_ref(),
            false => self.own_renewal().or(facts.paused.as_ref()),
        }
    }

    fn idp_session<'a>(&'a self, facts: &'a Facts<E>) -> Option<&'a Tried<E>> {
        let paused = match &facts.source {
            Source::Enterprise {
                renewable: true,
                paused,
                ..
            } => paused.as_ref(),
            _ => None,
        };
        self.idp.as_ref().or(paused)
    }

    fn protocol(&self, facts: &Facts<E>, widens: bool) -> Protocol {
        let attempt = |tried: Option<&Tried<E>>, there_is: bool| match (tried, there_is) {
            (Some(tried), _) => tried.attempt(),
            (None, true) => Attempt::Untried,
            (None, false) => Attempt::Absent,
        };
        let own = self.own(facts, widens);
        let new_token = attempt(own, true);
        match facts.source {
            Source::Person { renewable } => Protocol::Standard {
                refresh: attempt(own, renewable),
            },
            Source::ClientCredentials => Protocol::ClientCredentials { new_token },
            Source::WorkloadIdentity => Protocol::WorkloadIdentity { new_token },
            Source::Enterprise {
                id_token,
                renewable,
                ..
            } => Protocol::Enterprise {
                id_token,
                idp: attempt(self.idp_session(facts), renewable),
                new_token,
            },
        }
    }

    fn proof(&self, demand: ProofDemand) -> Proof {
        let may_prove = self.proofs < MAX_NONCES;
        match demand {
            ProofDemand::None => Proof::Unquestioned,
            ProofDemand::Nonce { is_fresh: true } | ProofDemand::Refused { by_clock: true }
                if may_prove =>
            {
                Proof::NeedsNonce
            }
            ProofDemand::Nonce { .. } | ProofDemand::Refused { .. } => Proof::Refused,
        }
    }

    fn issuer(&self, facts: &Facts<E>) -> IssuerCheck {
        // A session that backs off does not look for another server.
        match self.own_renewal().is_none() && facts.paused.is_some() {
            true => IssuerCheck::Same,
            false => self.issuer,
        }
    }

    /// Whether renewals for a 401 and for lacking scope both obtained a credential: a server that rejects the second
    /// one too contradicts itself, and no sign-in would change that.
    fn renewed_for_both(&self) -> bool {
        let succeeded = |tried: Option<&Tried<E>>| tried.is_some_and(Tried::is_success);
        !self.ahead && self.renewals().into_iter().all(succeeded)
    }

    fn renewals(&self) -> [Option<&Tried<E>>; 2] {
        [self.renewal.as_ref(), self.scope_renewal.as_ref()]
    }

    /// How many retries this request's own renewals and authorizations justify; other sessions cause any more.
    fn own_retries(&self) -> u8 {
        let renewals = self.renewals().into_iter().flatten();
        let renewed = renewals.filter(|tried| tried.is_success()).count();
        let authorized = usize::from(self.reauthorized);
        let earned = renewed + authorized + usize::from(self.step_ups);
        u8::try_from(earned).unwrap_or(u8::MAX)
    }

    /// Records a renewal, whichever request it was made for.
    fn note_renewal(&mut self, renewal: Renewal<E>) {
        let Some(tried) = self.tried(renewal) else {
            return;
        };
        match self.rejection {
            Rejection::Scope => self.scope_renewal = Some(tried),
            _ => self.renewal = Some(tried),
        }
    }

    fn note_widening(&mut self, renewal: Renewal<E>) {
        let Some(tried) = self.tried(renewal) else {
            return;
        };
        if tried.is_success() {
            self.answered = true;
            self.step_ups = self.step_ups.saturating_add(1);
        }
        self.widening = Some(tried);
    }

    /// Returns the result of a renewal, if a server was asked. Otherwise this request's own renewal is still to come;
    /// but if other sessions keep being faster, their result counts instead.
    fn tried(&mut self, renewal: Renewal<E>) -> Option<Tried<E>> {
        match renewal {
            Renewal::Tried(tried) => Some(tried),
            Renewal::Overtaken if self.overtaken == self.adoptions => Some(Tried::Succeeded),
            Renewal::Overtaken => {
                self.overtaken += 1;
                None
            }
        }
    }

    fn note_id_token(&mut self) {
        if self.id_tokens == self.adoptions {
            return;
        }
        self.id_tokens += 1;
        for tried in [
            &mut self.renewal,
            &mut self.scope_renewal,
            &mut self.widening,
        ] {
            tried.take_if(|tried| tried.attempt() == Attempt::Rejected);
        }
        // After a new sign-in, the session at the identity provider is untried. A request renews it successfully once.
        self.idp.take_if(|tried| !tried.is_success());
    }
}
