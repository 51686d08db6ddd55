//! What the driver tells the state machine: how things are at a moment, and what came of a step.

use super::situation::{Ask, Attempt, IssuerCheck, Means, Trigger};

/// How an attempt to get a credential ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tried<E> {
    /// It brought one.
    Succeeded,
    /// It brought none: how far it got, and why.
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

/// What a renewal came to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Renewal<E> {
    /// A server was asked.
    Tried(Tried<E>),
    /// No server was asked, since another session had stored another credential already.
    Adopted,
}

/// How credentials are obtained, and which silent means there are now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source<E> {
    /// A person's authorization.
    Person {
        /// There is a refresh token that can be used.
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
        /// What renewing that session would come to, as far as a pause after a failure forbids to find out.
        paused: Option<Tried<E>>,
    },
}

/// The current credential, beside the one that was rejected. All of it is `false` where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Current {
    /// It is another one.
    pub is_other: bool,
    /// It is not known to be expired.
    pub is_usable: bool,
    /// It has all scopes that the rejection names.
    pub covers: bool,
    /// The refresh that brought it lost scopes, and a refresh that names them may bring them back.
    pub has_lost: bool,
    /// The sign-in that brought it was rejected at once, a few minutes ago.
    pub is_in_vain: bool,
}

/// What a rejection says of the proof that came with the request (RFC 9449).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ProofDemand {
    /// Nothing, or there was none.
    #[default]
    None,
    /// It lacks a nonce (section 9).
    Nonce {
        /// Another one than was sent came along.
        is_fresh: bool,
    },
    /// It is refused, whatever the token.
    Refused {
        /// The server's clock was found to differ from what it assumed, so that another proof may do.
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
    /// There is a host or a machine grant at all, so that something could authorize.
    pub can_authorize: bool,
    /// People are to see a step-up that an enterprise session could answer silently.
    pub confirm: bool,
}

/// What a step depends on besides the state: how things are at the moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Facts<E> {
    /// Whether a caller waits.
    pub trigger: Trigger,
    /// The same request comes back with the server's answer to what this comes to. Otherwise a challenge was handed in,
    /// and its caller sends the request again.
    pub returns: bool,
    /// The application asks for a sign-in on purpose.
    pub deliberate: bool,
    /// What the session may do.
    pub permissions: Permissions,
    /// How credentials are obtained.
    pub source: Source<E>,
    /// What a renewal would come to, as far as a pause after a failure forbids to find out.
    pub paused: Option<Tried<E>>,
    /// The request carried no credential.
    pub anonymous: bool,
    /// The rejection names scopes.
    pub names_scopes: bool,
    /// The current credential.
    pub current: Current,
    /// What the rejection says of the proof.
    pub proof: ProofDemand,
}

/// What came of a step, or happened meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event<E> {
    /// The request is sent again with another credential ([`Step::Retry`](super::Step::Retry)).
    Retried,
    /// The request is sent again with another proof ([`Step::RetryWithNonce`](super::Step::RetryWithNonce)).
    ProvedAgain,
    /// The current credential is the one to work on from now on ([`Step::Adopt`](super::Step::Adopt)).
    Adopted,
    /// The resource's metadata was read ([`Step::CheckIssuer`](super::Step::CheckIssuer)).
    IssuerChecked(IssuerCheck),
    /// A renewal before the request was sent.
    RenewedAhead(Renewal<E>),
    /// A renewal ([`Step::Renew`](super::Step::Renew), but for that of the session at the identity provider).
    Renewed {
        /// By which means.
        means: Means,
        /// For which scopes.
        ask: Ask,
        /// What it came to.
        renewal: Renewal<E>,
        /// No connection could be made, which is hardly the server's having moved: asking elsewhere would only cost time.
        is_offline: bool,
    },
    /// A renewal of the session at the identity provider.
    IdpSessionRenewed(Tried<E>),
    /// There is another ID token: what the old one was refused for, it may not be.
    IdTokenReplaced,
    /// The user agreed to the step-up ([`Step::AskConsent`](super::Step::AskConsent)).
    Consented,
    /// The user did not.
    Declined,
    /// The user authorized ([`Step::Authorize`](super::Step::Authorize)).
    Authorized(Ask),
}
