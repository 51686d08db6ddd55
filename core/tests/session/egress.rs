//! Endpoints in a narrower network than the server that names them.

use mcp_reauth::{AuthSession, Client, RecordStore, Secret};
use serde_json::{Value, json};

use crate::support::{
    Bench, Fault, ISSUER, Mcp, Meta, Prm, Register, Revoke, Servers, Token, Visit, code,
};
#[cfg(feature = "jwt")]
use crate::support::{IDP, IdpMeta, SERVER};

/// A host on the intranet.
const INTRANET: &str = "https://intranet.example";

/// The MCP server and its authorization server are on the internet, and there is an intranet.
fn bench() -> Bench {
    let bench = Bench::new();
    for (host, address) in [
        ("mcp.example", "203.0.113.1"),
        ("as.example", "203.0.113.2"),
        ("idp.example", "203.0.113.3"),
        ("intranet.example", "10.0.0.7"),
    ] {
        bench.world.address(host, address);
    }
    bench
}

fn body(body: &Value) -> Fault {
    Fault::Body(200, body.to_string().leak())
}

fn metadata() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{ISSUER}/authorize"),
        "token_endpoint": format!("{ISSUER}/token"),
        "registration_endpoint": format!("{ISSUER}/register"),
        "revocation_endpoint": format!("{ISSUER}/revoke"),
        "pushed_authorization_request_endpoint": format!("{ISSUER}/par"),
        "code_challenge_methods_supported": ["S256"],
    })
}

fn at_intranet(member: &str) -> Value {
    let mut metadata = metadata();
    metadata[member] = format!("{INTRANET}/endpoint").into();
    metadata
}

/// Asserts that no request went to the intranet since the log was taken.
fn assert_untouched(bench: &Bench, what: &str) {
    for seen in bench.world.take() {
        assert!(!seen.url.starts_with(INTRANET), "{what}: {}", seen.url);
    }
}

#[tokio::test(start_paused = true)]
async fn no_endpoint_of_a_server_on_the_internet_is_in_an_intranet() {
    for member in [
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
        "pushed_authorization_request_endpoint",
    ] {
        let bench = bench();
        let mut metadata = at_intranet(member);
        metadata["require_pushed_authorization_requests"] = true.into();
        bench.world.always(Meta, body(&metadata));
        let session = bench.open().await;
        let error = bench.send(&session, "").await.expect_err(member);
        assert_eq!(error.code(), "blocked_endpoint", "{member}: {error}");
        assert!(error.to_string().contains("intranet.example"), "{error}");
        assert_eq!(bench.host.prompts(), (0, 0), "{member}");
        assert_untouched(&bench, member);
    }
}

