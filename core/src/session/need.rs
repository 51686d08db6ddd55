//! What one request needs from the user, and the result of asking them.

use std::time::SystemTime;

use crate::challenge::{AuthChallenge, Reason};
use crate::error::Error;
use crate::recovery::Scoping;
use crate::runtime::unix_seconds;
use crate::session::coordination::queue::Request;
use crate::session::held::credential::Authorization;
use crate::store::record::{Declined, Record};

/// What one request needs from the user.
#[derive(Debug, Clone)]
pub(crate) struct Need {
    /// The credential that was current when it was decided that the user is needed.
    pub(crate) credential: Option<Authorization>,
    /// Read the resource's metadata, even if the recorded one is still fresh.
    pub(crate) reads_metadata: bool,
    pub(crate) ask: Scoping,
    pub(crate) challenge: AuthChallenge,
    pub(crate) purpose: Purpose,
    /// The ID token at the time of that decision. It did not help, or the user would not be needed.
    pub(crate) spent_id_token: Option<String>,
    /// Replace a dynamic registration.
    pub(crate) register_again: bool,
    /// The application explicitly requests a sign-in.
    pub(crate) deliberate: bool,
}

/// What the user is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Consent; the rest is silent.
    Consent,
    /// Authorize; consent was given or is not needed.
    Authorization,
    Both,
}

/// The result of an interaction without an error.
#[derive(Debug, Clone)]
pub(crate) enum Interacted {
    /// The user gave consent.
    Consented,
    /// A new credential was obtained.
    Authorized,
    /// The user is on another page; the callback will arrive elsewhere.
    Elsewhere { url: String, state: String },
    /// Another interaction had to end first, or the credential changed in the meantime: decide again.
    Again,
}

pub(crate) type Ending = Result<Interacted, Error>;

impl Need {
    /// Whether `now`, obtained after the decision that the user is needed, meets this need.
    pub(crate) fn is_met_by(&self, now: &Authorization) -> bool {
        if self.credential.as_ref() == Some(now) {
            return false;
        }
        let before = self.credential.as_ref().map(|c| &c.grant().sign_in);
        let signed_in = before != Some(&now.grant().sign_in);
        let required = &self.challenge.required_scopes;
        match self.challenge.reason {
            Reason::InsufficientScope if !required.is_empty() => now.scopes().covers(required),
            Reason::InsufficientScope | Reason::InsufficientUserAuthentication => signed_in,
            Reason::Unauthorized | Reason::TokenExpired | Reason::InvalidToken => {
                signed_in || !self.deliberate
            }
        }
    }

    /// Returns the record of a refusal, if `error` means that the user declined this need. It also answers sessions
    /// that wait to ask the same.
    pub(crate) fn declined_by(&self, error: &Error, now: u64) -> Option<Declined> {
        let (scopes, issuer) = match error {
            Error::ConsentDenied { wanted, .. } => (wanted.clone(), None),
            Error::AuthorizationDenied { error, issuer, .. } if error == "access_denied" => {
                let required = &self.challenge.required_scopes;
                (required.clone(), Some(issuer.clone()))
            }
            _ => return None,
        };
        Some(Declined {
            at: now,
            scopes: scopes.union(&self.challenge.required_scopes),
            issuer,
        })
    }

    /// Returns the error of a refusal in `record` that answers this need, if the user declined after `waited`, when
    /// this session began to wait for its turn.
    pub(crate) fn declined_since(
        &self,
        waited: SystemTime,
        record: &Record,
        server: &str,
    ) -> Option<Error> {
        let declined = record.declined.as_ref()?;
        let required = &self.challenge.required_scopes;
        let same = declined.at >= unix_seconds(waited) && declined.scopes.covers(required);
        same.then(|| match &declined.issuer {
            Some(issuer) => Error::AuthorizationDenied {
                issuer: issuer.clone(),
                error: "access_denied".to_owned(),
                description: None,
            },
            None => Error::ConsentDenied {
                server: server.to_owned(),
                wanted: declined.scopes.clone(),
                challenge: Box::new(self.challenge.clone()),
            },
        })
    }
}

impl Request for Need {
    fn goes_with(&self, other: &Self) -> bool {
        let key = |need: &Self| {
            let challenge = &need.challenge;
            (
                need.ask,
                need.purpose,
                need.spent_id_token.clone(),
                challenge.acr_values.clone(),
                challenge.max_age,
            )
        };
        key(self) == key(other)
    }

    fn covers(&self, other: &Self) -> bool {
        let (own, others) = (&self.challenge, &other.challenge);
        own.required_scopes.covers(&others.required_scopes)
    }

    fn merge(&mut self, other: &Self) {
        let scopes = &mut self.challenge.required_scopes;
        *scopes = scopes.union(&other.challenge.required_scopes);
        self.reads_metadata |= other.reads_metadata;
    }
}
