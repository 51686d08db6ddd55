//! Renewal before expiry, and clocks that jump.

use mcp_reauth::recovery::Trigger::Ambient;

use crate::support::{Bench, Fault, Mcp, Token, pass};

#[tokio::test(start_paused = true)]
async fn token_is_renewed_within_thirty_seconds_of_its_end_and_not_before() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    pass(3569).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    pass(1).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Token, Mcp]);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn old_token_is_sent_when_renewal_ahead_of_time_fails() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let old = session.authorization().expect("signed in");
    bench.world.always(Token, Fault::Status(503));
    pass(3575).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Token, Token, Mcp]);
    assert_eq!(seen[2].authorization.as_deref(), Some(old.header_value()));
    // The next request does not try to renew for a while.
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    bench.world.heal(Token);
    pass(6).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn machine_that_wakes_up_renews_without_a_prompt() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.runtime.machine_sleeps(3 * 86400);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn machine_that_wakes_up_before_its_network_recovers_without_a_prompt() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.runtime.machine_sleeps(86400);
    bench.world.always(Token, Fault::Connection);
    for _ in 0..5 {
        assert!(bench.send_as(&session, "", Ambient).await.is_err());
        pass(1).await;
    }
    bench.world.heal(Token);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn clock_set_back_by_a_day_neither_loses_nor_hammers() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.runtime.set_clock_back(86400);
    for _ in 0..180 {
        assert_eq!(bench.send(&session, "").await, Ok(200));
        pass(60).await;
    }
    // Three hours of tokens with a lifetime of one hour: each renewed once, at most two requests wasted.
    let renewed = bench.world.count(Token);
    assert!((2..=3).contains(&renewed), "{renewed}");
    assert!(bench.world.count(Mcp) <= 182);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn clock_set_back_during_a_pause_does_not_lengthen_it() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = None);
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::RetryAfter(120));
    assert!(bench.send(&session, "").await.is_err());
    bench.runtime.set_clock_back(86400);
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn clock_set_back_does_not_make_ambient_requests_hammer() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = None);
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.always(Token, Fault::Status(503));
    assert!(bench.send_as(&session, "", Ambient).await.is_err());
    bench.runtime.set_clock_back(86400);
    for _ in 0..360 {
        assert!(bench.send_as(&session, "", Ambient).await.is_err());
        pass(10).await;
    }
    assert!(bench.world.count(Token) <= 3 * 20);
}

#[tokio::test(start_paused = true)]
async fn clock_set_forward_costs_one_renewal() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.runtime.set_clock_forward(86400);
    for _ in 0..10 {
        assert_eq!(bench.send(&session, "").await, Ok(200));
        pass(60).await;
    }
    assert_eq!(bench.world.count(Token), 1);
    assert_eq!(bench.world.count(Mcp), 10);
}

#[tokio::test(start_paused = true)]
async fn short_lived_tokens_are_not_renewed_at_every_request() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = Some(10));
    let session = bench.signed_in("").await;
    for _ in 0..20 {
        assert_eq!(bench.send(&session, "").await, Ok(200));
        pass(1).await;
    }
    // Every five seconds: half of a short lifetime is used.
    assert_eq!(bench.world.count(Token), 3);
    assert_eq!(bench.world.count(Mcp), 20);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn token_born_dead_is_not_renewed_without_end() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = Some(0));
    let session = bench.open().await;
    let result = bench.send(&session, "").await;
    assert!(result.is_err(), "{result:?}");
    assert!(bench.world.count(Token) <= 4, "{:?}", bench.world.trace());
    assert!(bench.host.prompts().1 <= 1, "{:?}", bench.host.prompts());
}

#[tokio::test(start_paused = true)]
async fn token_without_a_known_life_is_used_until_it_is_rejected() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = None);
    let session = bench.signed_in("").await;
    pass(30 * 86400).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}
