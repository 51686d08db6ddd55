//! The ways to identify a client.

use mcp_reauth::{AuthSessionBuilder, Client, Credentials, Secret};
use mcp_reauth_fixture::config::{AuthMethod, GrantType, PreRegisteredClient};
use mcp_reauth_fixture::{Config, Faults};

use crate::support::{Wire, World, at_both_wires};

const ID: &str = "e2e client:1%";
const SECRET: &str = "cs_e2e +%:&=secret";

/// A server with one pre-registered client, and no dynamic registration.
fn known(method: AuthMethod, grant_types: &[GrantType]) -> Config {
    let mut config = Config {
        token_endpoint_auth_methods_supported: vec![method],
        ..Config::default()
    };
    config.registration.dynamic = false;
    config.registration.clients.push(PreRegisteredClient {
        client_id: ID.into(),
        client_secret: (method != AuthMethod::None).then(|| SECRET.into()),
        redirect_uris: vec!["http://127.0.0.1/oauth/callback".into()],
        token_endpoint_auth_method: Some(method),
        jwks: None,
        grant_types: grant_types.into(),
    });
    config
}

fn client(method: AuthMethod) -> Client {
    let client = match method {
        AuthMethod::None => Client::public(ID),
        _ => Client::secret(ID, Secret::new(SECRET)),
    };
    client.at_any_issuer()
}

async fn signs_in(wire: Wire, method: AuthMethod) {
    let types = [GrantType::AuthorizationCode, GrantType::RefreshToken];
    let world = World::with_session(known(method, &types), |b| b.credentials(client(method))).await;
    let client = world.connected(wire).await;
    world.control().expire_access_tokens();
    client.succeeds("echo").await;
    client.succeeds("write_note").await;
    assert_eq!(world.counters().registrations, 0);
    assert_eq!(world.counters().token_failures, 0);
    assert_eq!(world.prompts(), (1, 1));
    world.session.sign_out().await.unwrap();
    assert_eq!(world.counters().revocations, 2);
}

async fn acts_for_itself(wire: Wire, method: AuthMethod) {
    let config = known(method, &[GrantType::ClientCredentials]);
    let credentials = Credentials::client_credentials(client(method));
    let set_up = |b: AuthSessionBuilder| b.credentials(credentials);
    let world = World::with_session(config, set_up).await;
    let client = world.connect(wire).await;
    world.at_rest(wire).await;
    let rest = wire.greetings() - 1 + world.counters().mcp_get;
    // Rejected, metadata of the resource and of its server, token, retry.
    assert_eq!(world.counters().http_requests() - rest, 5);

    world.works(&client).await;
    world.reset();
    world.control().expire_access_tokens();
    client.succeeds("echo").await;
    assert_eq!(world.counters().total(), 3);
    client.succeeds("write_note").await;
    assert_eq!(world.counters().total(), 6);
    world.control().revoke_grants();
    client.succeeds("echo").await;
    assert_eq!(world.counters().total(), 9);
    assert_eq!(world.counters().token_client_credentials, 3);
    assert_eq!(world.counters().token_failures, 0);

    world.fault(Faults {
        narrower_scope: Some("mcp:read".into()),
        ..Faults::default()
    });
    client.fails("delete_note", "scope_not_granted").await;
    world.works(&client).await;
    world.mend();
    world.control().expire_access_tokens();
    world.control().set_authorization_server_up(false);
    client.fails("echo", "refresh_unavailable").await;
    world.control().set_authorization_server_up(true);
    world.works(&client).await;
    assert_eq!(world.prompts(), (0, 0));
}

at_both_wires! {
    /// With a secret in the header.
    async fn basic(wire: Wire) {
        signs_in(wire, AuthMethod::ClientSecretBasic).await;
    }

    /// With a secret in the body.
    async fn post(wire: Wire) {
        signs_in(wire, AuthMethod::ClientSecretPost).await;
    }

    /// Without a secret.
    async fn public(wire: Wire) {
        signs_in(wire, AuthMethod::None).await;
    }

    /// With client credentials, with a secret in the header.
    async fn credentials_basic(wire: Wire) {
        acts_for_itself(wire, AuthMethod::ClientSecretBasic).await;
    }

    /// With client credentials, with a secret in the body.
    async fn credentials_post(wire: Wire) {
        acts_for_itself(wire, AuthMethod::ClientSecretPost).await;
    }

    /// A wrong secret.
    async fn wrong_secret(wire: Wire) {
        let types = [GrantType::AuthorizationCode, GrantType::RefreshToken];
        let config = known(AuthMethod::ClientSecretBasic, &types);
        let client = Client::secret(ID, Secret::new("not it")).at_any_issuer();
        let world = World::with_session(config, |b| b.credentials(client)).await;
        world.refuses(wire, "registration_rejected").await;
        assert_eq!(world.prompts(), (0, 1));
    }

    /// A registered client that receives a secret from the server.
    async fn dynamic_with_a_secret(wire: Wire) {
        for method in [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost] {
            let world = World::with(Config {
                token_endpoint_auth_methods_supported: vec![method],
                ..Config::default()
            })
            .await;
            let client = world.connected(wire).await;
            world.control().expire_access_tokens();
            client.succeeds("echo").await;
            assert_eq!(world.counters().token_failures, 0);
        }
    }

    /// The URL of a metadata document is the client ID if the server supports it. (The fixture cannot fetch it, because
    /// the tests have no https server.)
    async fn metadata_document(wire: Wire) {
        let url = "https://client.example/metadata.json";
        let world = World::with_session(Config::default(), |b| b.client_metadata_url(url)).await;
        world.user.goes_elsewhere();
        world.refuses(wire, "interaction_required").await;
        let page = world.user.last_page().url;
        assert!(page.contains("client_id=https%3A%2F%2Fclient.example%2Fmetadata.json"), "{page}");
        assert_eq!(world.counters().registrations, 0);
    }

    /// If it does not, the client registers.
    async fn metadata_document_unsupported(wire: Wire) {
        let mut config = Config::default();
        config.registration.metadata_documents = false;
        let url = "https://client.example/metadata.json";
        let world = World::with_session(config, |b| b.client_metadata_url(url)).await;
        let client = world.connect(wire).await;
        world.works(&client).await;
        assert_eq!(world.counters().registrations, 1);
    }

    /// The content of a registration request.
    async fn what_is_registered(wire: Wire) {
        let world = World::new().await;
        world.connect(wire).await;
        let [client] = &world.control().clients()[..] else {
            panic!("one client");
        };
        assert_eq!(client.client_name.as_deref(), Some("e2e"));
        assert_eq!(client.application_type.as_deref(), Some("native"));
        assert_eq!(client.redirect_uris, [world.user.last_page().redirect_uri]);
        assert_eq!(client.token_endpoint_auth_method, AuthMethod::None);
    }
}
