//! Many failures at once are recovered once.

use mcp_reauth::recovery::Trigger;
use mcp_reauth::{Operation, Recovery};

use crate::support::{Bench, Fault, Kind, Mcp, Token, all, pass, recover};

async fn many_share_one_refresh(count: usize) {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(Kind::Mcp);
    let tasks = (0..count).map(|_| bench.spawn(&session, "")).collect();
    // All of them have failed with the old token before the first gets its response.
    for _ in 0..count {
        gate.reached().await;
    }
    gate.open();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.world.count(Token), 1);
    assert_eq!(bench.world.count(Mcp), 2 * count);
    assert_eq!(bench.world.trace().len(), 2 * count + 1);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_no_reuse();
    bench.assert_free().await;
}

#[tokio::test(start_paused = true)]
async fn hundred_failures_with_one_token_are_one_refresh() {
    many_share_one_refresh(100).await;
}

#[tokio::test(start_paused = true)]
async fn thousand_failures_with_one_token_are_one_refresh() {
    many_share_one_refresh(1000).await;
}

#[tokio::test(start_paused = true)]
async fn failure_that_comes_late_takes_the_newer_token_without_the_network() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let mut late: Vec<_> = (0..100)
        .map(|_| session.request(Operation::default(), Trigger::Command))
        .collect();
    for request in &mut late {
        let credential = request.authorize("POST", session.server()).await;
        assert!(credential.expect("no key").is_some());
    }
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    let line = ("WWW-Authenticate", r#"Bearer error="invalid_token""#);
    for request in &mut late {
        assert!(matches!(
            recover(request, 401, [line]).await,
            Recovery::Retry
        ));
    }
    assert_eq!(bench.world.trace(), []);
    let current = session.authorization();
    for request in &mut late {
        let credential = request.authorize("POST", session.server()).await;
        let credential = credential.expect("no key").expect("a credential");
        assert_eq!(Some(credential.authorization()), current.as_ref());
    }
    assert_eq!(bench.world.trace(), []);
}

#[tokio::test(start_paused = true)]
async fn late_failure_for_scope_that_was_granted_meanwhile_asks_nobody() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let mut late = session.request(Operation::default(), Trigger::Command);
    let _ = late
        .authorize("POST", session.server())
        .await
        .expect("no key");
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    bench.world.take();
    let line = (
        "WWW-Authenticate",
        r#"Bearer error="insufficient_scope", scope="a""#,
    );
    assert!(matches!(
        recover(&mut late, 403, [line]).await,
        Recovery::Retry
    ));
    assert_eq!(bench.world.trace(), []);
    assert_eq!(bench.host.prompts(), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn parallel_requests_with_an_expired_token_are_one_refresh() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    pass(3601).await;
    let tasks = (0..100).map(|_| bench.spawn(&session, "")).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.world.count(Token), 1);
    assert_eq!(bench.world.trace().len(), 101);
}

#[tokio::test(start_paused = true)]
async fn parallel_first_requests_are_one_sign_in() {
    let bench = Bench::new();
    let session = bench.open().await;
    let tasks = (0..20).map(|_| bench.spawn(&session, "")).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.world.count(Kind::Register), 1);
    assert_eq!(bench.world.count(Token), 1);
}

#[tokio::test(start_paused = true)]
async fn server_in_trouble_is_asked_by_one_for_all() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.always(Token, Fault::Status(503));
    let tasks = (0..100).map(|_| bench.spawn(&session, "")).collect();
    let results = all(tasks).await;
    for result in &results {
        assert_eq!(crate::support::code(result), "refresh_unavailable");
    }
    assert_eq!(bench.world.count(Token), 2);
    assert_eq!(bench.host.prompts(), (0, 1));
}
