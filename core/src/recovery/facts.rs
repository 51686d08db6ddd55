//! What the driver tells the state machine: the facts of the moment, and the result of a step.

use super::situation::{Attempt, IssuerCheck, Means, Scoping, Trigger};

/// The result of an attempt to obtain a credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tried<E> {
    /// It obtained one.
    Succeeded,
    /// It obtained none: how far it got, and the error.
    Failed(Attempt, E),
}

impl<E> Tried<E> {
    pub(super) fn attempt(&self) -> Attempt {
        match self {
            Self::Succeeded => Attempt::Succeeded,
            Self::Failed(attempt, _) => *attempt,
        }
    }

    pub(super) fn error(&self) -> Option<&E> {
        match self {
            Self::Succeeded => None,
            Self::Failed(_, error) => Some(error),
        }
    }

    pub(super) fn is_success(&self) -> bool {
        self.attempt() == Attempt::Succeeded
    }
}

/// The result of a renewal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Renewal<E> {
    /// A server was asked.
    Tried(Tried<E>),
    /// No server was asked, because another session had already stored another credential.
    Overtaken,
}

/// How credentials are obtained, and which silent means are available now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source<E> {
    /// The user's authorization.
    Person {
        /// There is a usable refresh token.
        renewable: bool,
    },
    /// The client's own credential.
    ClientCredentials,
    /// An assertion of the workload's platform.
    WorkloadIdentity,
    /// Enterprise-managed authorization.
    Enterprise {
        /// Whether a valid ID token is held.
        id_token: bool,
        /// Whether the session at the identity provider can be renewed.
        renewable: bool,
        /// The last renewal of that session, while a backoff after its failure lasts.
        paused: Option<Tried<E>>,
    },
}

/// The current credential, compared with the rejected one. All fields are `false` if there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Current {
    /// It is not the rejected one.
    pub is_other: bool,
    /// It is not known to be expired.
    pub is_usable: bool,
    /// It covers all scopes that the rejection names.
    pub covers: bool,
    /// The refresh that returned it lost scopes, and a refresh that names them may restore them.
    pub has_lost: bool,
    /// The sign-in that obtained it was rejected at once, a few minutes ago.
    pub was_rejected_at_once: bool,
}

/// What a rejection says about the request's proof (RFC 9449).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ProofDemand {
    /// Nothing, or the request had no proof.
    #[default]
    None,
    /// It lacks a nonce (section 9).
    Nonce {
        /// The response provides another nonce than the one that was sent.
        is_fresh: bool,
    },
    /// It is refused, whatever the token.
    Refused {
        /// The server's clock differs from what the proof assumed, so that another proof may be accepted.
        by_clock: bool,
    },
}

/// What a session may do about a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Permissions {
    /// How many step-ups a request may go through; 0 means that step-ups fail at once.
    pub max_step_ups: u8,
    /// There is a host, and policy lets it involve the user.
    pub interaction: bool,
    /// There is a host or a machine grant, so that something could authorize.
    pub can_authorize: bool,
    /// The user must confirm a step-up that an enterprise session could make silently.
    pub confirm: bool,
}

/// What a step depends on besides the state.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Facts<E> {
    /// Whether a caller waits.
    pub trigger: Trigger,
    /// This request is sent again, and the server's response to the result comes back here. Otherwise a challenge was
    /// handed in, and its caller sends the request again.
    pub returns: bool,
    /// The application explicitly requests a sign-in.
    pub deliberate: bool,
    /// What the session may do.
    pub permissions: Permissions,
    /// How credentials are obtained.
    pub source: Source<E>,
    /// The last renewal, while a backoff after its failure lasts.
    pub paused: Option<Tried<E>>,
    /// The request carried no credential.
    pub anonymous: bool,
    /// The rejection names scopes.
    pub names_scopes: bool,
    /// The current credential.
    pub current: Current,
    /// What the rejection says about the proof.
    pub proof: ProofDemand,
}

/// The result of a step, or something that happened meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event<E> {
    /// The request is sent again with another credential ([`Step::Retry`](super::Step::Retry)).
    Retried,
    /// The request is sent again with another proof ([`Step::RetryWithNonce`](super::Step::RetryWithNonce)).
    ProvedAgain,
    /// The recovery continues with the current credential ([`Step::Adopt`](super::Step::Adopt)).
    Adopted,
    /// The resource's metadata was read ([`Step::CheckIssuer`](super::Step::CheckIssuer)).
    IssuerChecked(IssuerCheck),
    /// A renewal ahead of the request.
    RenewedAhead(Renewal<E>),
    /// A renewal ([`Step::Renew`](super::Step::Renew), except that of the session at the identity provider).
    Renewed {
        /// By which means.
        means: Means,
        /// For which scopes.
        ask: Scoping,
        /// Its result.
        renewal: Renewal<E>,
        /// No connection could be made. A server that moved is unlikely then, and a lookup would only cost time.
        is_offline: bool,
    },
    /// A renewal of the session at the identity provider.
    IdpSessionRenewed(Tried<E>),
    /// The ID token was replaced: what the old one was refused for may not apply to the new one.
    IdTokenReplaced,
    /// The user agreed to a step-up that is silent after that ([`Step::ConfirmStepUp`](super::Step::ConfirmStepUp)).
    Consented,
    /// The user declined.
    Declined,
    /// The user authorized ([`Step::Authorize`](super::Step::Authorize)).
    Authorized(Scoping),
}
