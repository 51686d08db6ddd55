//! Every request comes to an end, whatever a server responds.

use mcp_reauth::recovery::Trigger;
use mcp_reauth::{Operation, Recovery};

use crate::support::{Bench, Mcp, Prm, Token, Visit, all, code, pass, recover};

fn unauthorized() -> Option<(u16, Vec<String>)> {
    Some((401, vec![r#"Bearer error="invalid_token""#.to_owned()]))
}

fn lacking(scope: &str) -> Option<(u16, Vec<String>)> {
    let line = format!(r#"Bearer error="insufficient_scope", scope="{scope}""#);
    Some((403, vec![line]))
}

async fn bench(refresh_tokens: bool) -> (Bench, mcp_reauth::AuthSession) {
    let bench = Bench::new();
    bench.world.servers(|s| s.refresh_tokens = refresh_tokens);
    let session = bench.signed_in("").await;
    (bench, session)
}

#[tokio::test(start_paused = true)]
async fn server_that_always_answers_401_is_asked_three_times() {
    let (bench, session) = bench(true).await;
    bench.world.answer(|_| unauthorized());
    let error = bench.send(&session, "").await.expect_err("never");
    assert_eq!(error.code(), "unauthorized");
    assert!(error.challenge().is_some());
    assert_eq!(bench.world.count(Mcp), 3);
    assert_eq!(bench.world.count(Token), 2);
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn server_that_always_answers_401_without_a_refresh_token_is_asked_twice() {
    let (bench, session) = bench(false).await;
    bench.world.answer(|_| unauthorized());
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "unauthorized");
    assert_eq!(bench.world.count(Mcp), 2);
    assert_eq!(bench.world.count(Token), 1);
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn server_that_always_lacks_scope_is_asked_twice() {
    for refresh_tokens in [true, false] {
        let (bench, session) = bench(refresh_tokens).await;
        bench.world.answer(|_| lacking("a"));
        let result = bench.send(&session, "").await;
        assert_eq!(bench.host.prompts(), (1, 2));
        assert_eq!(code(&result), "step_up_limit");
        assert_eq!(bench.world.trace(), [Mcp, Visit, Token, Mcp]);
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_lacks_scope_and_does_not_say_which_is_asked_twice() {
    for refresh_tokens in [true, false] {
        let (bench, session) = bench(refresh_tokens).await;
        bench.world.answer(|_| lacking(""));
        let result = bench.send(&session, "").await;
        assert_eq!(code(&result), "step_up_limit");
        assert_eq!(bench.host.prompts(), (1, 2));
        assert_eq!(bench.world.trace(), [Mcp, Prm, Visit, Token, Mcp]);
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_asks_for_another_scope_each_time_is_asked_twice() {
    for refresh_tokens in [true, false] {
        let (bench, session) = bench(refresh_tokens).await;
        bench.world.answer(|call| lacking(&format!("scope-{call}")));
        let result = bench.send(&session, "").await;
        assert_eq!(code(&result), "step_up_limit");
        assert_eq!(bench.world.count(Mcp), 2);
        assert_eq!(bench.host.prompts(), (1, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_alternates_comes_to_an_end() {
    for refresh_tokens in [true, false] {
        for first in [0, 1] {
            let (bench, session) = bench(refresh_tokens).await;
            bench.world.answer(move |call| {
                if call % 2 == first {
                    unauthorized()
                } else {
                    lacking(&format!("scope-{call}"))
                }
            });
            let result = bench.send(&session, "").await;
            // The code, requests, token requests, questions and pages; there was one page before.
            let came_to = (
                code(&result),
                bench.world.count(Mcp),
                bench.world.count(Token),
                bench.host.prompts(),
            );
            let expected = match (refresh_tokens, first) {
                (true, 0) => ("unauthorized", 3, 2, (1, 2)),
                (true, _) => ("step_up_limit", 3, 2, (1, 2)),
                (false, 0) => ("unauthorized", 3, 2, (1, 3)),
                (false, _) => ("unauthorized", 2, 1, (1, 2)),
            };
            assert_eq!(came_to, expected, "{:?}", bench.world.trace());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_in_parallel_that_are_always_rejected_come_to_an_end() {
    for refresh_tokens in [true, false] {
        let (bench, session) = bench(refresh_tokens).await;
        bench.world.answer(|_| unauthorized());
        let tasks = (0..10).map(|_| bench.spawn(&session, "")).collect();
        for result in all(tasks).await {
            assert_eq!(code(&result), "unauthorized");
        }
        // They fail together, so they share the recovery.
        assert_eq!(bench.host.prompts(), (0, 2));
        let counts = (bench.world.count(Mcp), bench.world.count(Token));
        let expected = if refresh_tokens { (30, 2) } else { (20, 1) };
        assert_eq!(counts, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_in_turn_that_are_always_rejected_come_to_an_end() {
    let (bench, one) = bench(true).await;
    let two = bench.open().await;
    bench.world.answer(|_| unauthorized());
    let tasks = (0..5)
        .flat_map(|_| [bench.spawn(&one, ""), bench.spawn(&two, "")])
        .collect();
    for result in all(tasks).await {
        assert_eq!(code(&result), "unauthorized");
    }
    assert!(bench.host.prompts().1 <= 3, "{:?}", bench.host.prompts());
    assert!(bench.world.count(Mcp) <= 40, "{}", bench.world.count(Mcp));
    assert!(
        bench.world.count(Token) <= 4,
        "{}",
        bench.world.count(Token)
    );
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn ambient_requests_that_are_always_rejected_renew_once_each() {
    let (bench, session) = bench(true).await;
    bench.world.answer(|_| unauthorized());
    let result = bench.send_as(&session, "", Trigger::Ambient).await;
    assert_eq!(code(&result), "interaction_required");
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn renewal_that_helps_nothing_is_not_repeated_for_every_ambient_request() {
    let (bench, session) = bench(true).await;
    bench.world.answer(|_| unauthorized());
    for _ in 0..360 {
        let _ = bench.send_as(&session, "", Trigger::Ambient).await;
        pass(10).await;
    }
    // If a server rejects what was just granted, an hour of polling must not be an hour of renewing.
    assert_eq!(bench.world.count(Token), 1);
}

#[tokio::test(start_paused = true)]
async fn siblings_with_ever_newer_tokens_do_not_keep_a_request_going_for_ever() {
    let (bench, session) = bench(false).await;
    let mut newer = Vec::new();
    for number in 0..20 {
        let donor = bench.builder().profile(number.to_string());
        let donor = donor.host(bench.host.clone()).open().await;
        let donor = donor.expect("the session opens");
        assert_eq!(bench.send(&donor, "").await, Ok(200));
        newer.push(donor.auth_state().await.expect("a store").expect("one"));
    }
    let mut request = session.request(Operation::default(), Trigger::Ambient);
    let mut tries = 0;
    for state in newer {
        let url = session.server();
        let _ = request.authorize("POST", url).await.expect("no key");
        tries += 1;
        session.set_auth_state(state).await.expect("a store");
        match recover(&mut request, 401, [("WWW-Authenticate", "Bearer")]).await {
            Recovery::Retry => {}
            other => {
                assert!(matches!(other, Recovery::Failed(_)), "{other:?}");
                break;
            }
        }
    }
    assert_eq!(tries, 4, "three adoptions, and the end");
}
