//! Transient errors are waited out or reported; only what is no longer valid is discarded.

use mcp_reauth::{AuthChallenge, Error, HandleOptions, Outcome, ScopeSet};

use crate::support::{
    Bench, Fault, ISSUER, Journey, Mcp, Meta, Prm, Register, Token, Visit, code, pass,
};

#[tokio::test(start_paused = true)]
async fn one_503_is_got_over() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::Status(503));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.host.heard("renewal_failed"), 0);
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_passing_trouble_is_got_over() {
    for fault in [
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(429),
        Fault::Status(408),
        Fault::Connection,
        Fault::Body(200, "<html>Please stand by</html>"),
        Fault::Body(200, ""),
        Fault::Body(200, "{}"),
        Fault::Status(302),
        Fault::Body(307, r#"{"error":"invalid_grant"}"#),
        Fault::Body(400, r#"{"error":"temporarily_unavailable"}"#),
        Fault::Body(503, r#"{"error":"invalid_grant"}"#),
    ] {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        bench.world.next(Token, fault.clone());
        assert_eq!(bench.send(&session, "").await, Ok(200), "{fault:?}");
        assert_eq!(bench.world.trace(), [Mcp, Token, Token, Mcp], "{fault:?}");
        assert_eq!(bench.host.prompts(), (0, 1), "{fault:?}");
        bench.assert_no_reuse();
    }
}

#[tokio::test(start_paused = true)]
async fn lasting_503_is_told_after_two_tries_in_half_a_second_and_nothing_is_lost() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.always(Token, Fault::Status(503));
    let before = bench.runtime.elapsed();
    let result = bench.send(&session, "").await;
    assert!(
        matches!(&result, Err(Error::RefreshUnavailable { issuer, .. }) if issuer == ISSUER),
        "{result:?}"
    );
    let took = bench.runtime.elapsed() - before;
    assert!((200..=500).contains(&took.as_millis()), "{took:?}");
    // One lookup checks whether the server has moved.
    assert_eq!(bench.world.trace(), [Mcp, Token, Token, Prm]);
    assert_eq!(bench.host.prompts(), (0, 1));
    let state = session.connection_state().await.expect("a store");
    assert!(state.signed_in && state.renewable);
    bench.world.heal(Token);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn server_that_hangs_is_given_up_in_bounded_time() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.always(Token, Fault::Hang);
    bench.world.always(Prm, Fault::Hang);
    let before = bench.runtime.elapsed();
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    assert!((bench.runtime.elapsed() - before).as_secs() <= 45);
    bench.world.heal(Token);
    // It is not asked again while its response may still arrive.
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    assert_eq!(bench.world.count(Token), 1);
    pass(120).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Token), 2);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_its_time_to_fail_is_asked_again_without_delay() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::Slowly(1000, 503));
    let before = bench.runtime.elapsed();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let took = (bench.runtime.elapsed() - before).as_millis();
    assert!((1000..1100).contains(&took), "{took} ms");
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::Slowly(3000, 503));
    bench.world.take();
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    assert_eq!(bench.world.count(Token), 1);
}

#[tokio::test(start_paused = true)]
async fn short_retry_after_is_waited_for_where_a_code_would_be_lost() {
    let bench = Bench::new();
    let session = bench.open().await;
    bench.world.next(Token, Fault::RetryAfter(5));
    let before = bench.runtime.elapsed();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let waited = (bench.runtime.elapsed() - before).as_millis();
    assert!((5000..5100).contains(&waited), "{waited} ms");
    assert_eq!(bench.host.prompts(), (0, 1));
    // A renewal can be made later instead.
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::RetryAfter(5));
    let before = bench.runtime.elapsed();
    bench.world.take();
    match bench.send(&session, "").await {
        Err(Error::RefreshUnavailable { retry_after, .. }) => assert_eq!(retry_after, Some(5)),
        other => panic!("{other:?}"),
    }
    assert_eq!((bench.runtime.elapsed() - before).as_millis(), 0);
    assert_eq!(bench.world.count(Token), 1);
}

