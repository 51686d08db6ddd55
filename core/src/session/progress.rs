//! One request over all its tries: the state of its recovery, and what the session knows about it.

use crate::challenge::{AuthChallenge, DpopDemand};
use crate::error::Error;
use crate::recovery::{Event, ProofDemand, Rejection, State};
use crate::scope::ScopeSet;
use crate::session::held::credential::Authorization;
use crate::session::ways::RenewalEnd;

/// What is known about one request, over all its rejections.
pub(crate) struct Progress {
    /// The state machine of its recovery.
    pub(super) state: State<Error>,
    /// The credential that the rejected request carried.
    pub(crate) sent: Option<Authorization>,
    /// The ID token at the last decision that read it.
    id_token: Option<Option<String>>,
    /// What the last response said about the nonce of the proof.
    pub(crate) nonce: Nonce,
    /// The server's clock was found to differ from what the proof assumed.
    pub(crate) retimed: bool,
    /// The scopes that were required when the user last authorized or a wider credential was last minted.
    authorized_for: ScopeSet,
}

impl Progress {
    pub(crate) fn new(sent: Option<Authorization>) -> Self {
        Self {
            state: State::new(),
            sent,
            id_token: None,
            nonce: Nonce::Unused,
            retimed: false,
            authorized_for: ScopeSet::new(),
        }
    }

    /// Removes the token that was sent from a challenge, in case the server quoted it.
    pub(crate) fn redact(&self, challenge: &mut AuthChallenge) {
        if let Some(sent) = &self.sent {
            challenge.redact(sent.grant().access_token.expose());
        }
    }

    pub(super) fn begin(&mut self, challenge: &AuthChallenge, consented: bool) {
        let required = &challenge.required_scopes;
        let repeats = !required.is_empty() && self.authorized_for.covers(required);
        let rejection = Rejection::of(challenge);
        self.state.begin(rejection, repeats, consented);
    }

    /// Records that a credential was obtained for this challenge.
    pub(super) fn note_authorized_for(&mut self, challenge: &AuthChallenge) {
        self.authorized_for.clone_from(&challenge.required_scopes);
    }

    /// Records the result of a renewal before the request was sent.
    pub(crate) fn note_renewal_ahead(&mut self, end: &RenewalEnd) {
        if let Some(renewal) = end.told() {
            self.state.record(Event::RenewedAhead(renewal));
        }
    }

    /// Records the current ID token. What an old one was refused for may not apply to a new one.
    pub(super) fn note_id_token(&mut self, id: Option<&String>) {
        let before = self.id_token.replace(id.cloned());
        if before.is_some_and(|before| before.as_ref() != id) {
            self.state.record(Event::IdTokenReplaced);
        }
    }

    /// Returns what a challenge says about the proof that was sent.
    pub(super) fn proof_demand(&self, challenge: &AuthChallenge) -> ProofDemand {
        if self.nonce == Nonce::Unused {
            return ProofDemand::None;
        }
        match challenge.dpop_demand() {
            DpopDemand::Nonce => ProofDemand::Nonce {
                is_fresh: self.nonce == Nonce::Fresh,
            },
            DpopDemand::Refused => ProofDemand::Refused {
                by_clock: self.retimed,
            },
            DpopDemand::None | DpopDemand::Token => ProofDemand::None,
        }
    }
}

/// What a response said about the nonce of a proof.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Nonce {
    /// No proof was sent.
    #[default]
    Unused,
    /// It provided no nonce, or the one that was used.
    Known,
    /// It provided a new one.
    Fresh,
}
