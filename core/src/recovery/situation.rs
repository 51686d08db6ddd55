//! What a decision depends on, and its results: plain data.

use serde::{Deserialize, Serialize};

use crate::challenge::{AuthChallenge, Reason};

/// The kind of a rejection: the only part of a challenge that the rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// 401: the credential is missing or no longer valid.
    Token,
    /// The credential lacks scope.
    Scope,
    /// The user must authenticate again (RFC 9470).
    Authentication,
    /// 403 that does not say what would help.
    Forbidden,
    /// 403 with `invalid_token`.
    RefusedToken,
}

impl Rejection {
    /// Returns the kind of rejection that a challenge stands for.
    #[must_use]
    pub fn of(challenge: &AuthChallenge) -> Self {
        match challenge.reason {
            Reason::InsufficientScope => Self::Scope,
            Reason::InsufficientUserAuthentication => Self::Authentication,
            Reason::Unauthorized if challenge.raw.http_status == Some(403) => {
                if challenge.blames_token() {
                    Self::RefusedToken
                } else {
                    Self::Forbidden
                }
            }
            Reason::Unauthorized | Reason::TokenExpired | Reason::InvalidToken => Self::Token,
        }
    }
}

/// Whether a caller waits for the rejected request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A caller waits for it.
    #[default]
    Command,
    /// No caller waits: an idle event stream, a session being closed.
    Ambient,
}

/// How far one silent means of obtaining a credential has got for this request.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// There is no such means.
    #[default]
    Absent,
    /// It has not been tried yet.
    Untried,
    /// It obtained a credential.
    Succeeded,
    /// The server was unavailable or asked to retry later, after all tries.
    Unreachable,
    /// The server rejected it for good (`invalid_grant`).
    Rejected,
    /// The server returned another error: this means is of no use now.
    Refused,
}

impl Attempt {
    /// Every value.
    pub const ALL: [Self; 6] = [
        Self::Absent,
        Self::Untried,
        Self::Succeeded,
        Self::Unreachable,
        Self::Rejected,
        Self::Refused,
    ];
}

/// How credentials are obtained, and how far each silent means has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Protocol {
    /// The user's authorization (authorization code grant), with or without a refresh token.
    Standard {
        /// The refresh token.
        refresh: Attempt,
    },
    /// Enterprise-managed authorization: a sign-in at the identity provider, exchanged for each resource.
    Enterprise {
        /// Whether a valid ID token is held.
        id_token: bool,
        /// The identity provider's refresh token.
        idp: Attempt,
        /// Exchange of the ID token and the JWT bearer grant.
        new_token: Attempt,
    },
    /// The client's own credential (RFC 6749 section 4.4).
    ClientCredentials {
        /// The request for a new token.
        new_token: Attempt,
    },
    /// An assertion of the workload's platform (RFC 7523).
    WorkloadIdentity {
        /// The request for a new token.
        new_token: Attempt,
    },
}

/// What a challenge says about the request's proof (RFC 9449).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Nothing.
    #[default]
    Unquestioned,
    /// It lacks a nonce, which the response provides (section 9).
    NeedsNonce,
    /// It is refused, whatever the token; or it lacks another nonce each time.
    Refused,
}

/// Which authorization server the resource names now, compared with the one in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerCheck {
    /// Not checked yet.
    #[default]
    Unchecked,
    /// The same one, or the check failed.
    Same,
    /// Another one.
    Moved,
}

/// The user's answer to a step-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// The user was not asked.
    #[default]
    NotAsked,
    /// Yes.
    Given,
    /// No.
    Declined,
}

/// Everything a decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Situation {
    /// The kind of rejection.
    pub rejection: Rejection,
    /// Whether a caller waits.
    pub trigger: Trigger,
    /// How credentials are obtained.
    pub protocol: Protocol,
    /// The request carried another credential than the current one, and the current one may succeed: it is not known to
    /// be expired and, if scope is lacking, covers what is required.
    pub newer_credential: bool,
    /// What the challenge says about the proof of possession.
    pub proof: Proof,
    /// The current grant covers what is required.
    pub covered: bool,
    /// The store holds another credential than the one whose renewal was rejected.
    pub store_moved: bool,
    /// Whether the resource still names the same authorization server.
    pub issuer: IssuerCheck,
    /// The user's answer to a step-up.
    pub consent: Consent,
    /// A step-up for these scopes was granted without covering them, and the server rejected the result.
    #[serde(default)]
    pub short: bool,
    /// Another sign-in would not help: the user has already authorized for this request; or it was renewed both for a
    /// 401 and for lacking scope and is still rejected; or the session's latest sign-in was rejected at once a few
    /// minutes ago.
    pub reauthorized: bool,
    /// The request carried no credential.
    #[serde(default)]
    pub anonymous: bool,
    /// The last refresh returned other scopes than had been granted, and a refresh that names those was not tried.
    #[serde(default)]
    pub rescope: bool,
    /// The application explicitly requests a sign-in.
    #[serde(default)]
    pub deliberate: bool,
    /// How many step-ups this request has gone through.
    pub step_ups: u8,
    /// Policy: how many step-ups a request may go through; 0 means step-ups fail at once.
    pub max_step_ups: u8,
    /// The user may be involved now: policy allows it, and there is a host.
    pub interaction: bool,
    /// There is a host or a machine grant, so that something could authorize.
    pub can_authorize: bool,
    /// Policy: the user must confirm a step-up that an enterprise session could make silently.
    pub confirm: bool,
}

/// A silent means of obtaining a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// The refresh token, at the authorization server.
    Refresh,
    /// The refresh token, in a request that names the granted scopes.
    ScopedRefresh,
    /// The identity provider's refresh token, for a new ID token.
    IdpSession,
    /// The exchange of the ID token, then the JWT bearer grant.
    TokenExchange,
    /// A new token, with the client's own credential or the workload's assertion.
    NewToken,
}

/// Where the user is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// The resource's authorization server.
    AuthorizationServer,
    /// The organization's identity provider.
    IdentityProvider,
}

/// Which scopes are requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scoping {
    /// The scopes as before: a sign-in whose grant replaces the old one, or a renewal of that grant.
    Unchanged,
    /// Requested, granted and required scopes together.
    Union,
}

/// Why a recovery ends without a credential. Each is the [`Error`](crate::Error) of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Ending {
    InsufficientScope,
    ConsentDenied,
    ScopeNotGranted,
    StepUpLimit,
    Unauthorized,
    RefreshUnavailable,
    RefreshRejected,
    PolicyDenied,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Ends the recovery: send the request again with the current credential.
    Retry,
    /// Ends the recovery: keep the nonce and send the request again with a new proof.
    RetryWithNonce,
    /// Ends the recovery: return the response to the caller.
    PassThrough,
    /// Adopt the credential that another session has stored.
    Adopt,
    /// Obtain a credential silently.
    Renew(Means, Scoping),
    /// Read the resource's metadata, to see whether it names another authorization server.
    CheckIssuer,
    /// Ends the recovery for now: the user is needed later.
    Defer,
    /// Ask the user to agree to a step-up that is silent after that. A host that handed the challenge in asks them, and
    /// calls again with their consent.
    ConfirmStepUp,
    /// Ask the user to agree to a step-up, and have them authorize it.
    AskConsent,
    /// Send the user to sign in or to grant access.
    Authorize(Destination, Scoping),
    /// Ends the recovery with an error.
    Fail(Ending),
}
