//! A new session on the same store continues where the old one stopped.

use mcp_reauth::{CallbackParams, HandleOptions, Outcome, ScopeSet};

use crate::support::{Bench, Fault, Journey, Mcp, Token, code, pass};

#[tokio::test(start_paused = true)]
async fn restart_needs_no_prompt_and_no_discovery() {
    let bench = Bench::new();
    drop(bench.signed_in("").await);
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    bench.world.servers(|s| s.revoke_access());
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn restart_with_an_expired_token_needs_no_prompt() {
    let bench = Bench::new();
    drop(bench.signed_in("a").await);
    pass(86400).await;
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.world.trace(), [Token, Mcp]);
    assert_eq!(bench.host.prompts(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn scopes_agreed_to_before_a_restart_come_along_afterwards() {
    let bench = Bench::new();
    drop(bench.signed_in("a").await);
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "b").await, Ok(200));
    let asked = bench.host.sign_ins();
    assert_eq!(asked[2].scopes, ScopeSet::parse("base a b"));
}

#[tokio::test(start_paused = true)]
async fn authorization_begun_before_a_restart_is_completed_afterwards() {
    let bench = Bench::new();
    let session = bench.open().await;
    bench.host.journeys(Journey::Elsewhere);
    let error = bench.send(&session, "").await.expect_err("elsewhere");
    assert_eq!(error.code(), "interaction_required");
    let started = &bench.host.sign_ins()[0];
    let told = format!("{error}");
    assert!(told.contains("Sign in"), "{told}");
    drop(session);
    pass(600).await;
    let session = bench.open().await;
    let state = session.connection_state().await.expect("a store");
    assert_eq!((state.pending, state.signed_in), (1, false));
    let back = bench.world.visit(&started.url);
    let callback = CallbackParams::parse(&back);
    session
        .complete_authorization(callback)
        .await
        .expect("completed");
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    let state = session.connection_state().await.expect("a store");
    assert_eq!((state.pending, state.signed_in), (0, true));
}

#[tokio::test(start_paused = true)]
async fn step_up_begun_before_a_restart_keeps_what_was_granted() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    bench.host.journeys(Journey::Elsewhere);
    let result = bench.send(&session, "b").await;
    assert_eq!(code(&result), "interaction_required");
    // Meanwhile the session continues with the credential that it has.
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    drop(session);
    let session = bench.open().await;
    let back = bench.world.visit(&bench.host.sign_ins()[2].url);
    let callback = CallbackParams::parse(&back);
    session
        .complete_authorization(callback)
        .await
        .expect("completed");
    assert_eq!(bench.send(&session, "base a b").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn outcome_of_a_sign_in_elsewhere_says_where_and_by_which_state() {
    let bench = Bench::new();
    let session = bench.open().await;
    bench.host.journeys(Journey::Elsewhere);
    let outcome = session.sign_in(ScopeSet::parse("a")).await;
    let started = &bench.host.sign_ins()[0];
    let Outcome::Interactive {
        authorization_url,
        state,
        challenge,
    } = outcome
    else {
        panic!("{outcome:?}");
    };
    assert_eq!(authorization_url.as_ref(), Some(&started.url));
    assert_eq!(state.as_ref(), Some(&started.state));
    // The session has asked the server for its challenge before.
    assert_eq!(challenge.required_scopes, ScopeSet::parse("base a"));
    let back = bench.world.visit(&started.url);
    let callback = CallbackParams::parse(&back);
    session
        .complete_authorization(callback)
        .await
        .expect("completed");
    let again = session
        .handle_auth_challenge(challenge, HandleOptions::default())
        .await;
    assert_eq!(again, Outcome::Satisfied);
}

#[tokio::test(start_paused = true)]
async fn completion_without_a_connection_is_got_over() {
    let bench = Bench::new();
    let session = bench.open().await;
    bench.host.journeys(Journey::Elsewhere);
    assert!(bench.send(&session, "").await.is_err());
    let back = bench.world.visit(&bench.host.sign_ins()[0].url);
    bench.world.next(Token, Fault::Connection);
    let callback = CallbackParams::parse(&back);
    session
        .complete_authorization(callback)
        .await
        .expect("completed");
    assert_eq!(bench.send(&session, "").await, Ok(200));
}
