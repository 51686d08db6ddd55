//! The cost of a recovery: these requests and no others.

use mcp_reauth::{Event, ScopeSet};

use crate::support::{Bench, Mcp, Meta, Prm, Register, SERVER, Token, Visit, all, pass};

#[tokio::test(start_paused = true)]
async fn first_sign_in_discovers_registers_and_authorizes_once() {
    let bench = Bench::new();
    let session = bench.open().await;
    assert!(session.authorization().is_none());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Prm, Meta, Register, Visit, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
    let (visit, token) = (&seen[4], &seen[5]);
    assert_eq!(visit.param("scope"), "base");
    assert_eq!(token.param("grant_type"), "authorization_code");
    assert_eq!(token.param("resource"), SERVER);
    assert_eq!(token.param("redirect_uri"), visit.param("redirect_uri"));
    // The next request costs no more.
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn rejected_token_is_refreshed_in_three_requests_without_a_prompt() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let before = session.authorization().expect("signed in");
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Token, Mcp]);
    assert_eq!(
        seen[0].authorization.as_deref(),
        Some(before.header_value())
    );
    assert_ne!(
        seen[2].authorization.as_deref(),
        Some(before.header_value())
    );
    assert_eq!(seen[1].param("grant_type"), "refresh_token");
    assert_eq!(seen[1].param("resource"), SERVER);
    assert_eq!(seen[1].param("scope"), "");
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.host.heard("renewed"), 1);
}

#[tokio::test(start_paused = true)]
async fn token_known_to_have_expired_is_refreshed_in_two_requests() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    pass(3601).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn step_up_asks_once_and_reuses_the_registration() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Visit, Token, Mcp]);
    assert_eq!(seen[1].param("scope"), "base a");
    assert_eq!(seen[2].param("grant_type"), "authorization_code");
    assert_eq!(bench.host.prompts(), (1, 2));
    let asked = &bench.host.consents()[0];
    assert_eq!(asked.new_scopes, ScopeSet::parse("a"));
    assert_eq!(asked.scopes, ScopeSet::parse("base a"));
    assert_eq!(asked.challenge.context.tool_name.as_deref(), Some("work"));
    let sent = &bench.host.sign_ins()[1];
    assert_eq!(
        sent.challenge.authorization_scopes,
        ScopeSet::parse("base a")
    );
    assert_eq!(sent.challenge.required_scopes, ScopeSet::parse("a"));
    // What was granted stays granted.
    assert_eq!(bench.send(&session, "base a").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn step_ups_add_up_over_time() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    assert_eq!(bench.send(&session, "b").await, Ok(200));
    let visits: Vec<_> = bench.world.take();
    let visit = visits.iter().find(|s| s.kind == Visit).expect("a visit");
    assert_eq!(visit.param("scope"), "base a b");
    let held = session.authorization().expect("signed in");
    assert_eq!(held.scopes(), &ScopeSet::parse("base a b"));
}

