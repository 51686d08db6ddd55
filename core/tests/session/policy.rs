//! A session does nothing that its policy forbids; the error says what would be needed.

use std::sync::{Arc, Mutex};

use mcp_reauth::{
    AuthChallenge, AuthSession, Error, Event, OnInsufficientScope, Outcome, Policy, ScopeSet,
};

use crate::support::{Bench, Journey, Mcp, Token, code};

async fn with(bench: &Bench, policy: Policy) -> AuthSession {
    let builder = bench.builder().host(bench.host.clone()).policy(policy);
    builder.open().await.expect("the session opens")
}

fn assert_typed(error: &Error, expected: &str) {
    assert_eq!(error.code(), expected);
    let challenge = error.challenge().expect("a challenge");
    assert_eq!(challenge.required_scopes, ScopeSet::parse("a"));
    let metadata = challenge.resource_metadata.as_deref();
    assert!(metadata.is_some_and(|url| url.contains("oauth-protected-resource")));
    assert_eq!(challenge.context.tool_name.as_deref(), Some("work"));
    assert_eq!(challenge.raw.http_status, Some(403));
}

#[tokio::test(start_paused = true)]
async fn step_ups_that_are_to_be_thrown_fail_at_once_with_the_challenge() {
    let throw = Policy {
        on_insufficient_scope: OnInsufficientScope::Throw,
        ..Policy::default()
    };
    let none = Policy {
        max_step_up_retries: 0,
        ..Policy::default()
    };
    for policy in [throw, none] {
        let bench = Bench::new();
        drop(bench.signed_in("").await);
        let session = with(&bench, policy).await;
        let error = bench.send(&session, "a").await.expect_err("thrown");
        assert_typed(&error, "insufficient_scope");
        assert_eq!(bench.world.trace(), [Mcp]);
        assert_eq!(bench.host.prompts(), (0, 1));
        // A token is renewed nevertheless.
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    }
}

#[tokio::test(start_paused = true)]
async fn session_without_a_host_renews_and_else_fails_with_the_challenge() {
    let bench = Bench::new();
    drop(bench.signed_in("").await);
    let session = bench.builder().open().await.expect("the session opens");
    let error = bench.send(&session, "a").await.expect_err("nobody to ask");
    assert_typed(&error, "insufficient_scope");
    assert_eq!(bench.world.trace(), [Mcp]);
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    bench.world.servers(|s| s.revoke_all());
    let error = bench.send(&session, "").await.expect_err("nobody to ask");
    assert_eq!(error.code(), "interaction_required");
    assert!(error.challenge().is_some());
    assert_eq!(bench.world.trace(), [Mcp, Token]);
}

#[tokio::test(start_paused = true)]
async fn session_without_a_host_or_a_credential_says_what_it_takes() {
    let bench = Bench::new();
    let session = bench.builder().open().await.expect("the session opens");
    let error = bench.send(&session, "").await.expect_err("nobody to ask");
    assert_eq!(error.code(), "interaction_required");
    let challenge = error.challenge().expect("a challenge");
    assert_eq!(challenge.required_scopes, ScopeSet::parse("base"));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn session_without_interaction_asks_nobody() {
    let bench = Bench::new();
    drop(bench.signed_in("").await);
    let quiet = Policy {
        interaction: false,
        ..Policy::default()
    };
    let session = with(&bench, quiet).await;
    let error = bench.send(&session, "a").await.expect_err("nobody asked");
    assert_typed(&error, "interaction_required");
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| s.revoke_all());
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "interaction_required");
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn more_step_ups_are_made_where_policy_allows_them() {
    let bench = Bench::new();
    drop(bench.signed_in("").await);
    let patient = Policy {
        max_step_up_retries: 3,
        ..Policy::default()
    };
    let session = with(&bench, patient).await;
    // A server that names one scope at a time.
    let names = ["a", "b", "c"];
    bench.world.answer(move |call| {
        let scope = names.get(call)?;
        let line = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
        Some((403, vec![line]))
    });
    assert_eq!(bench.send(&session, "a b c").await, Ok(200));
    assert_eq!(bench.host.prompts(), (3, 4));
    assert_eq!(bench.world.count(Mcp), 4);
}

#[tokio::test(start_paused = true)]
async fn set_up_that_cannot_work_is_named() {
    let open = async |address: &str| AuthSession::builder(address).open().await.map(drop);
    assert_eq!(code(&open("not an address").await), "config");
    assert_eq!(
        code(&open("http://mcp.example/mcp").await),
        "insecure_endpoint"
    );
    assert_eq!(code(&open("https://mcp.example/mcp#x").await), "config");
}

#[tokio::test(start_paused = true)]
async fn no_consent_where_none_was_asked_for_is_an_error_and_no_loop() {
    let bench = Bench::new();
    let session = bench.open().await;
    bench.host.journeys(Journey::Fails(Error::ConsentDenied {
        server: "https://mcp.example/mcp".to_owned(),
        wanted: ScopeSet::new(),
        challenge: Box::new(AuthChallenge::unauthenticated()),
    }));
    assert_eq!(code(&bench.send(&session, "").await), "consent_denied");
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_host_is_heard_as_well() {
    let bench = Bench::new();
    drop(bench.signed_in("").await);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let listener = Arc::clone(&heard);
    let builder = bench.builder().on_event(move |event| {
        listener.lock().expect("a lock").push(event.to_string());
    });
    let session = builder.open().await.expect("the session opens");
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(*heard.lock().expect("a lock"), ["challenged", "renewed"]);
}

#[tokio::test(start_paused = true)]
async fn a_redirect_uri_of_the_session_is_used_and_the_host_is_not_asked() {
    let bench = Bench::new();
    for wrong in ["/callback", "https://app.example/cb#here", "callback", ""] {
        let opened = bench.builder().redirect_uri(wrong).open().await;
        assert_eq!(opened.expect_err("it is none").code(), "config", "{wrong}");
    }
    let uri = "https://app.example/oauth/callback";
    let builder = bench.builder().host(bench.host.clone()).redirect_uri(uri);
    let session = builder.open().await.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.sign_ins()[0].redirect_uri, uri);
}

/// There is no server that asked for it.
#[tokio::test(start_paused = true)]
async fn a_sign_in_on_purpose_is_no_challenge() {
    let bench = Bench::new();
    let session = bench.open().await;
    assert_eq!(session.sign_in(ScopeSet::new()).await, Outcome::Satisfied);
    assert_eq!(session.sign_in_again().await, Outcome::Satisfied);
    let challenged = |event: &Event| matches!(event, Event::Challenged { .. });
    assert!(!bench.host.events().iter().any(challenged));
}
