//! Sessions of one organization in one store: one sign-in, and one renewal of it, serve all of them.

use mcp_reauth::AuthSession;

use crate::support::{
    Bench, Exchange, Gate, IdpToken, IdpVisit, Journey, Mcp, SECOND, SERVER, Token, Visit, all,
    pass, settle,
};

/// Sessions at two servers, after the user has signed in; the log is empty.
async fn two_servers(bench: &Bench) -> [AuthSession; 2] {
    bench.world.servers(|s| s.lifetime = None);
    let one = bench.employed().await;
    let two = bench.managed(SECOND).await;
    assert_eq!(bench.send(&two, "").await, Ok(200));
    bench.world.take();
    [one, two]
}

#[tokio::test(start_paused = true)]
async fn failures_at_two_servers_are_one_refresh_and_one_mint_each() {
    let bench = Bench::new();
    let [one, two] = two_servers(&bench).await;
    pass(3600).await;
    bench.world.servers(|s| s.revoke_access());
    let tasks = (0..50)
        .flat_map(|_| [bench.spawn(&one, ""), bench.spawn(&two, "")])
        .collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    let counts = [IdpToken, Exchange, Token, IdpVisit].map(|kind| bench.world.count(kind));
    assert_eq!(counts, [1, 2, 2, 0]);
    assert_eq!(bench.world.count(Mcp), 200);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn failures_at_two_servers_are_one_refresh_whoever_comes_when() {
    let bench = Bench::new();
    let [one, two] = two_servers(&bench).await;
    pass(3600).await;
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(IdpToken);
    let first = bench.spawn(&one, "");
    gate.reached().await;
    let second = bench.spawn(&two, "");
    pass(3).await;
    gate.open();
    assert_eq!(all(vec![first, second]).await, [Ok(200), Ok(200)]);
    assert_eq!(bench.world.count(IdpToken), 1);
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn first_requests_to_two_servers_at_once_are_one_page() {
    let bench = Bench::new();
    let one = bench.managed(SERVER).await;
    let two = bench.managed(SECOND).await;
    let tasks = (0..50)
        .flat_map(|_| [bench.spawn(&one, ""), bench.spawn(&two, "")])
        .collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    let counts = [IdpVisit, IdpToken, Exchange, Token, Visit].map(|kind| bench.world.count(kind));
    assert_eq!(counts, [1, 1, 2, 2, 0]);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn page_that_takes_a_while_is_the_only_one() {
    let bench = Bench::new();
    let one = bench.managed(SERVER).await;
    let two = bench.managed(SECOND).await;
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let first = bench.spawn(&one, "");
    gate.reached().await;
    let second = bench.spawn(&two, "");
    pass(300).await;
    assert_eq!(bench.host.prompts(), (0, 1));
    gate.open();
    assert_eq!(all(vec![first, second]).await, [Ok(200), Ok(200)]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn sessions_of_one_server_share_what_is_minted() {
    let bench = Bench::new();
    let one = bench.employed().await;
    let two = bench.managed(SERVER).await;
    bench.world.servers(|s| s.revoke_access());
    let tasks = (0..50)
        .flat_map(|_| [bench.spawn(&one, ""), bench.spawn(&two, "")])
        .collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(
        (bench.world.count(Exchange), bench.world.count(Token)),
        (1, 1)
    );
    assert_eq!(one.authorization(), two.authorization());
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn renewal_that_a_sibling_made_is_adopted() {
    let bench = Bench::new();
    let [one, two] = two_servers(&bench).await;
    for _ in 0..3 {
        pass(3600).await;
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&one, "").await, Ok(200));
        let refreshed = [Mcp, IdpToken, Exchange, Token, Mcp];
        assert_eq!(bench.world.trace(), refreshed);
        assert_eq!(bench.send(&two, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Exchange, Token, Mcp]);
    }
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn sign_in_at_a_sibling_is_found_by_a_session_without_a_person() {
    let bench = Bench::new();
    let builder = bench.managed_builder(SECOND);
    let alone = builder.open().await.expect("the session opens");
    let result = bench.send(&alone, "").await;
    assert_eq!(crate::support::code(&result), "interaction_required");
    drop(bench.employed().await);
    assert_eq!(bench.send(&alone, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn renewal_that_nobody_waits_for_any_more_is_finished_and_kept() {
    let bench = Bench::new();
    let [one, two] = two_servers(&bench).await;
    pass(3600).await;
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(IdpToken);
    let request = bench.spawn(&one, "");
    gate.reached().await;
    request.abort();
    drop(one);
    gate.open();
    settle().await;
    bench.world.take();
    assert_eq!(bench.send(&two, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Exchange, Token, Mcp]);
    bench.assert_nothing_reused();
}
