//! No request waits for a question or a renewal that it does not need.

use tokio::time::Instant;

use crate::support::{Answer, Bench, Gate, Journey, Kind, Mcp, Token, all, pass, settle};

#[tokio::test(start_paused = true)]
async fn question_on_the_screen_holds_up_no_other_request() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let gate = Gate::new();
    bench.host.answers(Answer::Held(gate.clone(), true));
    let step_up = bench.spawn(&session, "a");
    gate.reached().await;
    pass(60).await;
    bench.world.take();
    let before = Instant::now();
    let tasks = (0..100).map(|_| bench.spawn(&session, "")).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(before.elapsed().as_nanos(), 0);
    assert_eq!(bench.world.trace(), [Mcp; 100]);
    assert!(!step_up.is_finished());
    gate.open();
    assert_eq!(step_up.await.expect("no panic"), Ok(200));
    assert_eq!(bench.host.prompts(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn token_that_expires_behind_a_question_is_renewed_silently() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = Some(300));
    let session = bench.signed_in("").await;
    let gate = Gate::new();
    bench.host.answers(Answer::Held(gate.clone(), true));
    let step_up = bench.spawn(&session, "a");
    gate.reached().await;
    pass(301).await;
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Token, Mcp]);
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    gate.open();
    assert_eq!(step_up.await.expect("no panic"), Ok(200));
    assert_eq!(bench.host.prompts(), (1, 2));
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn token_that_expires_behind_a_sign_in_page_is_renewed_silently() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let step_up = bench.spawn(&session, "a");
    gate.reached().await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    gate.open();
    assert_eq!(step_up.await.expect("no panic"), Ok(200));
    assert_eq!(bench.host.prompts(), (1, 2));
    let held = session.authorization().expect("signed in");
    assert!(held.scopes().contains("a"));
}

#[tokio::test(start_paused = true)]
async fn credential_and_state_can_be_read_while_a_renewal_hangs() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(Kind::Token);
    let rejected = bench.spawn(&session, "");
    gate.reached().await;
    // A credential can be read at any time.
    assert!(session.authorization().is_some());
    assert!(session.connection_state().await.expect("a store").signed_in);
    settle().await;
    assert!(!rejected.is_finished());
    gate.open();
    assert_eq!(rejected.await.expect("no panic"), Ok(200));
}
