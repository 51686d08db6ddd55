//! Requests that no caller waits for: no prompts, and no hammering.

use mcp_reauth::AuthSession;
use mcp_reauth::recovery::Trigger::Ambient;

use crate::support::{Bench, Fault, Mcp, Meta, Prm, Token, code, pass};

#[tokio::test(start_paused = true)]
async fn ambient_failure_is_refreshed_silently() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send_as(&session, "", Ambient).await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn ambient_failure_never_prompts_and_is_announced_once() {
    let bench = Bench::new();
    bench.world.servers(|s| s.refresh_tokens = false);
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_all());
    for _ in 0..50 {
        let result = bench.send_as(&session, "", Ambient).await;
        assert_eq!(code(&result), "interaction_required");
        pass(10).await;
    }
    assert_eq!(bench.world.trace(), [Mcp; 50]);
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.host.heard("interaction_required"), 1);
    // The user is asked at the next request that a caller waits for.
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn ambient_step_up_never_prompts_and_is_announced_once() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    for _ in 0..20 {
        let error = bench.send_as(&session, "a", Ambient).await;
        let error = error.expect_err("nobody is asked");
        assert_eq!(error.code(), "interaction_required");
        let challenge = error.challenge().expect("what it takes");
        assert!(challenge.required_scopes.contains("a"));
    }
    assert_eq!(bench.world.trace(), [Mcp; 20]);
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.host.heard("interaction_required"), 1);
}

#[tokio::test(start_paused = true)]
async fn ambient_without_any_credential_never_prompts() {
    let bench = Bench::new();
    let session = bench.open().await;
    let result = bench.send_as(&session, "", Ambient).await;
    assert_eq!(code(&result), "interaction_required");
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(bench.host.prompts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn ambient_requests_of_an_hour_ask_a_dead_server_a_bounded_number_of_times() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = None);
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.always(Token, Fault::Status(503));
    let mut per_quarter = Vec::new();
    for _ in 0..4 {
        for _ in 0..900 {
            let result = bench.send_as(&session, "", Ambient).await;
            assert_eq!(code(&result), "refresh_unavailable");
            pass(1).await;
        }
        per_quarter.push(bench.world.count(Token));
        bench.world.take();
    }
    let total: usize = per_quarter.iter().sum();
    // At the longest pause, 12 renewals of two tries each, and some more before that.
    assert!(total <= 2 * 20, "{per_quarter:?}");
    assert!(per_quarter[3] <= 2 * 4, "{per_quarter:?}");
    assert!(
        per_quarter[3] > 0,
        "nobody gives up for ever: {per_quarter:?}"
    );
    assert_eq!(bench.host.prompts(), (0, 1));
    // A request that a caller waits for is not held back by any of this.
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    assert_eq!(bench.world.count(Token), 2);
    bench.world.heal(Token);
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
}

/// Sends ambient requests once a second, and counts the authorization server's requests, minute by minute.
async fn minutes(bench: &Bench, session: &AuthSession, minutes: usize) -> Vec<usize> {
    let mut counts = Vec::new();
    for _ in 0..minutes {
        bench.world.take();
        for _ in 0..60 {
            let result = bench.send_as(session, "", Ambient).await;
            assert_eq!(code(&result), "refresh_unavailable");
            pass(1).await;
        }
        counts.push(
            bench
                .world
                .take()
                .iter()
                .filter(|seen| seen.kind != Mcp)
                .count(),
        );
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn ambient_requests_ask_a_dead_server_a_bounded_number_of_times_a_minute() {
    for fault in [
        Fault::Status(503),
        Fault::Connection,
        Fault::Body(200, "<html>"),
    ] {
        let bench = Bench::new();
        bench.world.servers(|s| s.lifetime = None);
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        for kind in [Token, Prm, Meta] {
            bench.world.always(kind, fault.clone());
        }
        let counts = minutes(&bench, &session, 30).await;
        // Renewals of two tries and a metadata check, with pauses of 5, 10, 20, 40, ... 300 s. A network that is down
        // is no sign of a move, unless it stays down.
        let looks = match fault {
            Fault::Connection => 2,
            _ => 4,
        };
        let look = (counts[0] - 4 * 2) / looks;
        assert!((1..=2).contains(&look), "{counts:?}");
        assert_eq!(counts[0], 4 * 2 + looks * look, "{counts:?}");
        assert!(
            counts[1..].iter().all(|count| *count <= 2 + look),
            "{counts:?}"
        );
        let late: usize = counts[15..].iter().sum();
        assert_eq!(
            late,
            3 * (2 + look),
            "one renewal every five minutes: {counts:?}"
        );
        assert_eq!(bench.host.prompts(), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn ambient_requests_heed_retry_after() {
    for fault in [Fault::RetryAfter(120), Fault::RetryAt(120)] {
        let bench = Bench::new();
        bench.world.servers(|s| s.lifetime = None);
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        bench.world.always(Token, fault.clone());
        let counts = minutes(&bench, &session, 10).await;
        // One try and one metadata check each time; never sooner than the server asked.
        assert!(counts.iter().all(|count| *count <= 2), "{counts:?}");
        assert!(
            counts.windows(2).all(|two| two[0] + two[1] <= 2),
            "{counts:?}"
        );
        assert!(counts.iter().sum::<usize>() >= 2, "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ambient_requests_with_a_token_that_expired_locally_do_not_hammer_either() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.always(Token, Fault::Connection);
    pass(3601).await;
    for _ in 0..360 {
        assert!(bench.send_as(&session, "", Ambient).await.is_err());
        pass(10).await;
    }
    assert!(bench.world.count(Token) <= 3 * 20);
    bench.world.heal(Token);
    pass(300).await;
    assert_eq!(bench.send_as(&session, "", Ambient).await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn ambient_requests_do_not_repeat_a_renewal_that_was_refused() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    let refused = Fault::Body(400, r#"{"error":"unauthorized_client"}"#);
    bench.world.always(Token, refused);
    for _ in 0..100 {
        assert!(bench.send_as(&session, "", Ambient).await.is_err());
        pass(30).await;
    }
    assert_eq!(bench.world.count(Token), 1);
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.host.heard("interaction_required"), 1);
}

#[tokio::test(start_paused = true)]
async fn ambient_requests_present_a_dead_refresh_token_once() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_all());
    for _ in 0..100 {
        let result = bench.send_as(&session, "", Ambient).await;
        assert_eq!(code(&result), "interaction_required");
        pass(30).await;
    }
    assert_eq!(bench.world.count(Token), 1);
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.host.heard("interaction_required"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_announced_is_announced_again_after_the_next_sign_in() {
    let bench = Bench::new();
    bench.world.servers(|s| s.refresh_tokens = false);
    let session = bench.signed_in("").await;
    for round in 1..=3 {
        bench.world.servers(|s| s.revoke_all());
        assert!(bench.send_as(&session, "", Ambient).await.is_err());
        assert!(bench.send_as(&session, "", Ambient).await.is_err());
        assert_eq!(bench.host.heard("interaction_required"), round);
        assert_eq!(bench.send(&session, "").await, Ok(200));
    }
}
