//! Benchmarks without I/O.

use std::hint::black_box;
use std::time::Instant;

use mcp_reauth::recovery::{
    Attempt, Consent, IssuerCheck, Proof, Protocol, Rejection, Situation, Trigger, next_step,
};
use mcp_reauth::{AuthChallenge, AuthSession, Operation, PrivateKey, SigningKey};
use mcp_reauth_bench::counted;

use crate::Effort;
use crate::pairs::at;
use crate::report::Report;
use crate::sessions::{JWT, OPAQUE, bound_state, state};
use crate::stage::one_thread;

const CHALLENGE: &str = "Bearer error=\"insufficient_scope\", \
    error_description=\"Additional file write permission required\", \
    scope=\"files:read files:write user:profile\", \
    resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\"";

pub(crate) fn measure(report: &mut Report, effort: Effort) {
    let parse = || AuthChallenge::from_response(403, [black_box(CHALLENGE)]);
    assert_eq!(parse().unwrap().required_scopes.len(), 3);
    row(report, effort, "parse a 403 header", 500.0, 1, || {
        black_box(parse());
    });

    let session = signed_in();
    row(report, effort, "authorization()", 50.0, 1, || {
        black_box(session.authorization());
    });

    proofs(report, effort);

    let situations = situations();
    row(report, effort, "next_step", 100.0, situations.len(), || {
        for situation in &situations {
            black_box(next_step(black_box(situation)));
        }
    });
}

/// The cost of each request with a DPoP proof by a key in memory.
fn proofs(report: &mut Report, effort: Effort) {
    let runtime = one_thread();
    let session = runtime.block_on(async {
        let key = PrivateKey::generate().unwrap();
        let thumbprint = key.public_jwk().thumbprint();
        let builder = AuthSession::builder("https://mcp.example.com/mcp").dpop_key(key);
        let session = builder.open().await.unwrap();
        let state = bound_state(JWT, &thumbprint);
        session.set_auth_state(state).await.unwrap();
        session
    });
    let mut request = session.request(Operation::default(), Trigger::Command);
    let what = "DPoP proof (ES256), with its request";
    row(report, effort, what, 100_000.0, 1, || {
        let proved = request.authorize("POST", session.server());
        let proved = runtime.block_on(proved).unwrap().unwrap();
        assert_eq!(black_box(proved).headers().count(), 2);
    });
}

fn row(
    report: &mut Report,
    effort: Effort,
    what: &str,
    aim: f64,
    times: usize,
    mut work: impl FnMut(),
) {
    let mut batches = nanoseconds(effort, times, &mut work);
    let (least, median) = (at(&mut batches, 0.0), at(&mut batches, 0.5));
    let ((), memory) = counted(work);
    let allocations = memory.allocations as usize / times;
    report.aimed(
        what,
        median,
        aim,
        " ns",
        format!("{median:.1} ns, at best {least:.1}; allocations: {allocations}"),
    );
}

/// The time of `work` divided by `times`, in nanoseconds; one figure for each batch.
fn nanoseconds(effort: Effort, times: usize, work: &mut impl FnMut()) -> Vec<f64> {
    const RUNS: usize = 500;
    let mut batch = || {
        let start = Instant::now();
        for _ in 0..RUNS {
            work();
        }
        start.elapsed().as_secs_f64() * 1e9 / (RUNS * times) as f64
    };
    batch();
    (0..effort.batches).map(|_| batch()).collect()
}

fn signed_in() -> AuthSession {
    let runtime = one_thread();
    runtime.block_on(async {
        let session = AuthSession::builder("https://mcp.example.com/mcp").open();
        let session = session.await.unwrap();
        session.set_auth_state(state(OPAQUE)).await.unwrap();
        assert!(session.authorization().is_some());
        session
    })
}

/// Common situations, from the first rule of the table to the last.
fn situations() -> Vec<Situation> {
    let expired = Situation {
        rejection: Rejection::Token,
        trigger: Trigger::Command,
        protocol: Protocol::Standard {
            refresh: Attempt::Untried,
        },
        newer_credential: false,
        proof: Proof::Unquestioned,
        covered: false,
        store_moved: false,
        issuer: IssuerCheck::Unchecked,
        consent: Consent::NotAsked,
        short: false,
        anonymous: false,
        rescope: false,
        deliberate: false,
        reauthorized: false,
        step_ups: 0,
        max_step_ups: 1,
        interaction: true,
        can_authorize: true,
        confirm: false,
    };
    let spent = |refresh| Situation {
        protocol: Protocol::Standard { refresh },
        ..expired
    };
    let step_up = Situation {
        rejection: Rejection::Scope,
        ..expired
    };
    let enterprise = Protocol::Enterprise {
        id_token: true,
        idp: Attempt::Untried,
        new_token: Attempt::Untried,
    };
    let machine = Protocol::ClientCredentials {
        new_token: Attempt::Untried,
    };
    vec![
        expired,
        Situation {
            newer_credential: true,
            ..expired
        },
        spent(Attempt::Absent),
        spent(Attempt::Rejected),
        spent(Attempt::Unreachable),
        Situation {
            trigger: Trigger::Ambient,
            ..spent(Attempt::Rejected)
        },
        step_up,
        Situation {
            consent: Consent::Given,
            ..step_up
        },
        Situation {
            step_ups: 1,
            ..step_up
        },
        Situation {
            covered: true,
            ..step_up
        },
        Situation {
            protocol: enterprise,
            ..expired
        },
        Situation {
            protocol: enterprise,
            ..step_up
        },
        Situation {
            protocol: machine,
            ..step_up
        },
        Situation {
            rejection: Rejection::Forbidden,
            ..expired
        },
        Situation {
            rejection: Rejection::Authentication,
            consent: Consent::Given,
            ..expired
        },
    ]
}
