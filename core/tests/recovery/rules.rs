//! The decision function, over the whole space of situations.

use std::collections::HashSet;

use mcp_reauth::recovery::{
    Attempt, Consent, Destination, IssuerCheck, Means, Proof, Protocol, RULES, Rejection, Scoping,
    Situation, Step, Trigger, decide, next_step,
};

const ATTEMPTS: [Attempt; 6] = [
    Attempt::Absent,
    Attempt::Untried,
    Attempt::Succeeded,
    Attempt::Unreachable,
    Attempt::Rejected,
    Attempt::Refused,
];
const BOTH: [bool; 2] = [false, true];

fn protocols() -> Vec<Protocol> {
    let mut all = Vec::new();
    for one in ATTEMPTS {
        all.push(Protocol::Standard { refresh: one });
        all.push(Protocol::ClientCredentials { new_token: one });
        all.push(Protocol::WorkloadIdentity { new_token: one });
        for new_token in ATTEMPTS {
            for id_token in BOTH {
                let idp = one;
                all.push(Protocol::Enterprise {
                    id_token,
                    idp,
                    new_token,
                });
            }
        }
    }
    all
}

fn proofs_and_bits() -> impl Iterator<Item = (Proof, u32)> {
    let proofs = [Proof::Unquestioned, Proof::NeedsNonce, Proof::Refused];
    let with_bits = |proof| (0..512).map(move |bits| (proof, bits));
    proofs.into_iter().flat_map(with_bits)
}

/// Calls `visit` with every possible situation.
fn every_situation(mut visit: impl FnMut(Situation)) -> usize {
    let rejections = [
        Rejection::Token,
        Rejection::Scope,
        Rejection::Authentication,
        Rejection::Forbidden,
        Rejection::RefusedToken,
    ];
    let issuers = [
        IssuerCheck::Unchecked,
        IssuerCheck::Same,
        IssuerCheck::Moved,
    ];
    let consents = [Consent::NotAsked, Consent::Given, Consent::Declined];
    let mut count = 0;
    for protocol in protocols() {
        for rejection in rejections {
            for issuer in issuers {
                for consent in consents {
                    for (step_ups, max_step_ups) in [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)] {
                        for (proof, bits) in proofs_and_bits() {
                            let bit = |n: u32| bits & (1 << n) != 0;
                            let situation = Situation {
                                rejection,
                                protocol,
                                issuer,
                                consent,
                                step_ups,
                                max_step_ups,
                                trigger: if bit(0) {
                                    Trigger::Ambient
                                } else {
                                    Trigger::Command
                                },
                                newer_credential: bit(1),
                                proof,
                                covered: bit(2),
                                store_moved: bit(3),
                                short: bit(4),
                                reauthorized: bit(5),
                                interaction: bit(6),
                                can_authorize: bit(7),
                                confirm: bit(8),
                                anonymous: false,
                                rescope: false,
                                deliberate: false,
                            };
                            count += with_rarer_facts(situation, &mut visit);
                        }
                    }
                }
            }
        }
    }
    count
}

/// Calls `visit` with a situation and its variants in facts that matter to few situations.
fn with_rarer_facts(s: Situation, visit: &mut impl FnMut(Situation)) -> usize {
    let standard = matches!(s.protocol, Protocol::Standard { .. });
    let may_be = |holds: bool| if holds { &BOTH[..] } else { &BOTH[..1] };
    let mut count = 0;
    for &anonymous in may_be(s.rejection == Rejection::Forbidden) {
        for &rescope in may_be(standard) {
            for &deliberate in may_be(s.rejection == Rejection::Token) {
                count += 1;
                visit(Situation {
                    anonymous,
                    rescope,
                    deliberate,
                    ..s
                });
            }
        }
    }
    count
}

fn prompts(step: Step) -> bool {
    matches!(
        step,
        Step::AskConsent | Step::ConfirmStepUp | Step::Authorize(..)
    )
}

fn uses_network(step: Step) -> bool {
    matches!(
        step,
        Step::Renew(..) | Step::CheckIssuer | Step::Authorize(..)
    )
}

fn is_last(step: Step) -> bool {
    !uses_network(step) && !matches!(step, Step::Adopt | Step::AskConsent)
}

#[test]
fn invariants_hold_everywhere() {
    let count = every_situation(|s| {
        let step = next_step(&s);
        let check = |holds: bool, what: &str| assert!(holds, "{what}: {step:?} in {s:#?}");
        let scope = s.rejection == Rejection::Scope;
        let token = s.rejection == Rejection::Token;
        let stepping = scope || s.rejection == Rejection::Authentication;
        let enterprise = matches!(s.protocol, Protocol::Enterprise { .. });
        let standard = matches!(s.protocol, Protocol::Standard { .. });
        let authorizes = matches!(step, Step::Authorize(..));
        let refreshes = matches!(step, Step::Renew(Means::Refresh, _));
        let unreachable = s.protocol
            == Protocol::Standard {
                refresh: Attempt::Unreachable,
            };

        check(
            !(scope && !s.covered && refreshes),
            "no refresh where scope must grow",
        );
        check(
            s.rejection != Rejection::Authentication || !matches!(step, Step::Renew(..)),
            "nothing silent answers a demand for the person",
        );
        check(
            s.trigger == Trigger::Command || !prompts(step),
            "no prompt when nobody waits",
        );
        check(
            s.interaction || !matches!(step, Step::AskConsent | Step::Authorize(..)),
            "no prompt where interaction is off",
        );
        check(
            !s.newer_credential || step == Step::Retry,
            "no network where another credential could answer",
        );
        check(
            !(stepping && s.step_ups >= s.max_step_ups) || is_last(step),
            "no step after the limit",
        );
        check(
            !enterprise || !matches!(step, Step::Authorize(Destination::AuthorizationServer, _)),
            "enterprise-managed access never visits the resource's authorization endpoint",
        );
        check(
            standard || enterprise || !prompts(step),
            "a machine grant involves nobody",
        );
        check(
            s.rejection != Rejection::Forbidden || s.anonymous || is_last(step),
            "a plain 403 to a credential is left alone",
        );
        check(
            s.rejection != Rejection::RefusedToken || !prompts(step),
            "a 403 that blames the token never prompts",
        );
        check(
            !(token && s.reauthorized && authorizes),
            "nobody signs in twice for one request",
        );
        check(
            token || s.anonymous || s.consent != Consent::Declined || !prompts(step),
            "a no is a no",
        );
        check(
            s.newer_credential || s.proof == Proof::Unquestioned || is_last(step),
            "no other token, and nobody, is asked to answer for a proof",
        );
        check(
            !(token
                && unreachable
                && s.issuer != IssuerCheck::Moved
                && !s.deliberate
                && prompts(step)),
            "a transient error never prompts",
        );
        check(
            token || s.anonymous || !matches!(step, Step::Authorize(_, Scoping::Unchanged)),
            "a step-up never gives up scopes",
        );
    });
    assert!(count > 1_000_000, "only {count} situations");
}

#[test]
fn every_rule_applies_somewhere() {
    let mut rules = HashSet::new();
    let mut endings = HashSet::new();
    every_situation(|s| {
        let (rule, step) = decide(&s);
        rules.insert(rule.id);
        if let Step::Fail(ending) = step {
            endings.insert(ending);
        }
    });
    for rule in RULES {
        assert!(rules.contains(rule.id), "rule {} never applies", rule.id);
    }
    assert_eq!(endings.len(), 8, "{endings:?}");
}
