//! Signing out.

use mcp_reauth::RecordStore;

use crate::support::{
    Bench, Fault, Gate, Journey, Mcp, Meta, Prm, Register, Revoke, Token, Visit, code,
};

async fn assert_gone(bench: &Bench, session: &mcp_reauth::AuthSession) {
    assert!(session.authorization().is_none());
    let stored = bench.store.load(&bench.key()).await.expect("a store");
    assert!(stored.is_none(), "{stored:?}");
    assert_eq!(bench.host.heard("signed_out"), 1);
}

#[tokio::test(start_paused = true)]
async fn both_tokens_are_revoked_and_the_record_is_cleared() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let sent = session.authorization().expect("signed in");
    session.sign_out().await.expect("signed out");
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Revoke, Revoke]);
    assert_eq!(seen[0].param("token_type_hint"), "refresh_token");
    assert_eq!(seen[1].param("token_type_hint"), "access_token");
    let access = format!("Bearer {}", seen[1].param("token"));
    assert_eq!(sent.header_value(), access);
    assert_eq!(bench.world.servers(|s| s.live_tokens()), 0);
    assert_gone(&bench, &session).await;
}

#[tokio::test(start_paused = true)]
async fn record_is_cleared_also_when_revocation_fails() {
    for fault in [
        Fault::Status(503),
        Fault::Status(400),
        Fault::Connection,
        Fault::Body(200, "<html>"),
    ] {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.always(Revoke, fault);
        session.sign_out().await.expect("signed out");
        assert_eq!(bench.world.trace(), [Revoke, Revoke]);
        assert_gone(&bench, &session).await;
    }
}

#[tokio::test(start_paused = true)]
async fn record_is_cleared_in_ten_seconds_when_revocation_hangs() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.always(Revoke, Fault::Hang);
    let before = bench.runtime.elapsed();
    session.sign_out().await.expect("signed out");
    assert_eq!((bench.runtime.elapsed() - before).as_secs(), 10);
    assert_gone(&bench, &session).await;
}

#[tokio::test(start_paused = true)]
async fn sign_in_afterwards_is_as_the_first() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    session.sign_out().await.expect("signed out");
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    assert_eq!(kinds, [Mcp, Prm, Meta, Register, Visit, Token, Mcp]);
    let last = bench.host.sign_ins().pop().expect("one");
    assert_eq!(last.scopes.to_string(), "base");
}

#[tokio::test(start_paused = true)]
async fn nothing_to_sign_out_of_is_no_error_and_no_network() {
    let bench = Bench::new();
    let session = bench.open().await;
    session.sign_out().await.expect("signed out");
    assert_eq!(bench.world.trace(), []);
}

#[tokio::test(start_paused = true)]
async fn callback_after_sign_out_signs_nobody_in() {
    let bench = Bench::new();
    let session = bench.open().await;
    bench.host.journeys(Journey::Elsewhere);
    assert!(bench.send(&session, "").await.is_err());
    let back = bench.world.visit(&bench.host.sign_ins()[0].url);
    session.sign_out().await.expect("signed out");
    bench.world.take();
    let callback = mcp_reauth::CallbackParams::parse(&back);
    let result = session.complete_authorization(callback).await;
    assert_eq!(code(&result), "state_mismatch");
    assert_eq!(bench.world.trace(), []);
    assert!(session.authorization().is_none());
}

#[tokio::test(start_paused = true)]
async fn sign_in_that_a_sign_out_ended_meanwhile_was_cancelled() {
    let bench = Bench::new();
    let (one, two) = (bench.open().await, bench.open().await);
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let call = bench.spawn(&one, "");
    gate.reached().await;
    two.sign_out().await.expect("signed out");
    gate.open();
    assert_eq!(code(&call.await.expect("it ran")), "cancelled");
    assert!(one.authorization().is_none());
    // The next sign-in works.
    assert_eq!(bench.send(&one, "").await, Ok(200));
}
