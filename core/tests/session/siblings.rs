//! Sessions that share a store: one refreshes for all, and none undoes what another did.

use std::time::Duration;

use mcp_reauth::{AuthSession, CallbackParams, Policy, RecordStore, Runtime, TokenStore};

use crate::support::{Bench, Journey, Kind, Mcp, SERVER, Token, all, code, pass, settle};

#[tokio::test(start_paused = true)]
async fn two_sessions_of_one_profile_are_one_refresh() {
    let bench = Bench::new();
    let one = bench.signed_in("").await;
    let two = bench.open().await;
    bench.world.servers(|s| s.revoke_access());
    let tasks = (0..50)
        .flat_map(|_| [bench.spawn(&one, ""), bench.spawn(&two, "")])
        .collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.world.count(Token), 1);
    assert_eq!(one.authorization(), two.authorization());
    assert_eq!(bench.host.heard("renewed"), 1);
    assert_eq!(bench.host.heard("adopted"), 1);
    bench.assert_no_reuse();
    bench.assert_free().await;
}

#[tokio::test(start_paused = true)]
async fn ten_sessions_are_one_refresh_whoever_comes_when() {
    let bench = Bench::new();
    let first = bench.signed_in("").await;
    let mut sessions = vec![first];
    for _ in 0..9 {
        sessions.push(bench.open().await);
    }
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(Token);
    let tasks = sessions.iter().map(|s| bench.spawn(s, "")).collect();
    gate.reached().await;
    pass(3).await;
    gate.open();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.world.count(Token), 1);
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn token_that_a_sibling_renewed_meanwhile_is_adopted_without_the_network() {
    let bench = Bench::new();
    let one = bench.signed_in("").await;
    let two = bench.open().await;
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&one, "").await, Ok(200));
    bench.world.take();
    assert_eq!(bench.send(&two, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Mcp]);
    assert_eq!(bench.host.heard("adopted"), 1);
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn expired_token_that_a_sibling_renewed_meanwhile_is_adopted() {
    let bench = Bench::new();
    let one = bench.signed_in("").await;
    let two = bench.open().await;
    pass(3601).await;
    assert_eq!(bench.send(&one, "").await, Ok(200));
    bench.world.take();
    assert_eq!(bench.send(&two, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn step_up_that_a_sibling_went_through_meanwhile_is_adopted() {
    let bench = Bench::new();
    let one = bench.signed_in("").await;
    let two = bench.open().await;
    assert_eq!(bench.send(&one, "a").await, Ok(200));
    bench.world.take();
    assert_eq!(bench.send(&two, "a").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Mcp]);
    assert_eq!(bench.host.prompts(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn sign_in_that_a_sibling_went_through_meanwhile_is_adopted() {
    let bench = Bench::new();
    let one = bench.open().await;
    let two = bench.open().await;
    assert_eq!(bench.send(&one, "").await, Ok(200));
    bench.world.take();
    assert_eq!(bench.send(&two, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

/// Opens this many sessions, each of which has sent its user to a page.
async fn at_their_pages(bench: &Bench, sessions: usize) -> Vec<AuthSession> {
    let mut waiting = Vec::new();
    for _ in 0..sessions {
        bench.host.journeys(Journey::Elsewhere);
        let session = bench.open().await;
        let result = bench.send(&session, "").await;
        assert_eq!(code(&result), "interaction_required");
        waiting.push(session);
    }
    waiting
}

#[tokio::test(start_paused = true)]
async fn many_siblings_may_be_at_their_pages_at_once() {
    let bench = Bench::new();
    let sessions = at_their_pages(&bench, 50).await;
    for (session, started) in sessions.iter().zip(bench.host.sign_ins()) {
        let callback = CallbackParams::parse(&bench.world.visit(&started.url));
        let completed = session.complete_authorization(callback).await;
        completed.expect("its page is still good");
    }
    let state = sessions[0].connection_state().await.expect("a store");
    assert_eq!((state.pending, state.signed_in), (0, true));
}

#[tokio::test(start_paused = true)]
async fn siblings_that_sign_in_at_once_all_get_to_write() {
    let bench = Bench::new();
    let mut sessions = Vec::new();
    for _ in 0..50 {
        sessions.push(bench.open().await);
    }
    let tasks = sessions.iter().map(|s| bench.spawn(s, "")).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    let state = sessions[0].connection_state().await.expect("a store");
    assert_eq!((state.pending, state.signed_in), (0, true));
}

#[tokio::test(start_paused = true)]
async fn pages_that_nobody_comes_back_from_are_kept_in_bounded_number() {
    let bench = Bench::new();
    let sessions = at_their_pages(&bench, 70).await;
    let state = sessions[0].connection_state().await.expect("a store");
    assert_eq!(state.pending, 64);
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_a_sibling_used_up_is_not_mourned() {
    let bench = Bench::new();
    let one = bench.signed_in("").await;
    let state = one.auth_state().await.expect("a store").expect("signed in");
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&one, "").await, Ok(200));
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&one, "").await, Ok(200));
    // A backup is restored while the session runs; only the session still has the newest token.
    one.set_auth_state(state).await.expect("a store");
    bench.world.take();
    assert_eq!(bench.send(&one, "").await, Ok(200));
    // The server detects that a token was reused, and the user signs in once.
    assert_eq!(bench.host.prompts(), (0, 2));
}

async fn profile(bench: &Bench, name: &str) -> AuthSession {
    let builder = bench.builder().host(bench.host.clone()).profile(name);
    builder.open().await.expect("the session opens")
}

#[tokio::test(start_paused = true)]
async fn profiles_never_meet() {
    let bench = Bench::new();
    let anna = profile(&bench, "anna").await;
    let ben = profile(&bench, "ben").await;
    assert_eq!(bench.send(&anna, "").await, Ok(200));
    assert!(ben.authorization().is_none());
    assert_eq!(bench.send(&ben, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 2));
    assert_eq!(bench.world.count(Kind::Register), 2);
    assert_ne!(anna.authorization(), ben.authorization());
    let before = ben.authorization();
    bench.world.servers(|s| s.revoke_access());
    bench.world.take();
    let tasks = vec![bench.spawn(&anna, ""), bench.spawn(&ben, "")];
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.world.count(Token), 2);
    anna.sign_out().await.expect("signed out");
    assert!(ben.authorization().is_some());
    assert_ne!(ben.authorization(), before);
    assert_eq!(bench.send(&ben, "").await, Ok(200));
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn servers_of_one_profile_never_share_a_token() {
    let bench = Bench::new();
    drop(bench.signed_in("").await);
    let other = AuthSession::builder(format!("{SERVER}/other"))
        .http_client(bench.world.clone())
        .runtime(bench.runtime.clone())
        .store(bench.store.clone());
    let other = other.open().await.expect("the session opens");
    assert!(other.authorization().is_none());
}

#[tokio::test(start_paused = true)]
async fn lease_of_a_dead_sibling_ends_by_its_time() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let ttl = Duration::from_secs(60);
    let now = bench.runtime.now();
    let lease = bench.store.try_lease(&bench.key(), now, ttl).await;
    lease.expect("a store").expect("a lease");
    bench.world.servers(|s| s.revoke_access());
    let before = bench.runtime.elapsed();
    // No caller waits for all of that time.
    while let Err(error) = bench.send(&session, "").await {
        assert_eq!(error.code(), "refresh_unavailable");
        assert!(error.to_string().contains("another session or program"));
    }
    let waited = (bench.runtime.elapsed() - before).as_secs();
    // The lease's duration, and the grace period for a machine that slept.
    assert!((66..=68).contains(&waited), "{waited} s");
    assert_eq!(bench.world.count(Token), 1);
    bench.assert_free().await;
}

#[tokio::test(start_paused = true)]
async fn lease_that_is_never_given_back_is_an_error_in_bounded_time_and_loses_nothing() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let ttl = Duration::from_secs(86400);
    let now = bench.runtime.now();
    let lease = bench.store.try_lease(&bench.key(), now, ttl).await;
    let lease = lease.expect("a store").expect("a lease");
    bench.world.servers(|s| s.revoke_access());
    let before = bench.runtime.elapsed();
    let quiet = Policy {
        interaction: false,
        ..Policy::default()
    };
    let other = bench.builder().host(bench.host.clone()).policy(quiet);
    let other = other.open().await.expect("the session opens");
    assert!(bench.send(&other, "").await.is_err());
    assert!((bench.runtime.elapsed() - before).as_secs() <= 31);
    assert_eq!(bench.world.count(Token), 0);
    bench.store.release_lease(&bench.key(), &lease).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn lease_that_is_never_given_back_is_no_reason_to_sign_in() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let ttl = Duration::from_secs(86400);
    let now = bench.runtime.now();
    let lease = bench.store.try_lease(&bench.key(), now, ttl).await;
    lease.expect("a store").expect("a lease");
    bench.world.servers(|s| s.revoke_access());
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "refresh_unavailable");
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn sign_out_by_a_sibling_during_a_renewal_is_not_undone() {
    let bench = Bench::new();
    drop(bench.signed_in("").await);
    let one = bench.builder().open().await.expect("the session opens");
    let two = bench.open().await;
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(Token);
    let renewing = bench.spawn(&one, "");
    gate.reached().await;
    two.sign_out().await.expect("signed out");
    settle().await;
    gate.open();
    let result = renewing.await.expect("no panic");
    assert_eq!(code(&result), "interaction_required");
    for session in [&one, &two, &bench.open().await] {
        assert!(session.authorization().is_none());
        let state = session.connection_state().await.expect("a store");
        assert!(!state.signed_in);
    }
    let stored = bench.store.load(&bench.key()).await.expect("a store");
    assert!(stored.is_none(), "{stored:?}");
    assert_eq!(bench.world.servers(|s| s.live_tokens()), 0);
}

#[tokio::test(start_paused = true)]
async fn sign_out_by_a_sibling_is_noticed_when_the_token_is_rejected() {
    let bench = Bench::new();
    let one = bench.signed_in("").await;
    let two = bench.open().await;
    two.sign_out().await.expect("signed out");
    bench.world.take();
    assert_eq!(bench.send(&one, "").await, Ok(200));
    // The dead refresh token is not presented; the user signs in.
    let kinds = bench.world.trace();
    assert_eq!(
        kinds.iter().filter(|k| **k == Token).count(),
        1,
        "{kinds:?}"
    );
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn sign_in_by_a_sibling_during_a_renewal_is_not_overwritten() {
    let bench = Bench::new();
    let one = bench.signed_in("").await;
    let two = bench.open().await;
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(Token);
    let renewing = bench.spawn(&one, "");
    gate.reached().await;
    let step_up = bench.spawn(&two, "a");
    settle().await;
    gate.open();
    assert_eq!(renewing.await.expect("no panic"), Ok(200));
    assert_eq!(step_up.await.expect("no panic"), Ok(200));
    assert_eq!(bench.send(&one, "a").await, Ok(200));
    assert_eq!(bench.host.prompts(), (1, 2));
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn token_that_a_sibling_renewed_and_that_expired_too_is_renewed_from_there() {
    let bench = Bench::new();
    let one = bench.signed_in("").await;
    let two = bench.open().await;
    pass(3601).await;
    assert_eq!(bench.send(&one, "").await, Ok(200));
    pass(3601).await;
    bench.world.take();
    assert_eq!(bench.send(&two, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Token, Mcp]);
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn sign_in_at_a_sibling_is_found_by_a_session_without_a_person() {
    let bench = Bench::new();
    let alone = bench.builder().open().await.expect("the session opens");
    assert_eq!(code(&bench.send(&alone, "").await), "interaction_required");
    let attended = bench.signed_in("").await;
    assert_eq!(bench.send(&alone, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Mcp]);
    // The same if its own credential can no longer be renewed.
    bench.world.servers(|s| s.revoke_all());
    assert_eq!(code(&bench.send(&alone, "").await), "interaction_required");
    assert_eq!(bench.send(&attended, "").await, Ok(200));
    bench.world.take();
    assert_eq!(bench.send(&alone, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn step_up_at_a_sibling_is_found_by_a_session_without_a_person() {
    let bench = Bench::new();
    let attended = bench.signed_in("").await;
    let alone = bench.builder().open().await.expect("the session opens");
    assert_eq!(code(&bench.send(&alone, "a").await), "insufficient_scope");
    assert_eq!(bench.send(&attended, "a").await, Ok(200));
    bench.world.take();
    assert_eq!(bench.send(&alone, "a").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Mcp]);
}
