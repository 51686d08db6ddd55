//! THE decision function: what to do next about a rejected request.
//!
//! [`next_step`] is pure: no I/O, no clock, nothing that waits. A [`Situation`] is plain data, the rules
//! are one table read from the top, and the first rule that applies wins. The code that drives a recovery
//! carries out the step, notes its result in the situation, and asks again, until the step is one that
//! ends it. `docs/recovery.md` is printed from the table.

use serde::{Deserialize, Serialize};

use crate::challenge::{AuthChallenge, Reason};

/// What kind of rejection it is: the only thing about a challenge that the rules look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
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

impl Failure {
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
    pub failure: Failure,
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

/// One row of the table.
#[derive(Debug)]
pub struct Rule {
    /// Its number, for talking about it.
    pub id: &'static str,
    /// Which rejections it is about, in words.
    pub about: &'static str,
    /// When it applies, in words.
    pub when: &'static str,
    /// What it does, in words.
    pub then: &'static str,
    step: fn(&Situation) -> Option<Step>,
}

/// What to do next in `situation`: the step of the first rule that applies.
#[must_use]
pub fn next_step(situation: &Situation) -> Step {
    decide(situation).1
}

/// As [`next_step`], with the rule that decided.
#[must_use]
pub fn decide(situation: &Situation) -> (&'static Rule, Step) {
    for rule in RULES {
        if let Some(step) = (rule.step)(situation) {
            return (rule, step);
        }
    }
    unreachable!("the last rule of each kind of failure always applies")
}

const ALL: &str = "any";
const TOKEN: &str = "401 (`token_expired`, `invalid_token`, `unauthorized`)";
const SCOPE: &str = "`insufficient_scope`";
const AUTHN: &str = "`insufficient_user_authentication`";
const FORBIDDEN: &str = "403, any other";

/// The table, in order.
pub const RULES: &[Rule] = &[
    Rule {
        id: "1",
        about: ALL,
        when: "the request carried another credential than the current one, and the current one could answer",
        then: "retry, no network",
        step: |s| s.newer_credential.then_some(Step::Retry),
    },
    Rule {
        id: "2",
        about: ALL,
        when: "a DPoP nonce challenge not yet answered",
        then: "keep the nonce, retry",
        step: |s| (s.proof == Proof::NeedsNonce).then_some(Step::RetryWithNonce),
    },
    Rule {
        id: "2a",
        about: ALL,
        when: "the DPoP proof is refused, whatever the token; or another nonce is wanted each time",
        then: "fail `unauthorized`: no other token would help, nor a person",
        step: |s| (s.proof == Proof::Refused).then_some(Step::Fail(Ending::Unauthorized)),
    },
    Rule {
        id: "3",
        about: FORBIDDEN,
        when: "always, unless a request without a credential meets a server that names an authorization server (looked up once): that is as a 401",
        then: "hand the response through, never replay it",
        step: |s| {
            (s.failure == Failure::Forbidden)
                .then(|| s.forbidden())
                .flatten()
        },
    },
    Rule {
        id: "3a",
        about: "403 with `invalid_token`",
        when: "always",
        then: "renew silently, once; else hand the response through; never a prompt",
        step: |s| {
            let refused = s.failure == Failure::RefusedToken;
            refused.then(|| s.untried(Ask::Afresh).unwrap_or(Step::PassThrough))
        },
    },
    Rule {
        id: "4",
        about: TOKEN,
        when: "standard, refresh token, not tried",
        then: "refresh",
        step: |s| {
            (s.token() && s.standard())
                .then(|| s.untried(Ask::Afresh))
                .flatten()
        },
    },
    Rule {
        id: "4a",
        about: TOKEN,
        when: "standard, refreshed, and the refresh brought other scopes than had been granted",
        then: "refresh once more, naming the granted scopes",
        step: |s| {
            let other = s.token() && s.rescope && s.silent() == Silent::Succeeded;
            other.then_some(Step::Renew(Means::ScopedRefresh, Ask::Afresh))
        },
    },
    Rule {
        id: "5",
        about: TOKEN,
        when: "renewal could not be completed after its bounded tries (and no sign-in was asked for on purpose)",
        then: "if a connection could be made at all, look once whether the resource names another authorization server now (then 10 to 13; not when enterprise-managed); else fail `refresh_unavailable`, everything kept, no prompt",
        step: |s| {
            let unreachable = s.token() && s.silent() == Silent::Unreachable;
            let insists = s.deliberate && !s.machine();
            (unreachable && !insists)
                .then(|| match s.issuer {
                    IssuerCheck::Unchecked if !s.enterprise() => Some(Step::CheckIssuer),
                    IssuerCheck::Moved if !s.enterprise() => None,
                    _ => Some(Step::Fail(Ending::RefreshUnavailable)),
                })
                .flatten()
        },
    },
    Rule {
        id: "6",
        about: TOKEN,
        when: "refresh rejected or refused, but the store moved meanwhile",
        then: "adopt the sibling's credential, then 1",
        step: |s| {
            let spent = s.standard() && s.silent() == Silent::Refused;
            (s.token() && spent && s.store_moved).then_some(Step::Adopt)
        },
    },
    Rule {
        id: "7, 8",
        about: TOKEN,
        when: "enterprise-managed: ID token valid and not tried; or none, or one that the identity provider itself refuses, but its session can be renewed",
        then: "exchange and grant; or renew that session first, once",
        step: |s| {
            (s.token() && s.enterprise())
                .then(|| s.untried(Ask::Afresh))
                .flatten()
        },
    },
    Rule {
        id: "9",
        about: TOKEN,
        when: "enterprise-managed: refused by policy",
        then: "fail `policy_denied`; no redirect to the resource's authorization server, ever",
        step: |s| (s.token() && s.refused_by_policy()).then_some(Step::Fail(Ending::PolicyDenied)),
    },
    Rule {
        id: "10",
        about: TOKEN,
        when: "client credentials or workload identity",
        then: "get a new token; still 401, or refused: look once whether the resource names another authorization server now, and get one there; else fail `unauthorized`, or by what the server refused it for",
        step: |s| {
            (s.token() && s.machine()).then(|| match (s.silent(), s.issuer) {
                (Silent::Untried(means), _) => Step::Renew(means, Ask::Afresh),
                (_, IssuerCheck::Unchecked) => Step::CheckIssuer,
                (_, IssuerCheck::Moved) => Step::Renew(Means::NewToken, Ask::Afresh),
                (Silent::Succeeded, IssuerCheck::Same) => Step::Fail(Ending::Unauthorized),
                (_, IssuerCheck::Same) => Step::Fail(Ending::RefreshRejected),
            })
        },
    },
    Rule {
        id: "11",
        about: TOKEN,
        when: "the trigger is ambient, or no interaction is possible",
        then: "`interactive` for the host to act on later; no prompt now",
        step: |s| (s.token() && s.unattended()).then_some(Step::Defer),
    },
    Rule {
        id: "12",
        about: TOKEN,
        when: "already re-authorized for this request, or renewed both for a 401 and for lacking scope, or the session's latest sign-in was rejected at once a few minutes ago",
        then: "fail `unauthorized`",
        step: |s| (s.token() && s.reauthorized).then_some(Step::Fail(Ending::Unauthorized)),
    },
    Rule {
        id: "13",
        about: TOKEN,
        when: "otherwise",
        then: "authorize, scopes replaced (enterprise-managed: at the identity provider)",
        step: |s| s.token().then(|| s.authorize(Ask::Afresh)),
    },
    Rule {
        id: "14",
        about: SCOPE,
        when: "policy says throw, step-ups are 0, or nothing could authorize",
        then: "fail `insufficient_scope` with the challenge",
        step: |s| {
            (s.scope() && s.step_up_is_off()).then_some(Step::Fail(Ending::InsufficientScope))
        },
    },
    Rule {
        id: "14a",
        about: SCOPE,
        when: "a step-up for this was granted without covering it, and the server refused the wider credential too",
        then: "fail `scope_not_granted`",
        step: |s| {
            let short = s.scope() && s.short && !s.covered;
            short.then_some(Step::Fail(Ending::ScopeNotGranted))
        },
    },
    Rule {
        id: "15",
        about: SCOPE,
        when: "step-ups for this request reached the limit",
        then: "fail `step_up_limit`",
        step: |s| (s.scope() && s.limit_reached()).then_some(Step::Fail(Ending::StepUpLimit)),
    },
    Rule {
        id: "16",
        about: SCOPE,
        when: "the grant covers what is required, yet the server disagrees",
        then: "one silent renewal, whatever was renewed for a 401 before, then retry; again: fail `insufficient_scope`; unreachable: fail `refresh_unavailable`; no silent means: go on",
        step: |s| {
            (s.scope() && s.covered)
                .then(|| match s.silent() {
                    Silent::Untried(means) => Some(Step::Renew(means, Ask::Afresh)),
                    Silent::Succeeded => Some(Step::Fail(Ending::InsufficientScope)),
                    Silent::Unreachable => Some(Step::Fail(Ending::RefreshUnavailable)),
                    Silent::Refused | Silent::Nothing => None,
                })
                .flatten()
        },
    },
    Rule {
        id: "16a",
        about: SCOPE,
        when: "the last refresh lost scopes that had been granted and are required",
        then: "refresh once more, naming the granted scopes",
        step: |s| {
            (s.scope() && s.rescope).then_some(Step::Renew(Means::ScopedRefresh, Ask::Afresh))
        },
    },
    Rule {
        id: "17",
        about: SCOPE,
        when: "enterprise-managed, policy wants consent, none yet",
        then: "`step_up_confirm` (ambient: `interactive` for later)",
        step: |s| {
            let asks = s.scope() && s.enterprise() && s.confirm && s.consent == Consent::NotAsked;
            asks.then_some(match s.trigger {
                Trigger::Command => Step::ConfirmStepUp,
                Trigger::Ambient => Step::Defer,
            })
        },
    },
    Rule {
        id: "18",
        about: SCOPE,
        when: "enterprise-managed, or a machine grant, with a silent means",
        then: "as 5 and 7 to 10 with the union; nothing left for a machine grant: fail `insufficient_scope`",
        step: |s| {
            let silent = s.scope() && !s.standard() && s.consent != Consent::Declined;
            silent
                .then(|| match s.silent() {
                    Silent::Untried(means) => Some(Step::Renew(means, Ask::Union)),
                    Silent::Unreachable => Some(Step::Fail(Ending::RefreshUnavailable)),
                    _ if s.refused_by_policy() => Some(Step::Fail(Ending::PolicyDenied)),
                    _ if s.machine() => Some(Step::Fail(Ending::InsufficientScope)),
                    _ => None,
                })
                .flatten()
        },
    },
    Rule {
        id: "19",
        about: SCOPE,
        when: "the trigger is ambient, or no interaction is possible",
        then: "`interactive` for later",
        step: |s| (s.scope() && s.unattended()).then_some(Step::Defer),
    },
    Rule {
        id: "20",
        about: SCOPE,
        when: "consent not asked yet, or declined (enterprise-managed: only where policy wants it)",
        then: "ask the host; a no fails `consent_denied`",
        step: |s| s.scope().then(|| s.ask_consent()).flatten(),
    },
    Rule {
        id: "21",
        about: SCOPE,
        when: "otherwise",
        then: "authorize with the union, never a refresh; then 1",
        step: |s| s.scope().then(|| s.authorize(Ask::Union)),
    },
    Rule {
        id: "22",
        about: AUTHN,
        when: "always",
        then: "as 14, 15, 19, 20 and 21, with `acr_values` and `max_age`; never anything silent",
        step: |s| {
            if s.step_up_is_off() || s.machine() {
                Some(Step::Fail(Ending::InsufficientScope))
            } else if s.limit_reached() {
                Some(Step::Fail(Ending::StepUpLimit))
            } else if s.unattended() {
                Some(Step::Defer)
            } else {
                s.ask_consent().or(Some(s.authorize(Ask::Union)))
            }
        },
    },
];

/// What the silent means of a protocol come to, taken together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Silent {
    Nothing,
    Untried(Means),
    Succeeded,
    Unreachable,
    Refused,
}

