//! The decision table: what to do next about a rejected request. It is read from the top; the first rule that applies
//! wins.

use super::situation::{
    Attempt, Consent, Destination, Ending, IssuerCheck, Means, Proof, Protocol, Rejection, Scoping,
    Situation, Step, Trigger,
};

/// One row of the table.
#[derive(Debug)]
pub struct Rule {
    /// Its number, to refer to it.
    pub id: &'static str,
    /// Which rejections it is about, in words.
    pub about: &'static str,
    /// When it applies, in words.
    pub when: &'static str,
    /// What it does, in words.
    pub then: &'static str,
    step: fn(&Situation) -> Option<Step>,
}

/// Returns the step of the first rule that applies to `situation`.
#[must_use]
pub fn next_step(situation: &Situation) -> Step {
    decide(situation).1
}

/// As [`next_step`], but also returns the rule that decided.
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
            (s.rejection == Rejection::Forbidden)
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
            let refused = s.rejection == Rejection::RefusedToken;
            refused.then(|| s.untried(Scoping::Unchanged).unwrap_or(Step::PassThrough))
        },
    },
    Rule {
        id: "4",
        about: TOKEN,
        when: "standard, refresh token, not tried",
        then: "refresh",
        step: |s| {
            (s.token() && s.standard())
                .then(|| s.untried(Scoping::Unchanged))
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
            other.then_some(Step::Renew(Means::ScopedRefresh, Scoping::Unchanged))
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
        when: "refresh rejected or refused, and another session has stored another credential, which cannot be used as it is",
        then: "adopt it: its own means count as untried",
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
                .then(|| s.untried(Scoping::Unchanged))
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
                (Silent::Untried(means), _) => Step::Renew(means, Scoping::Unchanged),
                (_, IssuerCheck::Unchecked) => Step::CheckIssuer,
                (_, IssuerCheck::Moved) => Step::Renew(Means::NewToken, Scoping::Unchanged),
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
        step: |s| s.token().then(|| s.authorize(Scoping::Unchanged)),
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
                    Silent::Untried(means) => Some(Step::Renew(means, Scoping::Unchanged)),
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
            (s.scope() && s.rescope)
                .then_some(Step::Renew(Means::ScopedRefresh, Scoping::Unchanged))
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
                    Silent::Untried(means) => Some(Step::Renew(means, Scoping::Union)),
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
        step: |s| s.scope().then(|| s.authorize(Scoping::Union)),
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
                s.ask_consent().or(Some(s.authorize(Scoping::Union)))
            }
        },
    },
];

/// The silent means of a protocol that decides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leg {
    /// The one that obtains the credential itself.
    Own,
    /// The session at the identity provider.
    IdpSession,
}

impl Protocol {
    pub(super) fn decisive(self) -> Leg {
        let Self::Enterprise {
            id_token,
            idp,
            new_token,
        } = self
        else {
            return Leg::Own;
        };
        match new_token {
            Attempt::Absent | Attempt::Untried if !id_token => Leg::IdpSession,
            // The ID token was refused; another one may not be.
            Attempt::Rejected if matches!(idp, Attempt::Untried | Attempt::Unreachable) => {
                Leg::IdpSession
            }
            _ => Leg::Own,
        }
    }
}

/// The combined result of a protocol's silent means.
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
        // A 403 that rule 3 lets pass is a server's demand for a credential.
        matches!(self.rejection, Rejection::Token | Rejection::Forbidden)
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
        self.rejection == Rejection::Scope
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
            Protocol::ClientCredentials { new_token }
            | Protocol::WorkloadIdentity { new_token } => of(new_token, Means::NewToken),
            Protocol::Enterprise { idp, new_token, .. } => match self.protocol.decisive() {
                Leg::IdpSession => of(idp, Means::IdpSession),
                Leg::Own => of(new_token, Means::TokenExchange),
            },
        }
    }

    fn untried(&self, ask: Scoping) -> Option<Step> {
        match self.silent() {
            Silent::Untried(means) => Some(Step::Renew(means, ask)),
            _ => None,
        }
    }

    /// Whether access was refused by policy: the exchange or the grant itself was refused, or the exchange of an ID
    /// token that could not be fresher. An expired session at the identity provider does not count: it takes a new
    /// sign-in there.
    fn refused_by_policy(&self) -> bool {
        let Protocol::Enterprise { idp, new_token, .. } = self.protocol else {
            return false;
        };
        let as_fresh_as_can_be = matches!(idp, Attempt::Absent | Attempt::Succeeded);
        new_token == Attempt::Refused || (new_token == Attempt::Rejected && as_fresh_as_can_be)
    }

    fn ask_consent(&self) -> Option<Step> {
        match self.consent {
            Consent::Declined => Some(Step::Fail(Ending::ConsentDenied)),
            // If an organization manages access and no confirmation is configured, users see only the sign-in at its
            // identity provider.
            Consent::NotAsked if !self.enterprise() || self.confirm => Some(Step::AskConsent),
            Consent::NotAsked | Consent::Given => None,
        }
    }

    fn authorize(&self, ask: Scoping) -> Step {
        let destination = match self.protocol {
            Protocol::Enterprise { .. } => Destination::IdentityProvider,
            _ => Destination::AuthorizationServer,
        };
        Step::Authorize(destination, ask)
    }
}