#[tokio::test(start_paused = true)]
async fn long_retry_after_is_told_and_heeded() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::RetryAfter(120));
    let before = bench.runtime.elapsed();
    let told = |result: &Result<u16, Error>| {
        matches!(
            result,
            Err(Error::RefreshUnavailable {
                retry_after: Some(120),
                ..
            })
        )
    };
    let first = bench.send(&session, "").await;
    assert!(told(&first), "{first:?}");
    assert_eq!((bench.runtime.elapsed() - before).as_secs(), 0);
    assert_eq!(bench.world.count(Token), 1);
    bench.world.take();
    for _ in 0..11 {
        pass(10).await;
        let again = bench.send(&session, "").await;
        assert!(told(&again), "{again:?}");
        assert_eq!(bench.world.trace(), [Mcp]);
    }
    pass(11).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn retry_after_by_a_date_is_heeded_whatever_the_clocks_say() {
    type Skew = fn(&Bench);
    let skews: [Skew; 3] = [
        |_| {},
        |bench| bench.runtime.set_clock_back(86400),
        |bench| bench.runtime.set_clock_forward(600),
    ];
    for skew in skews {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        skew(&bench);
        bench.world.next(Token, Fault::RetryAt(120));
        bench.world.take();
        let told = bench.send(&session, "").await;
        assert!(
            matches!(
                told,
                Err(Error::RefreshUnavailable {
                    retry_after: Some(119..=120),
                    ..
                })
            ),
            "{told:?}"
        );
        assert_eq!(bench.world.count(Token), 1);
        pass(121).await;
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.count(Token), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_of_nothing_is_no_leave_to_hammer() {
    for fault in [Fault::RetryAfter(0), Fault::RetryAt(0)] {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        bench.world.always(Token, fault);
        let before = bench.runtime.elapsed();
        assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
        assert_eq!(bench.world.count(Token), 2);
        let took = (bench.runtime.elapsed() - before).as_millis();
        assert!(took >= 200, "two tries within {took} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_of_an_age_holds_nobody_for_so_long() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    for age in [86400 * 365, u64::MAX / 2, u64::MAX] {
        bench.world.next(Token, Fault::RetryAfter(age));
        assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
        pass(301).await;
    }
    assert_eq!(bench.world.count(Token), 3);
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn page_in_the_place_of_everything_is_trouble_and_no_reason_to_ask_anybody() {
    for page in [Fault::Body(200, "<html>"), Fault::Status(404)] {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        bench.world.always(Token, Fault::Body(200, "<html>"));
        bench.world.always(Prm, page.clone());
        bench.world.always(Meta, page);
        assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
        assert_eq!(bench.world.trace(), [Mcp, Token, Token, Prm, Prm]);
        assert_eq!(bench.host.prompts(), (0, 1));
        for kind in [Token, Prm, Meta] {
            bench.world.heal(kind);
        }
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.host.prompts(), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_hangs_at_a_sign_in_is_given_up_in_bounded_time() {
    for kind in [Prm, Meta, Register, Token] {
        let bench = Bench::new();
        let session = bench.open().await;
        bench.world.always(kind, Fault::Hang);
        let before = bench.runtime.elapsed();
        let error = bench.send(&session, "").await.expect_err("it hangs");
        assert_eq!(error.code(), "http", "{kind:?}");
        assert!(error.to_string().contains("20 s"), "{error}");
        let took = (bench.runtime.elapsed() - before).as_secs();
        assert_eq!(took, 20, "{kind:?}");
        bench.world.heal(kind);
        assert_eq!(bench.send(&session, "").await, Ok(200), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn sign_in_is_possible_while_renewal_has_to_wait() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::RetryAfter(120));
    assert!(bench.send(&session, "").await.is_err());
    session.sign_out().await.expect("signed out");
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn dead_refresh_token_is_discarded_and_the_person_signs_in() {
    let bench = Bench::new();
    let session = bench.signed_in("a").await;
    bench.world.servers(|s| s.revoke_all());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Token, Prm, Visit, Token, Mcp]);
    // The scopes that the user had agreed to are requested again.
    assert_eq!(seen[3].param("scope"), "base a");
    assert_eq!(bench.host.prompts(), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn dead_refresh_token_of_an_expired_credential_is_presented_once() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_all());
    pass(3601).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    assert_eq!(kinds, [Token, Mcp, Prm, Visit, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn dead_refresh_token_is_never_presented_again() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_all());
    let cancelled = || Error::Cancelled {
        what: "The sign-in",
    };
    for _ in 0..3 {
        let fails = Journey::Fails(cancelled());
        bench.host.journeys(fails);
        assert_eq!(bench.send(&session, "").await, Err(cancelled()));
    }
    assert_eq!(bench.world.count(Token), 1);
    let state = session.connection_state().await.expect("a store");
    assert!(state.signed_in && !state.renewable);
}

#[tokio::test(start_paused = true)]
async fn forgotten_client_registers_again() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| {
        s.revoke_access();
        s.forget_clients();
    });
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    assert_eq!(kinds, [Mcp, Token, Prm, Register, Visit, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn other_errors_discard_nothing() {
    for body in [
        r#"{"error":"invalid_scope"}"#,
        r#"{"error":"invalid_request"}"#,
        r#"{"error":"invalid_target"}"#,
        "{}",
        // A rejection that is not an OAuth error.
        "invalid refresh token",
        r#""invalid_grant""#,
        "<html>invalid_grant</html>",
        "",
    ] {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        for status in [400, 401] {
            bench.world.next(Token, Fault::Body(status, body));
            // The user does not sign in, so that the test sees what is left.
            bench.host.journeys(Journey::Fails(Error::Cancelled {
                what: "The sign-in",
            }));
            assert_eq!(code(&bench.send(&session, "").await), "cancelled", "{body}");
            assert_eq!(bench.world.count(Token), 1, "{body}");
            let state = session.connection_state().await.expect("a store");
            assert!(state.renewable, "{body}");
            bench.world.take();
        }
        assert_eq!(bench.send(&session, "").await, Ok(200), "{body}");
        assert_eq!(bench.world.trace(), [Mcp, Token, Mcp], "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_in_other_words_sends_the_user_to_sign_in() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    let refusal = Fault::Body(400, "invalid refresh token");
    bench.world.next(Token, refusal);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_called_unauthorized_registers_again() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    let refusal = Fault::Body(400, r#"{"error":"unauthorized_client"}"#);
    bench.world.next(Token, refusal);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Register), 1);
}

#[tokio::test(start_paused = true)]
async fn empty_members_of_a_renewal_replace_nothing() {
    let bench = Bench::new();
    bench.world.servers(|s| s.rotates = false);
    let session = bench.signed_in("a").await;
    bench.world.servers(|s| s.revoke_access());
    let renewal =
        r#"{"access_token":"t","refresh_token":"","scope":"","token_type":"","expires_in":""}"#;
    bench.world.next(Token, Fault::Body(200, renewal));
    let challenge = AuthChallenge::unauthenticated();
    let outcome = session.handle_auth_challenge(challenge, HandleOptions::default());
    assert!(matches!(outcome.await, Outcome::Satisfied));
    let state = session.connection_state().await.expect("a store");
    assert!(state.renewable && state.expires_at.is_none());
    assert_eq!(state.granted_scopes, ScopeSet::parse("base a"));
    // The server does not know that token: the old refresh token obtains another.
    bench.world.take();
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn scopes_joined_by_commas_are_granted_where_they_were_asked_for() {
    let bench = Bench::new();
    bench.world.servers(|s| s.scope_separator = ",");
    let session = bench.signed_in("a").await;
    let state = session.connection_state().await.expect("a store");
    assert_eq!(state.granted_scopes, ScopeSet::parse("base a"));
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let state = session.connection_state().await.expect("a store");
    assert_eq!(state.granted_scopes, ScopeSet::parse("base a"));
    // A scope that was not granted is missing, whatever the separator.
    let never = "b".to_owned();
    bench.world.servers(|s| s.never_granted.insert(never));
    assert_eq!(code(&bench.send(&session, "b").await), "scope_not_granted");
}

#[tokio::test(start_paused = true)]
async fn a_number_of_seconds_that_is_no_date_is_bounded() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    let endless = r#"{"access_token":"t","expires_in":1e300}"#;
    bench.world.next(Token, Fault::Body(200, endless));
    let challenge = AuthChallenge::unauthenticated();
    let outcome = session.handle_auth_challenge(challenge, HandleOptions::default());
    assert!(matches!(outcome.await, Outcome::Satisfied));
    let state = session.connection_state().await.expect("a store");
    assert!(state.expires_at.expect("bounded") < 1 << 53);
    bench.world.next(Token, Fault::RetryAfter(99_999_999_999));
    match bench.send(&session, "").await {
        Err(Error::RefreshUnavailable { retry_after, .. }) => {
            assert_eq!(retry_after, Some(86400));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answer_with_rotation_costs_a_sign_in_and_no_more() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::Lost);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    assert_eq!(kinds, [Mcp, Token, Token, Prm, Visit, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn trouble_during_a_sign_in_is_told_and_leaves_nothing_behind() {
    for kind in [Prm, Meta, Register, Token] {
        let bench = Bench::new();
        let session = bench.open().await;
        bench.world.always(kind, Fault::Status(503));
        let result = bench.send(&session, "").await;
        assert!(result.is_err(), "{kind:?}");
        assert_ne!(code(&result), "refresh_unavailable", "{kind:?}");
        let state = session.connection_state().await.expect("a store");
        assert_eq!(state.pending, 0, "{kind:?}");
        bench.world.heal(kind);
        assert_eq!(bench.send(&session, "").await, Ok(200), "{kind:?}");
    }
}
