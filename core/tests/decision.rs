//! The decision function, over the whole space of situations, and its printed table.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use mcp_reauth::recovery::{
    Ask, Attempt, Consent, Failure, IssuerCheck, Means, Proof, Protocol, RULES, Situation, Step,
    Trigger, Venue, decide, next_step,
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
        all.push(Protocol::ClientCredentials { mint: one });
        all.push(Protocol::WorkloadIdentity { mint: one });
        for mint in ATTEMPTS {
            for id_token in BOTH {
                let idp = one;
                all.push(Protocol::Enterprise {
                    id_token,
                    idp,
                    mint,
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

/// Calls `visit` with every situation there is.
fn every_situation(mut visit: impl FnMut(Situation)) -> usize {
    let failures = [
        Failure::Token,
        Failure::Scope,
        Failure::Authentication,
        Failure::Forbidden,
        Failure::RefusedToken,
    ];
    let issuers = [
        IssuerCheck::Unchecked,
        IssuerCheck::Same,
        IssuerCheck::Moved,
    ];
    let consents = [Consent::NotAsked, Consent::Given, Consent::Declined];
    let mut count = 0;
    for protocol in protocols() {
        for failure in failures {
            for issuer in issuers {
                for consent in consents {
                    for (step_ups, max_step_ups) in [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)] {
                        for (proof, bits) in proofs_and_bits() {
                            let bit = |n: u32| bits & (1 << n) != 0;
                            let situation = Situation {
                                failure,
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

/// Calls `visit` with a situation, and with those that differ in what matters to few of them.
fn with_rarer_facts(s: Situation, visit: &mut impl FnMut(Situation)) -> usize {
    let standard = matches!(s.protocol, Protocol::Standard { .. });
    let may_be = |holds: bool| if holds { &BOTH[..] } else { &BOTH[..1] };
    let mut count = 0;
    for &anonymous in may_be(s.failure == Failure::Forbidden) {
        for &rescope in may_be(standard) {
            for &deliberate in may_be(s.failure == Failure::Token) {
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
        let scope = s.failure == Failure::Scope;
        let token = s.failure == Failure::Token;
        let stepping = scope || s.failure == Failure::Authentication;
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
            s.failure != Failure::Authentication || !matches!(step, Step::Renew(..)),
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
            !enterprise || !matches!(step, Step::Authorize(Venue::AuthorizationServer, _)),
            "enterprise-managed access never visits the resource's authorization endpoint",
        );
        check(
            standard || enterprise || !prompts(step),
            "a machine grant involves nobody",
        );
        check(
            s.failure != Failure::Forbidden || s.anonymous || is_last(step),
            "a plain 403 to a credential is left alone",
        );
        check(
            s.failure != Failure::RefusedToken || !prompts(step),
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
            token || s.anonymous || !matches!(step, Step::Authorize(_, Ask::Afresh)),
            "a step-up never gives up scopes",
        );
    });
    assert!(count > 1_000_000, "only {count} situations");
}

/// What may have become of a step: the situations it can lead to.
fn results(s: Situation, step: Step) -> Vec<Situation> {
    let outcomes = [
        Attempt::Succeeded,
        Attempt::Unreachable,
        Attempt::Rejected,
        Attempt::Refused,
    ];
    match step {
        Step::Renew(means, ask) => outcomes
            .into_iter()
            .flat_map(|outcome| BOTH.map(|good| renewed(s, means, ask, outcome, good)))
            .collect(),
        Step::CheckIssuer => [IssuerCheck::Same, IssuerCheck::Moved]
            .map(|issuer| Situation { issuer, ..s })
            .to_vec(),
        Step::Adopt => vec![Situation {
            store_moved: false,
            rescope: false,
            newer_credential: true,
            ..s
        }],
        Step::AskConsent => [Consent::Given, Consent::Declined]
            .map(|consent| Situation { consent, ..s })
            .to_vec(),
        Step::Authorize(..) => BOTH
            .map(|good| Situation {
                reauthorized: true,
                rescope: false,
                covered: good,
                // What does not cover it may do all the same: the server is to judge.
                newer_credential: true,
                step_ups: s.step_ups + u8::from(s.failure != Failure::Token),
                ..s
            })
            .to_vec(),
        _ => Vec::new(),
    }
}

fn renewed(s: Situation, means: Means, ask: Ask, outcome: Attempt, good: bool) -> Situation {
    let idp_session = means == Means::IdpSession;
    let protocol = match s.protocol {
        Protocol::Standard { .. } => Protocol::Standard { refresh: outcome },
        Protocol::ClientCredentials { .. } => Protocol::ClientCredentials { mint: outcome },
        Protocol::WorkloadIdentity { .. } => Protocol::WorkloadIdentity { mint: outcome },
        Protocol::Enterprise { mint, .. } if idp_session => Protocol::Enterprise {
            id_token: outcome == Attempt::Succeeded,
            idp: outcome,
            mint: match (mint, outcome) {
                // The new one was not refused yet.
                (Attempt::Rejected, Attempt::Succeeded) => Attempt::Untried,
                _ => mint,
            },
        },
        Protocol::Enterprise { id_token, idp, .. } => Protocol::Enterprise {
            id_token,
            idp,
            mint: outcome,
        },
    };
    let token = outcome == Attempt::Succeeded && !idp_session;
    let widened = token && ask == Ask::Union;
    Situation {
        protocol,
        // What the resource named was asked.
        issuer: match s.issuer {
            IssuerCheck::Moved => IssuerCheck::Same,
            other => other,
        },
        rescope: s.rescope && means != Means::ScopedRefresh,
        newer_credential: token && (s.failure != Failure::Scope || good || widened),
        covered: if token { good } else { s.covered },
        step_ups: s.step_ups + u8::from(widened),
        ..s
    }
}

#[test]
fn every_path_ends() {
    /// The longest way from `s` to an end. A situation met twice on one way is a loop.
    fn depth(s: Situation, known: &mut HashMap<Situation, Option<u8>>) -> u8 {
        match known.get(&s) {
            Some(Some(depth)) => return *depth,
            Some(None) => panic!("a loop through {s:#?}"),
            None => {}
        }
        known.insert(s, None);
        let step = next_step(&s);
        let next = results(s, step);
        assert_eq!(next.is_empty(), is_last(step), "{step:?}");
        let longest = next
            .into_iter()
            .map(|n| 1 + depth(n, known))
            .max()
            .unwrap_or(0);
        known.insert(s, Some(longest));
        longest
    }
    let mut known = HashMap::new();
    let mut longest = 0;
    every_situation(|s| {
        // Ways begin where nothing has been tried.
        let fresh = match s.protocol {
            Protocol::Standard { refresh: attempt }
            | Protocol::ClientCredentials { mint: attempt }
            | Protocol::WorkloadIdentity { mint: attempt } => attempt <= Attempt::Untried,
            Protocol::Enterprise { idp, mint, .. } => idp.max(mint) <= Attempt::Untried,
        };
        if fresh && s.issuer == IssuerCheck::Unchecked && !s.short {
            longest = longest.max(depth(s, &mut known));
        }
    });
    assert!(longest <= 7, "a way of {longest} steps");
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

/// `docs/recovery.md` begins with the table, printed from the code. `UPDATE_DOCS=1` prints it anew.
#[test]
fn printed_table_is_current() {
    let mut page = String::from(
        "# What happens when a request is rejected\n\n\
         This table is the decision function of `core/src/recovery.rs`, printed from its code; a test fails when\n\
         the two differ. It is read from the top, and the first row that applies wins. Whoever drives a recovery\n\
         carries out what the row says, notes the result, and reads the table again, until a row ends it.\n\n\
         | # | rejected with | when | what happens |\n| --- | --- | --- | --- |\n",
    );
    for rule in RULES {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            rule.id, rule.about, rule.when, rule.then
        );
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/recovery.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).expect("docs/recovery.md is written");
    }
    let printed = fs::read_to_string(&path).expect("docs/recovery.md is there");
    assert!(
        printed == page,
        "docs/recovery.md is stale: run UPDATE_DOCS=1 cargo test -p mcp-reauth printed_table"
    );
}
