//! Clocks that are wrong by years, and extreme lifetimes: bounded, silent, no panic.

use std::time::Duration;

use mcp_reauth::{AuthSession, CallbackParams, FileStore, Outcome, Runtime, ScopeSet, TokenStore};

use crate::support::{Bench, Fault, Gate, Journey, Mcp, Token, all, code, pass};

const YEAR: u64 = 365 * 86400;

/// Takes two sessions on one file through all that happens to a credential, with the clock as it is.
async fn lives_through(bench: &Bench) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = FileStore::new(folder.path().join("credentials.json"));
    let open = || async {
        let builder = bench.builder().host(bench.host.clone());
        let session = builder.store(store.clone()).open().await;
        session.expect("the session opens")
    };
    let (one, two) = (open().await, open().await);
    assert_eq!(bench.send(&one, "").await, Ok(200));
    assert_eq!(bench.send(&two, "").await, Ok(200));
    // The server rejects the token.
    bench.world.servers(|s| s.revoke_access());
    bench.world.take();
    renews_once(bench, [&one, &two]).await;
    // The token expires by every clock.
    pass(3601).await;
    renews_once(bench, [&one, &two]).await;
    // The same after a restart.
    let three = open().await;
    bench.world.take();
    assert_eq!(bench.send(&three, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_no_reuse();
}

async fn renews_once(bench: &Bench, sessions: [&AuthSession; 2]) {
    let tasks = (0..10).flat_map(|_| sessions.map(|session| bench.spawn(session, "")));
    let results = all(tasks.collect()).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.world.count(Token), 1);
    bench.world.take();
}

#[tokio::test(start_paused = true)]
async fn years_that_clocks_without_a_battery_show_are_as_good_as_any() {
    let year_2200 = 7_258_118_400;
    let latest = 200_000_000_000;
    for clock in [0, 1, -1, -86400 * 400, -2_000_000_000, year_2200, latest] {
        let bench = Bench::new();
        bench.runtime.set_clock_to(clock);
        lives_through(&bench).await;
    }
}

#[tokio::test(start_paused = true)]
async fn sign_in_counts_whose_page_was_open_while_the_machine_slept() {
    let bench = Bench::new();
    let (one, two) = (bench.open().await, bench.open().await);
    let gate = Gate::new();
    bench.host.journeys(Journey::Held(gate.clone()));
    let call = bench.spawn(&one, "");
    gate.reached().await;
    // By the clock the user took eight hours; the program that waits for them did not run meanwhile.
    bench.runtime.set_clock_forward(8 * 3600);
    // Another page, and so another write of the record, makes no difference.
    bench.host.journeys(Journey::Elsewhere);
    let other = two.sign_in(ScopeSet::new()).await;
    assert!(matches!(other, Outcome::Interactive { .. }), "{other:?}");
    gate.open();
    assert_eq!(call.await.expect("it ran"), Ok(200));
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn clock_that_is_set_right_after_the_sign_in_costs_one_renewal() {
    // A board without a battery starts in 1970, and learns the time later.
    let bench = Bench::new();
    bench.runtime.set_clock_to(0);
    let session = bench.signed_in("").await;
    bench.runtime.set_clock_to(1_800_000_000);
    for _ in 0..10 {
        assert_eq!(bench.send(&session, "").await, Ok(200));
        pass(60).await;
    }
    assert_eq!((bench.world.count(Token), bench.world.count(Mcp)), (1, 10));
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn clock_set_back_by_a_year_is_a_matter_of_one_rejection_per_token() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.runtime.set_clock_back(YEAR);
    for _ in 0..180 {
        assert_eq!(bench.send(&session, "").await, Ok(200));
        pass(60).await;
    }
    assert!((2..=3).contains(&bench.world.count(Token)));
    assert!(bench.world.count(Mcp) <= 182);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn clock_set_back_by_a_year_under_a_lease_keeps_nobody_longer_than_agreed() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let ttl = Duration::from_secs(100);
    let now = bench.runtime.now();
    let lease = bench.store.try_lease(&bench.key(), now, ttl).await;
    let lease = lease.expect("a store").expect("a lease");
    bench.world.servers(|s| s.revoke_access());
    bench.runtime.set_clock_back(YEAR);
    let before = bench.runtime.elapsed();
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    assert!((bench.runtime.elapsed() - before).as_secs() <= 31);
    bench.store.release_lease(&bench.key(), &lease).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Token), 1);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn clock_set_back_by_a_year_ends_a_pause_and_does_not_lengthen_it() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = None);
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::RetryAfter(300));
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    bench.world.take();
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    assert_eq!(bench.world.trace(), [Mcp], "the server is left alone");
    bench.runtime.set_clock_back(YEAR);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 1));
}

/// A session whose user is on another page, and the callback that the page will send.
async fn sign_in_under_way(bench: &Bench) -> (AuthSession, CallbackParams) {
    let session = bench.open().await;
    bench.host.journeys(Journey::Elsewhere);
    let sent = bench.send(&session, "").await;
    assert_eq!(code(&sent), "interaction_required");
    let callback = bench.world.visit(&bench.host.sign_ins()[0].url);
    (session, CallbackParams::parse(&callback))
}

#[tokio::test(start_paused = true)]
async fn sign_in_under_way_outlives_a_clock_that_is_set_back_by_a_year() {
    let bench = Bench::new();
    let (session, callback) = sign_in_under_way(&bench).await;
    bench.runtime.set_clock_back(YEAR);
    assert_eq!(session.complete_authorization(callback).await, Ok(()));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn sign_in_under_way_that_the_clock_has_left_behind_is_too_old_and_no_loop() {
    let bench = Bench::new();
    let (session, callback) = sign_in_under_way(&bench).await;
    bench.runtime.set_clock_forward(YEAR);
    let completed = session.complete_authorization(callback).await;
    assert_eq!(code(&completed), "state_mismatch");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn crowd_that_wakes_up_after_expiry_is_one_renewal_and_no_prompt() {
    let bench = Bench::new();
    let one = bench.signed_in("").await;
    let two = bench.open().await;
    for sleep in [3600, 86400, YEAR, 50 * YEAR] {
        bench.runtime.machine_sleeps(sleep);
        renews_once(&bench, [&one, &two]).await;
    }
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn clock_that_swings_to_and_fro_costs_a_renewal_a_swing_at_the_most() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    for _ in 0..10 {
        bench.runtime.set_clock_forward(YEAR);
        assert_eq!(bench.send(&session, "").await, Ok(200));
        bench.runtime.set_clock_back(YEAR);
        assert_eq!(bench.send(&session, "").await, Ok(200));
    }
    assert!(bench.world.count(Token) <= 10);
    assert_eq!(bench.world.count(Mcp), 20);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn lifetimes_beyond_measure_are_used_until_they_are_rejected() {
    for lifetime in [u64::MAX, u64::MAX / 2, u64::from(u32::MAX)] {
        let bench = Bench::new();
        bench.world.servers(|s| s.lifetime = Some(lifetime));
        let session = bench.signed_in("").await;
        pass(30 * 86400).await;
        assert_eq!(bench.send(&session, "").await, Ok(200));
        bench.runtime.machine_sleeps(YEAR);
        let next = bench.open().await;
        assert_eq!(bench.send(&next, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Mcp], "{lifetime}");
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
        let state = session.connection_state().await.expect("a store");
        assert!(state.authorized);
        assert_eq!(bench.host.prompts(), (0, 1));
    }
}