#[tokio::test(start_paused = true)]
async fn no_document_of_a_server_on_the_internet_is_in_an_intranet() {
    // An authorization server.
    let bench = bench();
    let named = vec![INTRANET.to_owned()];
    bench.world.servers(|s| s.authorization_servers = named);
    let session = bench.open().await;
    assert_eq!(code(&bench.send(&session, "").await), "blocked_endpoint");
    assert_untouched(&bench, "an issuer");

    // The metadata that a challenge names: the well-known addresses are tried instead.
    let line = format!(r#"Bearer resource_metadata="{INTRANET}/metadata""#);
    let names = move |call| (call == 0).then(|| (401, vec![line.clone()]));
    for (elsewhere, expected) in [(true, "no error"), (false, "blocked_endpoint")] {
        let bench = self::bench();
        bench.world.answer(names.clone());
        if !elsewhere {
            bench.world.always(Prm, Fault::Status(404));
        }
        let session = bench.open().await;
        assert_eq!(code(&bench.send(&session, "").await), expected);
        assert_untouched(&bench, "resource metadata");
    }
}

#[tokio::test(start_paused = true)]
async fn another_authorization_server_is_used_where_the_first_is_in_an_intranet() {
    let bench = bench();
    let named = vec![INTRANET.to_owned(), ISSUER.to_owned()];
    bench.world.servers(|s| s.authorization_servers = named);
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_untouched(&bench, "an issuer");
}

#[tokio::test(start_paused = true)]
async fn the_servers_own_origin_is_reached_wherever_it_is() {
    let bench = bench();
    bench.world.address("mcp.example", "127.0.0.1");
    bench.world.address("as.example", "127.0.0.1");
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_kept_when_its_endpoint_cannot_be_reached_any_more() {
    let bench = bench();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    // The name has another address now.
    bench.world.address("as.example", "10.0.0.7");
    assert_eq!(code(&bench.send(&session, "").await), "blocked_endpoint");
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.world.trace(), [Mcp]);
    bench.world.address("as.example", "203.0.113.2");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn tokens_are_forgotten_when_their_revocation_is_blocked() {
    let bench = bench();
    bench
        .world
        .always(Meta, body(&at_intranet("revocation_endpoint")));
    let session = bench.signed_in("").await;
    let revoked = session.sign_out().await.expect("signed out");
    assert_eq!(revoked, mcp_reauth::Revocation::Failed);
    assert_eq!(bench.world.count(Revoke), 0);
    assert_untouched(&bench, "revocation");
    let stored = bench.store.load(&bench.key()).await.expect("a store");
    assert!(stored.is_none());
}

async fn allowing(bench: &Bench, origins: &[&str]) -> AuthSession {
    let builder = bench.builder().host(bench.host.clone());
    let allow =
        |builder: mcp_reauth::AuthSessionBuilder, origin: &&str| builder.allow_endpoint(*origin);
    let builder = origins.iter().fold(builder, allow);
    builder.open().await.expect("the session opens")
}

#[tokio::test(start_paused = true)]
async fn what_is_allowed_is_reached() {
    let bench = bench();
    bench.world.address("as.example", "10.0.0.7");
    let session = allowing(
        &bench,
        &["https://elsewhere.example", "https://as.example:8443"],
    )
    .await;
    assert_eq!(code(&bench.send(&session, "").await), "blocked_endpoint");
    assert_eq!(bench.world.trace(), [Mcp, Prm]);
    let session = allowing(&bench, &["https://elsewhere.example", "https://as.example"]).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(
        bench.world.trace(),
        [Mcp, Prm, Meta, Register, Visit, Token, Mcp]
    );
}

#[tokio::test(start_paused = true)]
async fn a_configured_issuer_is_reached_wherever_it_is() {
    let bench = bench();
    bench.world.address("as.example", "10.0.0.7");
    let known =
        |s: &mut Servers| s.add_client(ISSUER, "registered", "secret", "client_secret_basic");
    bench.world.servers(known);
    let builder = bench.builder().host(bench.host.clone());
    let client = Client::secret("registered", Secret::new("secret")).at_issuer(ISSUER);
    let builder = builder.credentials(client);
    let session = builder.open().await.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn servers_of_one_network_reach_each_other() {
    for (mcp, server) in [
        ("10.0.0.1", "10.0.0.7"),
        ("10.0.0.1", "203.0.113.2"),
        ("192.168.0.1", "fd00::7"),
        ("127.0.0.1", "10.0.0.7"),
        ("fe80::1", "169.254.1.1"),
        ("203.0.113.1", "2606:4700::1111"),
    ] {
        let bench = bench();
        bench.world.address("mcp.example", mcp);
        bench.world.address("as.example", server);
        let session = bench.open().await;
        assert_eq!(bench.send(&session, "").await, Ok(200), "{mcp} {server}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_to_allow_is_checked_when_a_session_opens() {
    let opened = Bench::new()
        .builder()
        .allow_endpoint("10.0.0.0/8")
        .open()
        .await;
    let error = opened.expect_err("no origin");
    assert_eq!(error.code(), "config");
    assert!(error.to_string().contains("https://host"), "{error}");
}

#[cfg(feature = "jwt")]
#[tokio::test(start_paused = true)]
async fn an_identity_provider_is_where_the_application_says_and_leads_no_further() {
    // It is on the intranet, and the MCP server on the internet.
    let bench = bench();
    bench.world.address("idp.example", "10.0.0.7");
    let session = bench.managed(SERVER).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));

    let bench = self::bench();
    let mut metadata = json!({
        "issuer": IDP,
        "authorization_endpoint": format!("{IDP}/authorize"),
        "token_endpoint": format!("{IDP}/token"),
        "jwks_uri": format!("{INTRANET}/keys"),
    });
    bench.world.always(IdpMeta, body(&metadata));
    let session = bench.managed(SERVER).await;
    assert_eq!(code(&bench.send(&session, "").await), "blocked_endpoint");
    assert_untouched(&bench, "keys");
    metadata["authorization_endpoint"] = format!("{INTRANET}/authorize").into();
    bench.world.always(IdpMeta, body(&metadata));
    assert_eq!(code(&bench.send(&session, "").await), "blocked_endpoint");
    assert_eq!(bench.host.prompts(), (0, 0));
    assert_untouched(&bench, "a page");
}
