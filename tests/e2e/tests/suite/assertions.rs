//! Clients that authenticate with a key (RFC 7523).

use mcp_reauth::{AuthSessionBuilder, Client, Credentials, PrivateKey};
use mcp_reauth_fixture::config::{AuthMethod, GrantType, PreRegisteredClient};
use mcp_reauth_fixture::{Config, SigningAlg, SigningKey};

use crate::support::{Wire, World, at_both_wires};

const ID: &str = "e2e with a key";

/// A server with one registered client, which has this key.
fn known(key: &SigningKey, grant_types: &[GrantType]) -> Config {
    let mut config = Config {
        token_endpoint_auth_methods_supported: vec![AuthMethod::PrivateKeyJwt],
        strict_assertion_audience: true,
        ..Config::default()
    };
    config.registration.dynamic = false;
    config.registration.clients.push(PreRegisteredClient {
        client_id: ID.into(),
        redirect_uris: vec!["http://127.0.0.1/oauth/callback".into()],
        jwks: Some(key.public_jwks()),
        grant_types: grant_types.into(),
        ..PreRegisteredClient::default()
    });
    config
}

fn client(key: &SigningKey) -> Client {
    let key = PrivateKey::read(key.to_pem()).expect("a key");
    Client::key(ID, key).at_any_issuer()
}

fn for_itself(builder: AuthSessionBuilder, key: &SigningKey) -> AuthSessionBuilder {
    builder.credentials(Credentials::client_credentials(client(key)))
}

const ALGORITHMS: [SigningAlg; 3] = [SigningAlg::Es256, SigningAlg::Rs256, SigningAlg::EdDsa];

at_both_wires! {
    /// A fresh assertion for each request, and a silent step-up in one request.
    async fn acts_for_itself(wire: Wire) {
        for algorithm in ALGORITHMS {
            let key = SigningKey::generate(algorithm);
            let config = known(&key, &[GrantType::ClientCredentials]);
            let set_up = |builder| for_itself(builder, &key);
            let world = World::with_session(config, set_up).await;
            let client = world.connected(wire).await;
            world.control().expire_access_tokens();
            world.works(&client).await;
            assert_eq!(world.counters().total(), 3);
            client.succeeds("write_note").await;
            let counters = world.counters();
            assert_eq!((counters.total(), counters.token_failures), (6, 0), "{algorithm:?}");
            world.session.sign_out().await.unwrap();
            assert_eq!(world.counters().revocations, 1);
            assert_eq!(world.prompts(), (0, 0));
        }
    }

    /// The user signs in, and the client still authenticates with its key.
    async fn acts_for_a_person(wire: Wire) {
        let key = SigningKey::generate(SigningAlg::Es256);
        let types = [GrantType::AuthorizationCode, GrantType::RefreshToken];
        let set_up = |builder: AuthSessionBuilder| builder.credentials(client(&key));
        let world = World::with_session(known(&key, &types), set_up).await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        world.works(&client).await;
        assert_eq!(world.counters().token_failures, 0);
        assert_eq!(world.prompts(), (0, 0));
    }

    async fn wrong_key(wire: Wire) {
        let known_key = SigningKey::generate(SigningAlg::Es256);
        let other = SigningKey::generate(SigningAlg::Es256);
        let config = known(&known_key, &[GrantType::ClientCredentials]);
        let set_up = |builder| for_itself(builder, &other);
        let world = World::with_session(config, set_up).await;
        let failure = world.refuses(wire, "registration_rejected").await;
        assert!(failure.text.contains("invalid_client"), "{failure:?}");
        assert_eq!(world.counters().token_requests, 1);
    }
}