impl Situation {
    fn token(&self) -> bool {
        // What rule 3 lets pass is a server that asks for a credential by 403.
        matches!(self.failure, Failure::Token | Failure::Forbidden)
    }

    fn forbidden(&self) -> Option<Step> {
        if !self.anonymous || self.trigger == Trigger::Ambient || !self.can_authorize {
            return Some(Step::PassThrough);
        }
        match self.issuer {
            IssuerCheck::Unchecked => Some(Step::CheckIssuer),
            IssuerCheck::Same => Some(Step::PassThrough),
            IssuerCheck::Moved => None,
        }
    }

    fn scope(&self) -> bool {
        self.failure == Failure::Scope
    }

    fn standard(&self) -> bool {
        matches!(self.protocol, Protocol::Standard { .. })
    }

    fn enterprise(&self) -> bool {
        matches!(self.protocol, Protocol::Enterprise { .. })
    }

    fn machine(&self) -> bool {
        !self.standard() && !self.enterprise()
    }

    fn unattended(&self) -> bool {
        self.trigger == Trigger::Ambient || !self.interaction
    }

    fn step_up_is_off(&self) -> bool {
        self.max_step_ups == 0 || !self.can_authorize
    }

    fn limit_reached(&self) -> bool {
        self.step_ups >= self.max_step_ups
    }

