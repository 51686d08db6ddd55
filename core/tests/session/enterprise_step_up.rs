//! Step-ups where an organization decides: silent, unless policy requires a confirmation.

use mcp_reauth::recovery::Trigger::{self, Ambient};
use mcp_reauth::{
    AuthChallenge, AuthSession, HandleOptions, Operation, Outcome, Policy, Recovery, ScopeSet,
};

use crate::support::{
    Answer, Bench, Exchange, Fault, Gate, IdpKeys, IdpMeta, IdpToken, IdpVisit, Mcp, SERVER, Token,
    all, code, pass, settle,
};

const LACKS_A: &str = r#"Bearer error="insufficient_scope", scope="a""#;

/// A session whose policy requires a confirmation, after the user has signed in; the log is empty.
async fn asking(bench: &Bench) -> AuthSession {
    let policy = Policy {
        confirm_enterprise_step_up: true,
        ..Policy::default()
    };
    let builder = bench.managed_builder(SERVER).policy(policy);
    let session = builder.host(bench.host.clone()).open().await;
    let session = session.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.take();
    session
}

fn challenge() -> AuthChallenge {
    AuthChallenge::from_response(403, [LACKS_A]).expect("a challenge")
}

#[tokio::test(start_paused = true)]
async fn more_scope_is_had_silently_with_the_union() {
    let bench = Bench::new();
    let session = bench.employed().await;
    for (scope, union) in [("a", "base a"), ("b", "base a b")] {
        assert_eq!(bench.send(&session, scope).await, Ok(200));
        let seen = bench.world.take();
        let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
        assert_eq!(kinds, [Mcp, Exchange, Token, Mcp]);
        for asked in [&seen[1], &seen[2]] {
            let asked = ScopeSet::parse(asked.param("scope"));
            assert_eq!(asked, ScopeSet::parse(union));
        }
    }
    // The scope stays after everything is renewed.
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "base a b").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Exchange, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn more_scope_with_an_expired_id_token_is_silent_too() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = None);
    let session = bench.employed().await;
    pass(3600).await;
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let expected = [Mcp, IdpToken, Exchange, Token, Mcp];
    assert_eq!(bench.world.trace(), expected);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn stream_that_lacks_scope_gets_it_silently() {
    let bench = Bench::new();
    let session = bench.employed().await;
    assert_eq!(bench.send_as(&session, "a", Ambient).await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Exchange, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn wider_scope_is_kept_only_once_it_is_granted() {
    let bench = Bench::new();
    let session = bench.employed().await;
    let requested = async || {
        let state = session.connection_state().await.expect("a store");
        state.requested_scopes
    };
    let base = ScopeSet::parse("base");
    for kind in [Exchange, Token] {
        let before = session.authorization();
        bench
            .world
            .next(kind, Fault::Body(400, r#"{"error":"access_denied"}"#));
        assert_eq!(code(&bench.send(&session, "a").await), "policy_denied");
        assert_eq!(session.authorization(), before);
        assert_eq!(requested().await, base);
    }
    let gate = bench.world.hold(Token);
    let request = bench.spawn(&session, "a");
    gate.reached().await;
    settle().await;
    assert_eq!(requested().await, base);
    gate.open();
    assert_eq!(request.await.expect("no panic"), Ok(200));
    assert_eq!(requested().await, ScopeSet::parse("base a"));
}

#[tokio::test(start_paused = true)]
async fn scope_that_is_not_granted_is_told_and_the_rest_goes_on() {
    let bench = Bench::new();
    let session = bench.employed().await;
    bench.world.servers(|s| s.idp.allows = Some("base"));
    assert_eq!(code(&bench.send(&session, "a").await), "scope_not_granted");
    // The server decides whether the grant is sufficient nevertheless.
    assert_eq!(bench.world.trace(), [Mcp, Exchange, Token, Mcp]);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn parallel_requests_that_lack_one_scope_are_one_mint() {
    let bench = Bench::new();
    let session = bench.employed().await;
    let tasks = (0..50).map(|_| bench.spawn(&session, "a")).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(
        (bench.world.count(Exchange), bench.world.count(Token)),
        (1, 1)
    );
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn challenge_waits_for_a_yes_where_policy_wants_one() {
    let bench = Bench::new();
    let session = asking(&bench).await;
    let options = HandleOptions::default();
    let outcome = session.handle_auth_challenge(challenge(), options).await;
    let Outcome::StepUpConfirm { challenge } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(challenge.required_scopes, ScopeSet::parse("a"));
    assert_eq!(bench.world.trace(), []);
    let options = HandleOptions {
        confirmed_step_up: true,
        ..HandleOptions::default()
    };
    let outcome = session.handle_auth_challenge(challenge, options).await;
    assert_eq!(outcome, Outcome::Satisfied);
    assert_eq!(bench.world.trace(), [Exchange, Token]);
    assert_eq!(
        bench.host.prompts(),
        (0, 1),
        "nobody was asked by the session"
    );
}

#[tokio::test(start_paused = true)]
async fn parallel_requests_ask_once_where_policy_wants_it() {
    let bench = Bench::new();
    let session = asking(&bench).await;
    let tasks = (0..50).map(|_| bench.spawn(&session, "a")).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(
        (bench.world.count(Exchange), bench.world.count(Token)),
        (1, 1)
    );
    assert_eq!(bench.world.count(IdpVisit), 0);
    assert_eq!(bench.host.prompts(), (1, 1));
    let asked = &bench.host.consents()[0];
    assert_eq!(asked.new_scopes, ScopeSet::parse("a"));
    assert_eq!(asked.scopes, ScopeSet::parse("base a"));
}

#[tokio::test(start_paused = true)]
async fn no_is_a_no_for_all_and_for_this_time() {
    let bench = Bench::new();
    let session = asking(&bench).await;
    let gate = Gate::new();
    bench.host.answers(Answer::Held(gate.clone(), false));
    let tasks = (0..50).map(|_| bench.spawn(&session, "a")).collect();
    gate.reached().await;
    settle().await;
    gate.open();
    for result in all(tasks).await {
        assert_eq!(code(&result), "consent_denied");
    }
    assert_eq!(bench.world.count(Mcp), 50);
    assert_eq!(bench.world.take().len(), 50, "nothing else was asked");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (1, 1));
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.host.prompts(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn stream_asks_nobody_where_policy_wants_people_asked() {
    let bench = Bench::new();
    let session = asking(&bench).await;
    let result = bench.send_as(&session, "a", Ambient).await;
    assert_eq!(code(&result), "interaction_required");
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn request_without_anybody_to_ask_says_that_somebody_is_needed() {
    let bench = Bench::new();
    drop(asking(&bench).await);
    let policy = Policy {
        confirm_enterprise_step_up: true,
        ..Policy::default()
    };
    let builder = bench.managed_builder(SERVER).policy(policy);
    let alone = builder.open().await.expect("the session opens");
    let mut request = alone.request(Operation::default(), Trigger::Command);
    let credential = request.authorize("POST", SERVER).await.expect("no proof");
    assert!(credential.is_some());
    let recovery = request.recover_from(challenge()).await;
    let Recovery::Failed(error) = recovery else {
        panic!("{recovery:?}");
    };
    assert_eq!(error.code(), "interaction_required");
    assert_eq!(bench.world.trace(), []);
}

#[tokio::test(start_paused = true)]
async fn sign_in_that_more_scope_takes_is_all_that_people_see() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.lifetime = None;
        s.idp.refresh_tokens = false;
    });
    let session = bench.employed().await;
    pass(3600).await;
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let page = [IdpMeta, IdpVisit, IdpKeys, IdpToken];
    let minted = [Exchange, Token, Mcp];
    assert_eq!(bench.world.trace(), [&[Mcp][..], &page, &minted].concat());
    assert_eq!(bench.host.prompts(), (0, 2));
}
