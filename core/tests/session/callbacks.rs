//! Callbacks that must not be trusted.

use mcp_reauth::{AuthSession, CallbackParams, Error};

use crate::support::{Bench, ISSUER, Journey, Mcp, Token, Visit, code, pass};

/// A session whose user is on another page, and the callback that will come.
async fn under_way(bench: &Bench) -> (AuthSession, String) {
    let session = bench.open().await;
    bench.host.journeys(Journey::Elsewhere);
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "interaction_required");
    let back = bench.world.visit(&bench.host.sign_ins()[0].url);
    bench.world.take();
    (session, back)
}

async fn complete(session: &AuthSession, callback: &str) -> Result<(), Error> {
    let callback = CallbackParams::parse(callback);
    session.complete_authorization(callback).await
}

#[tokio::test(start_paused = true)]
async fn replayed_callback_is_refused_without_the_network() {
    let bench = Bench::new();
    let (session, back) = under_way(&bench).await;
    assert_eq!(complete(&session, &back).await, Ok(()));
    assert_eq!(bench.world.trace(), [Token]);
    assert_eq!(complete(&session, &back).await, Err(Error::StateMismatch));
    let restarted = bench.open().await;
    assert_eq!(complete(&restarted, &back).await, Err(Error::StateMismatch));
    assert_eq!(bench.world.trace(), []);
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn callback_that_arrives_twice_at_once_is_used_once() {
    let bench = Bench::new();
    let (session, back) = under_way(&bench).await;
    let sibling = bench.open().await;
    let (one, two) = tokio::join!(complete(&session, &back), complete(&sibling, &back));
    assert_eq!([&one, &two].iter().filter(|r| r.is_ok()).count(), 1);
    assert_eq!(bench.world.trace(), [Token]);
}

#[tokio::test(start_paused = true)]
async fn callback_is_good_for_fifteen_minutes() {
    let bench = Bench::new();
    let (session, back) = under_way(&bench).await;
    pass(15 * 60).await;
    assert_eq!(complete(&session, &back).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn callback_older_than_fifteen_minutes_is_refused_without_the_network() {
    let bench = Bench::new();
    let (session, back) = under_way(&bench).await;
    pass(15 * 60 + 1).await;
    assert_eq!(complete(&session, &back).await, Err(Error::StateMismatch));
    assert_eq!(bench.world.trace(), []);
}

#[tokio::test(start_paused = true)]
async fn callback_with_another_state_is_refused_and_the_right_one_still_counts() {
    let bench = Bench::new();
    let (session, back) = under_way(&bench).await;
    for forged in [
        "?code=x&state=guess&iss=https://as.example",
        "?code=x&iss=https://as.example",
        "?code=x&state=&iss=https://as.example",
        "",
    ] {
        assert_eq!(complete(&session, forged).await, Err(Error::StateMismatch));
    }
    assert_eq!(bench.world.trace(), []);
    assert_eq!(complete(&session, &back).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn callback_of_another_profile_is_refused() {
    let bench = Bench::new();
    let (_session, back) = under_way(&bench).await;
    let other = bench.builder().profile("other").open().await;
    let other = other.expect("the session opens");
    assert_eq!(complete(&other, &back).await, Err(Error::StateMismatch));
    assert_eq!(bench.world.trace(), []);
}

#[tokio::test(start_paused = true)]
async fn answer_of_another_issuer_is_refused_and_nothing_of_it_surfaces() {
    let bench = Bench::new();
    let (session, _) = under_way(&bench).await;
    for query in [
        "code=poison&iss=https://evil.example",
        "error=poison&error_description=poison&error_uri=poison&iss=https://evil.example",
        // The metadata promises `iss`.
        "code=poison",
        "error=poison&error_description=poison",
        "code=poison&iss=https://as.example&iss=https://evil.example",
        "code=poison&iss=https://as.example/",
        "code=poison&iss=https://AS.example",
        "code=poison&iss=HTTPS://as.example",
        "code=poison&iss=https://as.example:443",
        "code=poison&iss=https://as.example./",
        "code=poison&iss=https://as.example%23",
        "code=poison&iss=https://as.example%20",
        "code=poison&iss=https%253A%252F%252Fas.example",
        "code=poison&iss=https://a%2573.example",
        "code=poison&iss=as.example",
        "code=poison&iss=",
        "code=poison&ISS=https://as.example",
    ] {
        bench.host.journeys(Journey::Elsewhere);
        assert!(bench.send(&session, "").await.is_err());
        let state = bench.host.sign_ins().last().expect("one").state.clone();
        bench.world.take();
        let forged = format!("?{query}&state={state}");
        let error = complete(&session, &forged).await.expect_err(query);
        assert_eq!(error.code(), "issuer_mismatch", "{query}");
        let shown = format!("{error} {error:?} {:?}", bench.host.events());
        assert!(shown.contains(ISSUER), "{shown}");
        assert!(
            !shown.contains("poison") && !shown.contains("evil"),
            "{shown}"
        );
        assert_eq!(bench.world.trace(), []);
        // The same callback cannot be tried again.
        let again = complete(&session, &forged).await;
        assert_eq!(again, Err(Error::StateMismatch));
    }
}

#[tokio::test(start_paused = true)]
async fn forged_answer_to_the_host_is_refused_and_the_true_one_still_counts() {
    let bench = Bench::new();
    let session = bench.open().await;
    let forged = format!("?code=poison&state=guess&iss={ISSUER}");
    bench.host.journeys(Journey::Forged(forged));
    let result = bench.send(&session, "").await;
    assert_eq!(result, Err(Error::StateMismatch));
    assert_eq!(bench.world.count(Token), 0);
    let back = bench.world.visit(&bench.host.sign_ins()[0].url);
    assert_eq!(complete(&session, &back).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn callback_of_another_page_is_too_old_though_one_is_awaited() {
    let bench = Bench::new();
    let (session, old) = under_way(&bench).await;
    pass(15 * 60 + 1).await;
    // The host waits for the callback of the current page, and is given that of the old one.
    bench.host.journeys(Journey::Forged(old));
    assert_eq!(bench.send(&session, "").await, Err(Error::StateMismatch));
    assert_eq!(bench.world.count(Token), 0);
}

#[tokio::test(start_paused = true)]
async fn error_of_the_authorization_server_is_told() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.denies = Some("access_denied"));
    let error = bench.send(&session, "a").await.expect_err("denied");
    let Error::AuthorizationDenied {
        issuer,
        error,
        description,
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!((issuer.as_str(), error.as_str()), (ISSUER, "access_denied"));
    assert_eq!(description.as_deref(), Some("The person said no"));
    assert_eq!(bench.world.trace(), [Mcp, Visit]);
    // The earlier credential is still there.
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    bench.world.servers(|s| s.denies = None);
    assert_eq!(bench.send(&session, "a").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn server_without_iss_is_believed_where_none_is_promised() {
    let bench = Bench::new();
    bench.world.servers(|s| s.sends_iss = false);
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn scope_the_server_no_longer_knows_does_not_lock_the_person_out() {
    let bench = Bench::new();
    bench.world.servers(|s| s.refresh_tokens = false);
    let session = bench.signed_in("a").await;
    bench.world.servers(|s| {
        s.revoke_all();
        s.denies = Some("invalid_scope");
    });
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "authorization_denied");
    bench.world.servers(|s| s.denies = None);
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let visits = bench.world.take();
    let visit = visits.iter().find(|s| s.kind == Visit).expect("a visit");
    assert_eq!(visit.param("scope"), "base");
}
