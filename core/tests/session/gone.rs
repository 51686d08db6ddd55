//! Token endpoints that no longer exist at their old URL (404, 405, 410).

use crate::support::{Bench, Fault, Mcp, Meta, Prm, Token, Visit, code};
#[cfg(feature = "jwt")]
use crate::support::{Exchange, IdpMeta, IdpToken, pass};

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_is_gone_is_looked_up_again_once() {
    for status in [404, 405, 410] {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        // The endpoint moved: the old URL responds accordingly, and the metadata names the new one.
        bench.world.servers(|s| s.token_path = "/v2/token");
        bench.world.next(Token, Fault::Status(status));
        assert_eq!(bench.send(&session, "").await, Ok(200), "{status}");
        let seen = bench.world.take();
        let kinds: Vec<_> = seen.iter().map(|seen| seen.kind).collect();
        assert_eq!(kinds, [Mcp, Token, Meta, Token, Mcp], "{status}");
        assert_eq!(seen[3].url, "https://as.example/v2/token");
        assert_eq!(bench.host.prompts(), (0, 1));
        // The new URL is remembered.
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        let seen = bench.world.take();
        let kinds: Vec<_> = seen.iter().map(|seen| seen.kind).collect();
        assert_eq!(kinds, [Mcp, Token, Mcp]);
        assert_eq!(seen[1].url, "https://as.example/v2/token");
        // The next sign-in uses it too, after a restart.
        drop(session);
        let session = bench.open().await;
        bench.world.servers(|s| s.revoke_all());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        let seen = bench.world.take();
        let kinds: Vec<_> = seen.iter().map(|seen| seen.kind).collect();
        assert_eq!(kinds, [Mcp, Token, Prm, Visit, Token, Mcp]);
        assert_eq!(seen[4].url, "https://as.example/v2/token");
        bench.assert_no_reuse();
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_is_taken_to_where_the_token_endpoint_is_now() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| {
        s.revoke_all();
        s.token_path = "/v2/token";
    });
    // The refresh token is refused before the endpoint moves; the sign-in uses the recorded endpoint.
    bench
        .world
        .next(Token, Fault::Body(400, r#"{"error":"invalid_grant"}"#));
    bench.world.next(Token, Fault::Status(404));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    assert_eq!(kinds, [Mcp, Token, Prm, Visit, Token, Meta, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_is_gone_for_good_sends_the_user_to_sign_in() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::Status(404));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    assert_eq!(kinds, [Mcp, Token, Meta, Prm, Visit, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_knows_no_path_is_no_reason_to_ask_the_user() {
    for status in [404, 405] {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        for kind in [Token, Prm, Meta] {
            bench.world.always(kind, Fault::Status(status));
        }
        assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
        assert_eq!(bench.world.count(Token), 1);
        assert_eq!(bench.host.prompts(), (0, 1));
        for kind in [Token, Prm, Meta] {
            bench.world.heal(kind);
        }
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.host.prompts(), (0, 1));
    }
}

#[cfg(feature = "jwt")]
#[tokio::test(start_paused = true)]
async fn an_identity_providers_endpoint_is_looked_up_again_once_too() {
    for status in [404, 405, 410] {
        let bench = Bench::new();
        let session = bench.employed().await;
        bench.world.servers(|s| {
            s.revoke_access();
            s.idp.token_path = "/v2/token";
        });
        bench.world.next(Exchange, Fault::Status(status));
        assert_eq!(bench.send(&session, "").await, Ok(200), "{status}");
        let seen = bench.world.take();
        let kinds: Vec<_> = seen.iter().map(|seen| seen.kind).collect();
        assert_eq!(kinds, [Mcp, Exchange, IdpMeta, Exchange, Token, Mcp]);
        assert_eq!(seen[3].url, "https://idp.example/v2/token");
        // It is remembered, and also used to renew the ID token.
        bench.world.servers(|s| s.revoke_access());
        pass(7200).await;
        assert_eq!(bench.send(&session, "").await, Ok(200), "{status}");
        let seen = bench.world.take();
        let kinds: Vec<_> = seen.iter().map(|seen| seen.kind).collect();
        assert_eq!(kinds, [IdpToken, Exchange, Token, Mcp]);
        assert!(seen[0].url.ends_with("/v2/token"), "{}", seen[0].url);
        assert_eq!(bench.host.prompts(), (0, 1));
    }
}

#[cfg(feature = "jwt")]
#[tokio::test(start_paused = true)]
async fn an_id_token_is_renewed_where_the_endpoint_is_now() {
    let bench = Bench::new();
    let session = bench.employed().await;
    pass(7200).await;
    bench.world.servers(|s| s.idp.token_path = "/v2/token");
    bench.world.next(IdpToken, Fault::Status(404));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    assert_eq!(kinds, [IdpToken, IdpMeta, IdpToken, Exchange, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[cfg(feature = "jwt")]
#[tokio::test(start_paused = true)]
async fn an_assertion_is_taken_to_where_the_token_endpoint_is_now() {
    let bench = Bench::new();
    let session = bench.employed().await;
    bench.world.servers(|s| {
        s.revoke_access();
        s.token_path = "/v2/token";
    });
    bench.world.next(Token, Fault::Status(404));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    assert_eq!(kinds, [Mcp, Exchange, Token, Meta, Token, Mcp]);
    // The new URL is remembered.
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    assert_eq!(seen[2].url, "https://as.example/v2/token");
    assert_eq!(bench.host.prompts(), (0, 1));
}