    fn silent(&self) -> Silent {
        let of = |attempt, means| match attempt {
            Attempt::Absent => Silent::Nothing,
            Attempt::Untried => Silent::Untried(means),
            Attempt::Succeeded => Silent::Succeeded,
            Attempt::Unreachable => Silent::Unreachable,
            Attempt::Rejected | Attempt::Refused => Silent::Refused,
        };
        match self.protocol {
            Protocol::Standard { refresh } => of(refresh, Means::Refresh),
            Protocol::ClientCredentials { mint } | Protocol::WorkloadIdentity { mint } => {
                of(mint, Means::NewToken)
            }
            Protocol::Enterprise {
                id_token,
                idp,
                mint,
            } => match mint {
                Attempt::Absent | Attempt::Untried if !id_token => of(idp, Means::IdpSession),
                // The ID token was refused. Another one may not be.
                Attempt::Rejected if matches!(idp, Attempt::Untried | Attempt::Unreachable) => {
                    of(idp, Means::IdpSession)
                }
                minted => of(minted, Means::Mint),
            },
        }
    }

    fn untried(&self, ask: Ask) -> Option<Step> {
        match self.silent() {
            Silent::Untried(means) => Some(Step::Renew(means, ask)),
            _ => None,
        }
    }

    /// The exchange or the grant itself was refused, or the exchange of an ID token that could not be fresher. A
    /// session at the identity provider that is over is not that: it takes a new sign-in there.
    fn refused_by_policy(&self) -> bool {
        let Protocol::Enterprise { idp, mint, .. } = self.protocol else {
            return false;
        };
        let as_fresh_as_can_be = matches!(idp, Attempt::Absent | Attempt::Succeeded);
        mint == Attempt::Refused || (mint == Attempt::Rejected && as_fresh_as_can_be)
    }

    fn ask_consent(&self) -> Option<Step> {
        match self.consent {
            Consent::Declined => Some(Step::Fail(Ending::ConsentDenied)),
            // Where an organization manages access and does not want its people asked, a sign-in at its
            // identity provider is all they see.
            Consent::NotAsked if !self.enterprise() || self.confirm => Some(Step::AskConsent),
            Consent::NotAsked | Consent::Given => None,
        }
    }

    fn authorize(&self, ask: Ask) -> Step {
        let venue = match self.protocol {
            Protocol::Enterprise { .. } => Venue::IdentityProvider,
            _ => Venue::AuthorizationServer,
        };
        Step::Authorize(venue, ask)
    }
}
