//! What a decision depends on, and what it can be: plain data.

use serde::{Deserialize, Serialize};

use crate::challenge::{AuthChallenge, Reason};

/// What kind of rejection it is: the only thing about a challenge that the rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rejection {
    /// 401: the credential is missing or no longer valid.
    Token,
    /// The credential lacks scope.
    Scope,
    /// The person must sign in again (RFC 9470).
    Authentication,
    /// 403 that does not say what would help.
    Forbidden,
    /// 403 that blames the token all the same (`invalid_token`).
    RefusedToken,
}

impl Rejection {
    /// The kind of rejection a challenge stands for.
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
    /// No caller does: an idle event stream, a session being closed.
    Ambient,
}

/// How far one silent means of getting a credential has come for this request.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    /// There is no such means.
    #[default]
    Absent,
    /// There is, and it was not tried yet.
    Untried,
    /// It brought a credential.
    Succeeded,
    /// The server could not be reached or asked to come back later, after all tries.
    Unreachable,
    /// The server rejected it for good (`invalid_grant`).
    Rejected,
    /// The server answered with another error: of no use now.
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
    /// A person's authorization (authorization code), with a refresh token or without.
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
        mint: Attempt,
    },
    /// The client's own credential (RFC 6749 section 4.4).
    ClientCredentials {
        /// Asking for a new token.
        mint: Attempt,
    },
    /// An assertion of the workload's platform (RFC 7523).
    WorkloadIdentity {
        /// Asking for a new token.
        mint: Attempt,
    },
}

/// What a challenge says of the proof that came with the request (RFC 9449).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Nothing.
    #[default]
    Unquestioned,
    /// It lacks a nonce, which came along (section 9).
    NeedsNonce,
    /// It is refused, whatever the token; or it lacks another nonce each time.
    Refused,
}

/// Which authorization server the resource names now, compared with the one in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerCheck {
    /// The session has not looked.
    #[default]
    Unchecked,
    /// The same, or it could not be found out.
    Same,
    /// Another.
    Moved,
}

/// The person's answer to a step-up.
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
    /// What kind of rejection it is.
    pub rejection: Rejection,
    /// Whether a caller waits.
    pub trigger: Trigger,
    /// How credentials are obtained.
    pub protocol: Protocol,
    /// The request carried another credential than the current one, and the current one could answer: it
    /// is not known to be expired and, where scope is lacking, covers what is required.
    pub newer_credential: bool,
    /// What the challenge says of the proof of possession.
    pub proof: Proof,
    /// The current grant covers what is required.
    pub covered: bool,
    /// The store holds another credential than the one whose renewal was rejected.
    pub store_moved: bool,
    /// Whether the resource still names the same authorization server.
    pub issuer: IssuerCheck,
    /// The person's answer to a step-up.
    pub consent: Consent,
    /// A step-up for these scopes was granted before without covering them, and the server refused the result.
    #[serde(default)]
    pub short: bool,
    /// Another sign-in would not help: a person has authorized for this request before; or it was renewed for a 401 and
    /// for lacking scope, and is rejected still; or the session's latest sign-in was rejected at once a few minutes ago.
    pub reauthorized: bool,
    /// The request carried no credential.
    #[serde(default)]
    pub anonymous: bool,
    /// The last refresh brought other scopes than had been granted, and one that names those was not tried.
    #[serde(default)]
    pub rescope: bool,
    /// The application asks for a sign-in on purpose.
    #[serde(default)]
    pub deliberate: bool,
    /// How many step-ups this request has gone through.
    pub step_ups: u8,
    /// Policy: how many step-ups a request may go through; 0 means step-ups fail at once.
    pub max_step_ups: u8,
    /// Policy, and whether there is a host to do it: the user may be involved now.
    pub interaction: bool,
    /// There is a host or a machine grant at all, so that something could authorize.
    pub can_authorize: bool,
    /// Policy: people are to see a step-up that an enterprise session could answer silently.
    pub confirm: bool,
}

/// A silent means of getting a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Means {
    /// The refresh token, at the authorization server.
    Refresh,
    /// The same, in a request that names the scopes that were granted.
    ScopedRefresh,
    /// The identity provider's refresh token, for a new ID token.
    IdpSession,
    /// The ID token, exchanged and granted.
    Mint,
    /// A new token by the client's own credential or the workload's assertion.
    NewToken,
}

/// Where a person is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Venue {
    /// The resource's authorization server.
    AuthorizationServer,
    /// The organization's identity provider.
    IdentityProvider,
}

/// Which scopes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// What there was before: a sign-in whose grant replaces the old one, or that grant renewed.
    Afresh,
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
    /// Ends it: send the request again with the current credential.
    Retry,
    /// Ends it: keep the nonce and send the request again with a new proof.
    RetryWithNonce,
    /// Ends it: the response is the caller's.
    PassThrough,
    /// Take over the credential that another session has stored.
    Adopt,
    /// Get a credential silently.
    Renew(Means, Ask),
    /// Read the resource's metadata: does it name another authorization server?
    CheckIssuer,
    /// Ends it for now: a person is needed, later.
    Defer,
    /// Ends it for now: the host shows what would be asked for, and comes back with a yes.
    ConfirmStepUp,
    /// Ask the person whether to extend access.
    AskConsent,
    /// Send the person to sign in or to grant access.
    Authorize(Venue, Ask),
    /// Ends it.
    Fail(Ending),
}
