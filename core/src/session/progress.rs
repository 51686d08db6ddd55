//! What has been tried for one request.

use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::recovery::{Attempt, Consent, Failure, IssuerCheck};
use crate::scope::ScopeSet;
use crate::session::credential::Authorization;
use crate::session::renewal::RenewalEnd;

/// What has been tried for one request, over all its challenges.
pub(crate) struct Progress {
    /// What the rejected request carried.
    pub(crate) sent: Option<Authorization>,
    /// Silent renewal of a token that expired or was rejected: at most one for a request.
    renewal: Option<Attempt>,
    /// Silent renewal of a token that lacked scope: at most one for a request, and whatever was renewed before. The
    /// grant may have shrunk since.
    scope_renewal: Option<Attempt>,
    /// It was renewed before it was sent, and not for a 401.
    ahead: bool,
    /// What renewal would come to, as far as patience forbids to find out.
    pub(super) held: Option<Attempt>,
    /// Silent widening by a machine grant: at most one for a challenge.
    pub(super) widening: Option<Attempt>,
    /// Silent renewal of the session at the identity provider: at most one for a request.
    pub(super) idp: Option<Attempt>,
    /// What that would come to, as far as patience forbids to find out.
    pub(super) idp_held: Option<Attempt>,
    /// The ID token that there was last.
    pub(super) id_token: Option<Option<String>>,
    /// What the last response said of proofs, and how often one was made again for a nonce.
    pub(crate) proof: Nonce,
    /// The server's clock was found to differ from what the proof assumed.
    pub(crate) retimed: bool,
    pub(super) nonces: u8,
    /// Why the last silent means brought nothing.
    pub(super) error: Option<Error>,
    pub(super) issuer: IssuerCheck,
    pub(super) consent: Consent,
    /// Since this challenge, a wider credential was authorized or minted, for these scopes.
    pub(super) answered: Option<ScopeSet>,
    /// What the last challenge asked for was granted without being covered, and this one asks for it again.
    pub(super) short: bool,
    pub(super) reauthorized: bool,
    /// A refresh that names the granted scopes: at most one for a request.
    pub(super) rescoped: bool,
    pub(super) step_ups: u8,
    /// How often it was sent again.
    pub(super) retries: u8,
}

impl Progress {
    pub(crate) fn new(sent: Option<Authorization>) -> Self {
        Self {
            sent,
            renewal: None,
            scope_renewal: None,
            ahead: false,
            held: None,
            widening: None,
            idp: None,
            id_token: None,
            idp_held: None,
            proof: Nonce::Unused,
            retimed: false,
            nonces: 0,
            error: None,
            issuer: IssuerCheck::Unchecked,
            consent: Consent::NotAsked,
            answered: None,
            short: false,
            reauthorized: false,
            rescoped: false,
            step_ups: 0,
            retries: 0,
        }
    }

    /// Takes the token that was sent out of a challenge, should the server have quoted it.
    pub(crate) fn redact(&self, challenge: &mut AuthChallenge) {
        if let Some(sent) = &self.sent {
            challenge.redact(sent.grant().access_token.expose());
        }
    }

    /// What renewal for such a failure came to. A token that was just renewed, for whatever reason, and is rejected
    /// is not renewed again.
    pub(super) fn renewal(&self, failure: Failure) -> Option<Attempt> {
        match failure {
            Failure::Scope => self.scope_renewal,
            _ => self.renewal.or(self.scope_renewal),
        }
    }

    /// Whether a renewal of this request's own brought a credential.
    pub(super) fn renewed(&self) -> bool {
        self.renewals().contains(&Some(Attempt::Succeeded))
    }

    /// Whether renewals for a 401 and for lacking scope both brought a credential: a server that rejects the second one
    /// as well contradicts itself, and no sign-in would change that.
    pub(super) fn renewed_for_both(&self) -> bool {
        !self.ahead && self.renewals() == [Some(Attempt::Succeeded); 2]
    }

    fn renewals(&self) -> [Option<Attempt>; 2] {
        [self.renewal, self.scope_renewal]
    }

    /// Notes what a renewal for such a failure came to, whichever request it was made for.
    pub(crate) fn note_renewal(&mut self, failure: Failure, end: &RenewalEnd) {
        let attempt = match end {
            RenewalEnd::Renewed => Attempt::Succeeded,
            RenewalEnd::Failed(attempt, error) => {
                self.error = Some(error.clone());
                *attempt
            }
            // No server was asked, so this request's own renewal is still to come.
            RenewalEnd::Adopted | RenewalEnd::Broken(_) => return,
        };
        match failure {
            Failure::Scope => self.scope_renewal = Some(attempt),
            _ => self.renewal = Some(attempt),
        }
    }

    /// Notes what a renewal before the request was sent came to.
    pub(crate) fn note_renewal_ahead(&mut self, end: &RenewalEnd) {
        self.note_renewal(Failure::Token, end);
        self.ahead = true;
    }

    /// The credential is another's now: its own means have not been tried.
    pub(super) fn adopt(&mut self, current: Option<Authorization>) {
        self.retries = self.retries.saturating_add(1);
        self.sent = current;
        self.renewal = None;
        self.scope_renewal = None;
    }

    pub(super) fn note_widening(&mut self, end: &RenewalEnd, required: &ScopeSet) {
        match end {
            RenewalEnd::Renewed => {
                self.widening = Some(Attempt::Succeeded);
                self.answered = Some(required.clone());
                self.step_ups = self.step_ups.saturating_add(1);
            }
            RenewalEnd::Failed(attempt, error) => {
                self.widening = Some(*attempt);
                self.error = Some(error.clone());
            }
            // No server was asked for more.
            RenewalEnd::Adopted | RenewalEnd::Broken(_) => {}
        }
    }

    /// What the old ID token was refused for, a new one may not be.
    pub(super) fn note_id_token(&mut self, id: Option<&String>) {
        let before = self.id_token.replace(id.cloned());
        if before.is_none_or(|before| before.as_ref() == id) {
            return;
        }
        let rejected = |tried: &mut Option<Attempt>| {
            tried.take_if(|tried| *tried == Attempt::Rejected);
        };
        rejected(&mut self.renewal);
        rejected(&mut self.scope_renewal);
        rejected(&mut self.widening);
        // The user signed in: that session was not tried yet. Its own renewal a request tries once.
        self.idp.take_if(|tried| *tried != Attempt::Succeeded);
    }

    /// How many retries this request's own renewal and authorizations are worth.
    pub(super) fn earned(&self) -> u8 {
        let succeeded = |own: Option<Attempt>| u8::from(own == Some(Attempt::Succeeded));
        let renewed: u8 = self.renewals().into_iter().map(succeeded).sum();
        let authorized = u8::from(self.reauthorized);
        self.step_ups.saturating_add(renewed + authorized)
    }

    pub(super) fn begin(&mut self, challenge: &AuthChallenge, confirmed: bool) {
        let required = &challenge.required_scopes;
        let before = self.answered.take();
        self.short = !required.is_empty() && before.is_some_and(|before| before.covers(required));
        self.widening = None;
        self.consent = if confirmed {
            Consent::Given
        } else {
            Consent::NotAsked
        };
    }
}

/// What became of the nonce for proofs that a response may carry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Nonce {
    /// No proof was sent.
    #[default]
    Unused,
    /// There was none, or the one that was used.
    Known,
    /// There was a new one.
    Fresh,
}
