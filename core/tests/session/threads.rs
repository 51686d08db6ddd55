//! The same on several threads, where anything can happen between a decision and its step. Many rounds, since the races
//! are rare.

use crate::support::{Bench, Token, Visit, all};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn failures_on_many_threads_are_one_refresh() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    for round in 0..200 {
        bench.world.servers(|s| s.revoke_access());
        let tasks = (0..32).map(|_| bench.spawn(&session, "")).collect();
        let results = all(tasks).await;
        assert!(
            results.iter().all(|r| *r == Ok(200)),
            "{round}: {results:?}"
        );
        assert_eq!(bench.world.count(Token), 1, "round {round}");
        bench.world.take();
    }
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_no_reuse();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sign_ins_on_many_threads_are_one_page() {
    for round in 0..100 {
        let bench = Bench::new();
        let session = bench.open().await;
        let tasks = (0..16).map(|_| bench.spawn(&session, "")).collect();
        let results = all(tasks).await;
        assert!(
            results.iter().all(|r| *r == Ok(200)),
            "{round}: {results:?}"
        );
        assert_eq!(bench.world.count(Visit), 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn different_step_ups_on_many_threads_are_few_questions() {
    for round in 0..100 {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        let scopes = ["a", "b", "c", "a b", "b c", "a c"];
        let tasks = scopes
            .map(|scope| bench.spawn(&session, scope))
            .into_iter()
            .collect();
        let results = all(tasks).await;
        assert!(
            results.iter().all(|r| *r == Ok(200)),
            "{round}: {results:?}"
        );
        let (questions, pages) = bench.host.prompts();
        assert!(
            questions <= 3 && pages <= 4,
            "round {round}: {questions} questions"
        );
    }
}
