//! Resource metadata that is fresh (RFC 9111), and when it is read again nevertheless.

use mcp_reauth::{Outcome, ScopeSet};

use crate::support::{
    Bench, Fault, ISSUER, Mcp, Meta, OTHER, Prm, Register, Token, Visit, code, pass,
};

/// The resource names another authorization server, although its earlier metadata is fresh.
fn moves(bench: &Bench) {
    bench
        .world
        .servers(|s| s.authorization_servers = vec![OTHER.to_owned()]);
}

fn fresh() -> Bench {
    let bench = Bench::new();
    bench
        .world
        .servers(|s| s.cache_control = Some("max-age=3600"));
    bench
}

async fn issuer(session: &mcp_reauth::AuthSession) -> Option<String> {
    let state = session.connection_state().await.expect("a store");
    state.issuer
}

#[tokio::test(start_paused = true)]
async fn a_refreshed_token_that_is_rejected_has_it_read_again() {
    let bench = fresh();
    let session = bench.signed_in("").await;
    moves(&bench);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let expected = [Mcp, Token, Mcp, Prm, Meta, Register, Visit, Token, Mcp];
    assert_eq!(bench.world.trace(), expected);
    assert_eq!(issuer(&session).await.as_deref(), Some(OTHER));
}

#[tokio::test(start_paused = true)]
async fn a_move_that_was_seen_counts_for_more() {
    let bench = fresh();
    let session = bench.signed_in("").await;
    moves(&bench);
    // The old server recovers, but too late to be of use.
    bench.world.next(Token, Fault::Status(503));
    bench.world.next(Token, Fault::Status(503));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(issuer(&session).await.as_deref(), Some(OTHER));
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_the_server_rejects_at_once_has_it_read_again_the_next_time() {
    let bench = fresh();
    bench.world.servers(|s| s.refresh_tokens = false);
    let session = bench.signed_in("").await;
    moves(&bench);
    // Only the age of the stored metadata shows the move.
    assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
    assert_eq!(bench.host.prompts(), (0, 2));
    pass(301).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(issuer(&session).await.as_deref(), Some(OTHER));
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_on_purpose_reads_it() {
    let bench = fresh();
    let session = bench.signed_in("").await;
    let outcome = session.sign_in(ScopeSet::parse("a")).await;
    assert_eq!(outcome, Outcome::Satisfied);
    assert_eq!(bench.world.count(Prm), 1);
    assert_eq!(session.sign_in_again().await, Outcome::Satisfied);
    assert_eq!(bench.world.count(Prm), 2);
}

#[tokio::test(start_paused = true)]
async fn a_step_up_without_a_scope_looks_for_it() {
    let bench = fresh();
    let session = bench.signed_in("").await;
    let metadata = "https://mcp.example/.well-known/oauth-protected-resource/mcp";
    let line = format!(r#"Bearer error="insufficient_scope", resource_metadata="{metadata}""#);
    bench
        .world
        .answer(move |call| (call == 0).then(|| (403, vec![line.clone()])));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Prm), 1, "it may list more by now");
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_cannot_be_begun_or_ended_reads_it_the_next_time() {
    // An error at the registration endpoint, or with the code.
    for kind in [Register, Token] {
        let bench = fresh();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| {
            s.revoke_all();
            s.forget_clients();
        });
        bench
            .world
            .next(Token, Fault::Body(400, r#"{"error":"invalid_client"}"#));
        // A refused registration is tried once more, with other scopes.
        let refused = Fault::Body(400, r#"{"error":"invalid_request"}"#);
        for _ in 0..if kind == Register { 2 } else { 1 } {
            bench.world.next(kind, refused.clone());
        }
        let failed = bench.send(&session, "").await;
        assert_ne!(code(&failed), "no error", "{kind:?}");
        assert_eq!(bench.world.count(Prm), 0, "{kind:?}");
        assert_eq!(bench.send(&session, "").await, Ok(200), "{kind:?}");
        assert_eq!(bench.world.count(Prm), 1, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopgap_is_not_kept() {
    // The document that the challenge names is unavailable, and its substitute is only a guess.
    let named = "https://mcp.example/tenant/metadata.json";
    let bench = fresh();
    let line = format!(r#"Bearer resource_metadata="{named}", scope="base""#);
    bench
        .world
        .answer(move |call| (call != 1 && call != 3).then(|| (401, vec![line.clone()])));
    bench.world.place(named, Fault::Status(503));
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| s.revoke_all());
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Prm), 1);
    // The choice of a server, because another was unavailable, is not kept either.
    let bench = fresh();
    let first = "https://first.example";
    let listed = vec![first.to_owned(), ISSUER.to_owned()];
    bench.world.servers(|s| s.authorization_servers = listed);
    for name in ["oauth-authorization-server", "openid-configuration"] {
        let place = format!("{first}/.well-known/{name}");
        bench.world.place(&place, Fault::Status(503));
    }
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_all());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Prm), 1);
}
