//! A machine whose clock is wrong, at servers that refuse proofs and assertions because of their time and send their
//! own.

use mcp_reauth::{AuthSession, Client, Credentials, PrivateKey, SigningKey};

use crate::support::{Bench, Fault, ISSUER, Mcp, Token, code};

/// How wrong the clock is, in seconds.
const OFF: u64 = 600;

/// A session whose token is bound to a key, at servers that send a `Date`.
async fn bound(bench: &Bench) -> AuthSession {
    bench.world.servers(|s| {
        s.proofs.demand();
        s.dates = true;
    });
    bench.signed_in("").await
}

#[tokio::test(start_paused = true)]
async fn proof_that_is_refused_for_its_time_is_made_with_the_servers() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    for wrong in [
        |bench: &Bench| bench.runtime.set_clock_back(OFF),
        |bench: &Bench| bench.runtime.set_clock_forward(2 * OFF),
        |bench: &Bench| bench.runtime.set_clock_back(OFF),
    ] {
        wrong(&bench);
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Mcp]);
        // The skew is remembered.
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp]);
    }
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn so_it_is_at_a_token_endpoint_and_nothing_is_used_up() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    bench.runtime.set_clock_back(OFF);
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Mcp, Token, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn proof_that_is_refused_for_another_reason_ends_at_once() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    let line = r#"DPoP error="invalid_dpop_proof""#;
    let refusing = move |_| Some((401, vec![line.to_owned()]));
    bench.world.answer(refusing);
    assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
    assert_eq!(bench.world.trace(), [Mcp]);
    // With a wrong clock as well, it is tried once more.
    bench.runtime.set_clock_back(OFF);
    assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
    assert_eq!(bench.world.trace(), [Mcp, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
}

/// A machine that authenticates with a key.
async fn signer(bench: &Bench) -> AuthSession {
    let key = PrivateKey::generate().expect("a key");
    bench.world.servers(|s| {
        s.dates = true;
        s.auth_methods = vec!["private_key_jwt"];
        s.assertions.add_client(ISSUER, "signer", &key.public_jwk());
    });
    let client = Client::key("signer", key).at_issuer(ISSUER);
    let credentials = Credentials::client_credentials(client);
    let builder = bench.builder().credentials(credentials);
    builder.open().await.expect("the session opens")
}

#[tokio::test(start_paused = true)]
async fn assertion_that_is_refused_for_its_time_is_made_with_the_servers() {
    let bench = Bench::new();
    let session = signer(&bench).await;
    bench.runtime.set_clock_back(OFF);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Token), 2);
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn wrong_clock_is_told_where_that_did_not_help() {
    let bench = Bench::new();
    let session = signer(&bench).await;
    bench
        .world
        .always(Token, Fault::Body(401, r#"{"error":"invalid_client"}"#));
    let error = bench.send(&session, "").await.expect_err("refused");
    assert!(!error.to_string().contains("clock"), "{error}");
    bench.runtime.set_clock_forward(OFF);
    bench.world.take();
    let error = bench.send(&session, "").await.expect_err("refused");
    let told = "this machine's clock is 10 min ahead of the server's";
    assert!(error.to_string().contains(told), "{error}");
    assert_eq!(bench.world.count(Token), 2);
}
