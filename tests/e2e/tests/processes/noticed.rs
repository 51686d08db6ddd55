//! A token that one program stores is used by others without a rejection.

use crate::stage::Stage;

#[tokio::test]
async fn token_that_another_program_renewed_is_used_with_the_next_request() {
    let stage = Stage::signed_in().await;
    let mut programs = stage.programs(2).await;
    for round in 1..=10 {
        let [one, two] = &mut programs[..] else {
            panic!("two");
        };
        stage.control().expire_access_tokens();
        stage.control().reset_counters();
        one.advance(2).await;
        assert_eq!(one.calls(1).await.succeeded, 1);
        assert_eq!(stage.counters().token_refresh, 1);
        stage.control().reset_counters();
        two.advance(2).await;
        assert_eq!(two.calls(5).await.succeeded, 5, "{round}");
        let counters = stage.counters();
        assert_eq!((counters.mcp_requests, counters.mcp_401), (5, 0), "{round}");
        assert_eq!(counters.token_requests, 0);
        programs.reverse();
    }
}

#[tokio::test]
async fn sign_in_at_another_program_is_used_with_the_next_request() {
    let stage = Stage::signed_in().await;
    // It has no token, and no user to sign in.
    let record = std::fs::read(stage.store()).unwrap();
    std::fs::remove_file(stage.store()).unwrap();
    let mut alone = stage.program(&[]).await;
    let calls = alone.calls(1).await;
    assert_eq!(calls.failed[0][0], "interaction_required", "{calls:?}");
    // As if another program had signed in, or a backup was restored.
    std::fs::write(stage.store(), record).unwrap();
    stage.control().reset_counters();
    alone.advance(2).await;
    assert_eq!(alone.calls(3).await.succeeded, 3);
    let counters = stage.counters();
    assert_eq!((counters.mcp_requests, counters.mcp_401), (3, 0));
}
