//! Authorization requests that are pushed to the server beforehand (RFC 9126).

use mcp_reauth::AuthSession;

use crate::support::{
    Bench, Fault, ISSUER, Mcp, Meta, Prm, Push, Register, SERVER, Token, Visit, code,
};

async fn pushing(bench: &Bench) -> AuthSession {
    let builder = bench.builder().host(bench.host.clone());
    let session = builder.push_requests(true).open().await;
    session.expect("the session opens")
}

fn insist(bench: &Bench) {
    bench
        .world
        .servers(|s| (s.takes_pushed, s.only_pushed) = (true, true));
}

#[tokio::test(start_paused = true)]
async fn request_is_pushed_where_the_server_insists() {
    let bench = Bench::new();
    insist(&bench);
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    let expected = [Mcp, Prm, Meta, Register, Push, Visit, Token, Mcp];
    assert_eq!(kinds, expected);
    let (pushed, page) = (&seen[4], &seen[5]);
    let names: Vec<_> = page.params.keys().map(String::as_str).collect();
    assert_eq!(names, ["client_id", "request_uri"]);
    assert_eq!(pushed.param("client_id"), page.param("client_id"));
    assert_eq!(pushed.param("response_type"), "code");
    assert_eq!(pushed.param("code_challenge_method"), "S256");
    assert_eq!(pushed.param("resource"), SERVER);
    assert_eq!(pushed.param("scope"), "base");
    assert!(!pushed.param("state").is_empty());
    assert!(!pushed.param("redirect_uri").is_empty());
    assert!(!pushed.params.contains_key("request_uri"));
    // The verifier is not sent.
    assert!(!pushed.mentions(seen[6].param("code_verifier")));
}

#[tokio::test(start_paused = true)]
async fn request_is_pushed_where_it_is_offered_and_wanted() {
    for (offered, wanted) in [(true, true), (true, false), (false, true)] {
        let bench = Bench::new();
        bench.world.servers(|s| s.takes_pushed = offered);
        let session = match wanted {
            true => pushing(&bench).await,
            false => bench.open().await,
        };
        assert_eq!(bench.send(&session, "").await, Ok(200));
        let pushed = usize::from(offered && wanted);
        assert_eq!(bench.world.count(Push), pushed, "{offered} {wanted}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_step_up_is_pushed_too_and_by_the_clients_secret() {
    let bench = Bench::new();
    insist(&bench);
    bench
        .world
        .servers(|s| s.auth_methods = vec!["client_secret_basic"]);
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let seen = bench.world.take();
    let pushed: Vec<_> = seen.iter().filter(|s| s.kind == Push).collect();
    assert_eq!(pushed.len(), 2);
    assert!(pushed.iter().all(|s| s.authorization.is_some()));
    assert_eq!(pushed[1].param("scope"), "base a");
}

#[tokio::test(start_paused = true)]
async fn refusal_is_told_and_shows_no_page() {
    for (fault, expected) in [
        (
            Fault::Body(400, r#"{"error":"invalid_request"}"#),
            "authorization_denied",
        ),
        (
            Fault::Body(400, r#"{"error":"invalid_scope"}"#),
            "authorization_denied",
        ),
        (
            Fault::Body(401, r#"{"error":"invalid_client"}"#),
            "registration_rejected",
        ),
        (Fault::Body(201, "<html>"), "http"),
        (Fault::Body(201, r#"{"expires_in":60}"#), "metadata_invalid"),
        (Fault::Body(201, r#"{"request_uri":7}"#), "metadata_invalid"),
        (Fault::Status(503), "http"),
        (Fault::Connection, "http"),
        (Fault::Hang, "http"),
    ] {
        let bench = Bench::new();
        insist(&bench);
        let session = bench.open().await;
        bench.world.always(Push, fault.clone());
        let error = bench.send(&session, "").await.expect_err("refused");
        assert_eq!(error.code(), expected, "{fault:?}");
        assert!(error.to_string().contains(ISSUER), "{error}");
        let kinds = bench.world.trace();
        assert_eq!(kinds, [Mcp, Prm, Meta, Register, Push], "{fault:?}");
        assert_eq!(bench.host.prompts(), (0, 0));
        let state = session.connection_state().await.expect("a store");
        assert_eq!(state.pending, 0, "{fault:?}");
        bench.world.heal(Push);
        assert_eq!(bench.send(&session, "").await, Ok(200), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_insists_and_says_not_where_is_told() {
    let bench = Bench::new();
    bench.world.servers(|s| s.only_pushed = true);
    let session = bench.open().await;
    assert_eq!(code(&bench.send(&session, "").await), "metadata_invalid");
    assert_eq!(bench.host.prompts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn registration_that_the_server_forgot_is_made_again_next_time() {
    let bench = Bench::new();
    insist(&bench);
    bench.world.servers(|s| s.refresh_tokens = false);
    let session = bench.signed_in("").await;
    bench.world.servers(|s| {
        s.revoke_access();
        s.forget_clients();
    });
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "registration_rejected");
    assert_eq!(bench.world.trace(), [Mcp, Prm, Push]);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    // The stored metadata may have been out of date as well.
    let expected = [Mcp, Prm, Meta, Register, Push, Visit, Token, Mcp];
    assert_eq!(bench.world.trace(), expected);
}
