//! Nonces in proofs (RFC 9449 sections 8 and 9): sent once, kept for each server, and no reason to renew anything.

use mcp_reauth::AuthSession;
use mcp_reauth::recovery::Trigger::Ambient;

use crate::support::{
    Bench, Fault, ISSUER, Kind, Mcp, Meta, Prm, Push, Register, SERVER, Seen, Token, Visit, all,
    claims, code, pass,
};

fn kinds(seen: &[Seen]) -> Vec<Kind> {
    seen.iter().map(|seen| seen.kind).collect()
}

/// Returns the nonce in a request's proof.
fn nonce(seen: &Seen) -> String {
    let proof = claims(seen.proof.as_deref().expect("a proof"));
    proof["nonce"].as_str().unwrap_or_default().to_owned()
}

/// A session with bound tokens, after the user has signed in; the log is empty.
async fn bound(bench: &Bench) -> AuthSession {
    bench.world.servers(|s| s.proofs.demand());
    bench.signed_in("").await
}

#[tokio::test(start_paused = true)]
async fn nonces_of_both_servers_cost_one_request_each_the_first_time_and_none_later() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.proofs.demand();
        s.proofs.new_nonce(ISSUER);
        s.proofs.new_nonce(SERVER);
    });
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let sign_in = [Mcp, Prm, Meta, Register, Visit, Token, Token, Mcp, Mcp];
    assert_eq!(kinds(&seen), sign_in);
    let nonces: Vec<_> = seen[5..].iter().map(nonce).collect();
    assert_eq!(nonces, ["", "nonce-1", "", "nonce-2"]);
    for _ in 0..3 {
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        let seen = bench.world.take();
        assert_eq!(kinds(&seen), [Mcp, Token, Mcp]);
        let nonces: Vec<_> = seen.iter().map(nonce).collect();
        assert_eq!(nonces, ["nonce-2", "nonce-1", "nonce-2"]);
    }
    bench.assert_proven();
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn nonce_that_is_changed_costs_one_request() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    for _ in 0..3 {
        bench.world.servers(|s| s.proofs.new_nonce(SERVER));
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Mcp]);
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp]);
        bench.world.servers(|s| {
            s.proofs.new_nonce(ISSUER);
            s.revoke_access();
        });
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Token, Token, Mcp]);
    }
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_proven();
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn stream_keeps_up_with_nonces_too() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    bench.world.servers(|s| s.proofs.new_nonce(SERVER));
    assert_eq!(bench.send_as(&session, "", Ambient).await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn parallel_requests_that_lack_a_nonce_all_get_through() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    bench.world.servers(|s| s.proofs.new_nonce(SERVER));
    let tasks = (0..50).map(|_| bench.spawn(&session, "")).collect();
    let results = all(tasks).await;
    // Some learned it from the responses to other requests, which works as well.
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.world.count(Token), 0);
    assert!(bench.world.count(Mcp) <= 100);
    bench.assert_proven();
}

#[tokio::test(start_paused = true)]
async fn server_that_is_never_content_with_a_nonce_is_asked_a_few_times() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    let before = session.authorization();
    bench.world.servers(|s| s.proofs.be_fickle(SERVER));
    assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
    assert_eq!(bench.world.trace(), [Mcp, Mcp, Mcp, Mcp]);
    assert_eq!(session.authorization(), before);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn authorization_server_that_is_never_content_is_passing_trouble() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    bench.world.servers(|s| {
        s.revoke_access();
        s.proofs.be_fickle(ISSUER);
    });
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    let seen = kinds(&bench.world.take());
    // Two tries, each with one more for a nonce.
    assert_eq!(seen.iter().filter(|k| **k == Token).count(), 4);
    assert_eq!((seen[0], seen.len()), (Mcp, 6), "{seen:?}");
    assert_eq!(bench.host.prompts(), (0, 1));
    // Nothing was lost.
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn sign_in_at_a_server_that_is_never_content_is_told() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.proofs.demand();
        s.proofs.be_fickle(ISSUER);
    });
    let session = bench.open().await;
    assert_eq!(code(&bench.send(&session, "").await), "http");
    assert!(bench.world.count(Token) <= 6);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn proof_that_is_refused_costs_neither_token_nor_page() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    let before = session.authorization();
    let line = r#"DPoP error="invalid_dpop_proof""#;
    bench
        .world
        .answer(move |_| Some((401, vec![line.to_owned()])));
    assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
    assert_eq!(bench.world.trace(), [Mcp]);
    let result = bench.send_as(&session, "", Ambient).await;
    assert_eq!(code(&result), "unauthorized");
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(session.authorization(), before);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn clock_that_is_wrong_is_no_reason_to_sign_in() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    bench.runtime.set_clock_back(600);
    assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
    assert_eq!(bench.world.trace(), [Mcp]);
    bench.runtime.set_clock_forward(600);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn proof_that_the_authorization_server_refuses_is_passing_trouble() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    bench.world.servers(|s| s.revoke_access());
    let refused = Fault::Body(400, r#"{"error":"invalid_dpop_proof"}"#);
    bench.world.always(Token, refused);
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    bench.world.heal(Token);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn nonce_challenge_without_a_nonce_ends_at_once() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    let line = r#"DPoP error="use_dpop_nonce""#;
    bench
        .world
        .answer(move |_| Some((401, vec![line.to_owned()])));
    assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn nonce_challenge_to_a_bearer_token_is_no_loop() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let line = r#"DPoP error="use_dpop_nonce""#;
    bench.world.servers(|s| {
        s.proofs.offered = true;
        s.proofs.new_nonce(SERVER);
    });
    bench.world.answer(move |number| match number {
        0..8 => Some((401, vec![line.to_owned()])),
        _ => None,
    });
    let result = bench.send(&session, "").await;
    assert!(bench.world.count(Mcp) <= 6, "{result:?}");
    assert!(bench.host.prompts().1 <= 2, "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn nonce_given_ahead_of_need_is_used() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    bench.world.servers(|s| s.proofs.new_nonce(SERVER));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.take();
    // The nonce expired together with the token: one renewal, no extra request.
    pass(3600).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn pushed_request_names_the_key_and_needs_no_nonce() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.proofs.demand();
        (s.takes_pushed, s.only_pushed) = (true, true);
    });
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let pushed = seen.iter().find(|s| s.kind == Push).expect("one");
    assert!(!pushed.param("dpop_jkt").is_empty());
    bench.assert_proven();
}
