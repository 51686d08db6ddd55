//! RFC 9470: the user authenticates again, with a stronger method or more recently.

use crate::support::{Answer, Bench, Mcp, Token, Visit, all, code, pass};

#[tokio::test(start_paused = true)]
async fn stronger_sign_in_is_passed_on_and_keeps_what_was_granted() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    let gold = || Some(("gold".to_owned(), 3600));
    bench.world.servers(|s| s.authentication = gold());
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    // A refresh would not help, and none is tried.
    assert_eq!(kinds, [Mcp, Visit, Token, Mcp]);
    assert_eq!(seen[1].param("acr_values"), "gold");
    assert_eq!(seen[1].param("max_age"), "3600");
    assert_eq!(seen[1].param("scope"), "base a");
    assert_eq!(seen[2].param("grant_type"), "authorization_code");
    assert_eq!(bench.host.prompts(), (2, 3));
    assert_eq!(bench.host.consents()[1].challenge.acr_values, ["gold"]);
}

#[tokio::test(start_paused = true)]
async fn sign_in_that_is_too_old_is_made_again() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let recent = Some((String::new(), 600));
    bench.world.servers(|s| s.authentication = recent);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    pass(601).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    assert_eq!(kinds, [Mcp, Visit, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn sign_in_that_never_gets_strong_enough_ends_with_a_typed_error() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let line = r#"Bearer error="insufficient_user_authentication", acr_values="gold""#;
    bench
        .world
        .answer(move |_| Some((401, vec![line.to_owned()])));
    let error = bench.send(&session, "").await.expect_err("never");
    assert_eq!(error.code(), "step_up_limit");
    assert_eq!(error.challenge().expect("it").acr_values, ["gold"]);
    let kinds = bench.world.trace();
    assert_eq!(kinds, [Mcp, Visit, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn declined_sign_in_leaves_the_session_as_it_was() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let before = session.authorization();
    bench
        .world
        .servers(|s| s.authentication = Some(("gold".to_owned(), 60)));
    bench.host.answers(Answer::No);
    assert_eq!(code(&bench.send(&session, "").await), "consent_denied");
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(session.authorization(), before);
}

#[tokio::test(start_paused = true)]
async fn parallel_requests_that_need_a_stronger_sign_in_share_it() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench
        .world
        .servers(|s| s.authentication = Some(("gold".to_owned(), 3600)));
    let tasks = (0..20).map(|_| bench.spawn(&session, "")).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.host.prompts(), (1, 2));
}
