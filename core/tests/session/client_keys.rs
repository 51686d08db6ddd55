//! Clients that authenticate with a key (`private_key_jwt`, RFC 7523 section 2.2).

use std::collections::HashSet;

use mcp_reauth::{
    AuthSession, Client, Credentials, IdentityProvider, PrivateKey, Revocation, SigningKey,
};

use crate::support::{
    Bench, CLIENT, Exchange, Fault, IDP, ISSUER, IdpMeta, IdpToken, Mcp, Meta, OTHER, Prm, Push,
    Revoke, SERVER, Seen, Token, claims, code, pass,
};

/// A client with a key that the servers know.
fn client(bench: &Bench) -> Client {
    let key = PrivateKey::generate().expect("a key");
    bench.world.servers(|s| {
        s.auth_methods = vec!["private_key_jwt", "client_secret_basic"];
        let public = key.public_jwk();
        s.assertions.add_client(ISSUER, "signer", &public);
        s.assertions.add_client(OTHER, "signer", &public);
        // The server of the sign-in page has to know it too.
        s.add_public_client(ISSUER, "signer");
    });
    Client::key("signer", key).at_issuer(ISSUER)
}

/// A session whose user signs in with that client.
async fn signed_in(bench: &Bench) -> AuthSession {
    let builder = bench.builder().host(bench.host.clone());
    let session = builder.credentials(client(bench)).open().await;
    session.expect("the session opens")
}

async fn machine(bench: &Bench) -> AuthSession {
    let credentials = Credentials::client_credentials(client(bench));
    let builder = bench.builder().host(bench.host.clone());
    let session = builder.credentials(credentials).open().await;
    session.expect("the session opens")
}

/// Asserts that each of these requests is authenticated with an assertion for `audience`, and each with another.
fn assert_signed<'a>(seen: impl IntoIterator<Item = &'a Seen>, audience: &str) {
    let mut ids = HashSet::new();
    for seen in seen {
        let said = claims(seen.param("client_assertion"));
        assert_eq!(said["aud"], audience, "{seen:?}");
        assert!(ids.insert(said["jti"].to_string()), "{seen:?}");
        assert!(seen.authorization.is_none(), "{seen:?}");
        assert!(!seen.params.contains_key("client_secret"), "{seen:?}");
    }
    assert!(!ids.is_empty());
}

#[tokio::test(start_paused = true)]
async fn machine_proves_itself_by_its_key() {
    let bench = Bench::new();
    let session = machine(&bench).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Prm, Meta, Token, Mcp]);
    assert_signed([&seen[3]], ISSUER);
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn each_try_has_an_assertion_of_its_own() {
    let bench = Bench::new();
    let session = machine(&bench).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| s.revoke_access());
    bench.world.take();
    bench.world.next(Token, Fault::Lost);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    assert_signed(seen.iter().filter(|s| s.kind == Token), ISSUER);
    assert_eq!(seen.len(), 4);
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn persons_session_is_refreshed_and_revoked_by_the_key() {
    let bench = Bench::new();
    let session = signed_in(&bench).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(session.sign_out().await, Ok(Revocation::Done));
    let seen = bench.world.take();
    let signed = seen.iter().filter(|s| [Token, Revoke].contains(&s.kind));
    assert_eq!(signed.clone().count(), 4);
    assert_signed(signed, ISSUER);
    assert_eq!(bench.world.servers(|s| s.live_tokens()), 0);
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn request_is_pushed_by_the_key() {
    let bench = Bench::new();
    bench
        .world
        .servers(|s| (s.takes_pushed, s.only_pushed) = (true, true));
    let session = signed_in(&bench).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let signed = seen.iter().filter(|s| [Push, Token].contains(&s.kind));
    assert_eq!(signed.clone().count(), 2);
    assert_signed(signed, ISSUER);
}

#[tokio::test(start_paused = true)]
async fn restart_without_the_key_is_told() {
    let bench = Bench::new();
    let session = signed_in(&bench).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    drop(session);
    bench.world.servers(|s| s.revoke_access());
    bench.world.take();
    let builder = bench.builder().credentials(Client::public("signer"));
    let session = builder.open().await.expect("the session opens");
    let error = bench.send(&session, "").await.expect_err("no key");
    assert_eq!(error.code(), "config");
    assert!(error.to_string().contains("signer"), "{error}");
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn key_that_the_server_does_not_know_is_refused_for_good() {
    let bench = Bench::new();
    bench
        .world
        .servers(|s| s.auth_methods = vec!["private_key_jwt"]);
    let key = PrivateKey::generate().expect("a key");
    let client = Client::key("stranger", key).at_issuer(ISSUER);
    let credentials = Credentials::client_credentials(client);
    let session = bench.builder().credentials(credentials).open().await;
    let session = session.expect("the session opens");
    let refused = bench.send(&session, "").await;
    assert_eq!(code(&refused), "registration_rejected");
    assert_eq!(bench.world.count(Token), 1);
}

#[tokio::test(start_paused = true)]
async fn identity_provider_and_server_are_each_shown_an_assertion_of_their_own() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = None);
    let key = PrivateKey::generate().expect("a key");
    bench
        .world
        .servers(|s| s.assertions.add_client(IDP, CLIENT, &key.public_jwk()));
    let provider = IdentityProvider::new(IDP, CLIENT).client_key(key);
    let builder = bench.builder().host(bench.host.clone());
    let builder = builder.credentials(Credentials::Enterprise {
        provider: Some(provider),
        client: Some(client(&bench)),
    });
    let session = builder.open().await.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    pass(3600).await;
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    assert_eq!(seen.iter().filter(|s| s.kind == IdpMeta).count(), 1);
    let idp = seen
        .iter()
        .filter(|s| [IdpToken, Exchange].contains(&s.kind));
    assert_eq!(idp.clone().count(), 4);
    assert_signed(idp, IDP);
    let server = seen.iter().filter(|s| s.kind == Token);
    assert_eq!(server.clone().count(), 2);
    assert_signed(server, ISSUER);
    bench.assert_nothing_reused();
    // Signing out uses both keys.
    let idp = session.identity_provider().expect("it is managed");
    assert_eq!(idp.issuer(), IDP);
    assert_eq!(session.server(), SERVER);
    assert_eq!(idp.sign_out().await.map(drop), Ok(()));
    assert_eq!(bench.world.servers(|s| s.idp.live()), 0);
}