#[tokio::test(start_paused = true)]
async fn server_that_keeps_its_refresh_token_is_refreshed_again_with_it() {
    let bench = Bench::new();
    bench.world.servers(|s| s.rotates = false);
    let session = bench.signed_in("").await;
    for _ in 0..3 {
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_token_is_asked_for_where_the_server_offers_that() {
    let bench = Bench::new();
    bench.world.servers(|s| s.offers_offline_access = true);
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    assert_eq!(seen[4].param("scope"), "base offline_access");
    assert_eq!(seen[4].param("prompt"), "", "it may come without");
    // It is not a scope of the resource, and no step-up asks the user about it.
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let consent = &bench.host.consents()[0];
    assert_eq!(consent.new_scopes, ScopeSet::parse("a"));
}

#[tokio::test(start_paused = true)]
async fn plain_403_is_handed_through_and_never_replayed() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.answer(|_| Some((403, vec![])));
    assert_eq!(bench.send(&session, "").await, Ok(403));
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn other_answers_cost_nothing() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    for status in [200, 202, 400, 404, 409, 500, 503] {
        bench.world.answer(move |_| Some((status, vec![])));
        assert_eq!(bench.send(&session, "").await, Ok(status));
        assert_eq!(bench.world.trace(), [Mcp]);
    }
}

#[tokio::test(start_paused = true)]
async fn covered_scope_refused_all_the_same_is_renewed_once_and_then_fails() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    let line = r#"Bearer error="insufficient_scope", scope="a""#;
    bench
        .world
        .answer(move |_| Some((403, vec![line.to_owned()])));
    let error = bench.send(&session, "a").await.expect_err("refused");
    assert_eq!(error.code(), "insufficient_scope");
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn grant_that_shrank_is_renewed_once_and_then_asked_for() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    bench.world.servers(|s| s.withdraw("a"));
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    // A renewal, one that names the granted scopes, and the step-up's code.
    let trace = [Mcp, Token, Token, Visit, Token, Mcp];
    assert_eq!(bench.world.trace(), trace);
    assert_eq!(bench.host.prompts(), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn grant_that_shrank_between_a_renewal_and_its_retry_is_asked_for_all_the_same() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    bench.world.servers(|s| s.revoke_access());
    let renewal = bench.world.hold(Token);
    let call = bench.spawn(&session, "a");
    renewal.reached().await;
    bench.world.servers(|s| s.withdraw("a"));
    bench.world.unhold(Token);
    renewal.open();
    assert_eq!(all(vec![call]).await, [Ok(200)]);
    // The renewal for the 401, the two for the lacking scope, and the step-up's code.
    let trace = [Mcp, Token, Mcp, Token, Token, Visit, Token, Mcp];
    assert_eq!(bench.world.trace(), trace);
    assert_eq!(bench.host.prompts(), (2, 3));
}

#[tokio::test(start_paused = true)]
async fn covered_scope_refused_after_the_renewal_for_a_401_is_renewed_once_more_and_then_fails() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    let expired = r#"Bearer error="invalid_token""#.to_owned();
    let lacking = r#"Bearer error="insufficient_scope", scope="a""#.to_owned();
    bench.world.answer(move |number| match number {
        0 => Some((401, vec![expired.clone()])),
        _ => Some((403, vec![lacking.clone()])),
    });
    let error = bench.send(&session, "a").await.expect_err("refused");
    assert_eq!(error.code(), "insufficient_scope");
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn renewal_ahead_of_a_request_is_none_for_a_401() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    pass(3600).await;
    let rejected = r#"Bearer error="invalid_token""#.to_owned();
    let lacking = r#"Bearer error="insufficient_scope", scope="a""#.to_owned();
    bench.world.answer(move |number| match number {
        0 => Some((403, vec![lacking.clone()])),
        1 => Some((401, vec![rejected.clone()])),
        _ => None,
    });
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.world.trace()[..4], [Token, Mcp, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (1, 3), "a sign-in");
}

#[tokio::test(start_paused = true)]
async fn server_that_answers_401_and_403_in_turn_is_renewed_for_each_once_and_shows_nobody_a_page()
{
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    let expired = r#"Bearer error="invalid_token""#.to_owned();
    let lacking = r#"Bearer error="insufficient_scope", scope="a""#.to_owned();
    bench.world.answer(move |number| match number % 2 {
        0 => Some((401, vec![expired.clone()])),
        _ => Some((403, vec![lacking.clone()])),
    });
    let error = bench.send(&session, "a").await.expect_err("refused");
    assert_eq!(error.code(), "unauthorized");
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn rejection_after_the_renewal_for_a_scope_is_not_renewed_again() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    let expired = r#"Bearer error="invalid_token""#.to_owned();
    let lacking = r#"Bearer error="insufficient_scope", scope="a""#.to_owned();
    bench.world.answer(move |number| match number {
        0 => Some((403, vec![lacking.clone()])),
        1 => Some((401, vec![expired.clone()])),
        _ => None,
    });
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let kinds = bench.world.trace();
    assert_eq!(kinds[..3], [Mcp, Token, Mcp]);
    assert_ne!(kinds[3], Token);
    assert_eq!(bench.host.prompts(), (1, 3), "a sign-in");
}

#[tokio::test(start_paused = true)]
async fn grant_that_falls_short_is_kept_and_named() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench
        .world
        .servers(|s| s.never_granted.insert("b".to_owned()));
    let error = bench.send(&session, "b").await.expect_err("not granted");
    assert_eq!(error.code(), "scope_not_granted");
    // The server decides whether the grant is sufficient nevertheless.
    assert_eq!(bench.world.trace(), [Mcp, Visit, Token, Mcp]);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn events_tell_the_story_in_order() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let told: Vec<String> = bench.host.events().iter().map(Event::to_string).collect();
    let expected = [
        "challenged",
        "authorization_started",
        "authorized",
        "challenged",
        "consent_asked",
        "authorization_started",
        "authorized",
        "challenged",
        "renewed",
    ];
    assert_eq!(told, expected);
}
