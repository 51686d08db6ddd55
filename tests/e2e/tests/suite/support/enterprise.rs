//! An organization: one identity provider, and the MCP servers that trust it.

use mcp_reauth::{AuthSessionBuilder, Client, Credentials, IdentityProvider, MemoryStore, Secret};
use mcp_reauth_fixture::Config;
use mcp_reauth_fixture::config::{
    GrantType, IdentityProvider as Provider, IdpClient, OwnIdentityProvider, PreRegisteredClient,
};

use super::{Servers, World};

/// The client at the identity provider.
pub(crate) const IDP_ID: &str = "e2e at the idp";
const IDP_SECRET: &str = "cs_idp +%:&=secret";
/// The same client at the authorization servers.
const ID: &str = "e2e at the server";
const SECRET: &str = "cs_server +%:&=secret";

/// A server that trusts `provider`, with one registered client.
pub(crate) fn behind(provider: Provider) -> Config {
    let mut config = Config {
        identity_provider: provider,
        ..Config::default()
    };
    config.registration.clients.push(PreRegisteredClient {
        client_id: ID.into(),
        client_secret: Some(SECRET.into()),
        grant_types: vec![GrantType::JwtBearer],
        ..PreRegisteredClient::default()
    });
    config
}

/// An identity provider with the same client.
pub(crate) fn provider() -> OwnIdentityProvider {
    OwnIdentityProvider {
        clients: vec![IdpClient {
            client_id: IDP_ID.into(),
            client_secret: Some(IDP_SECRET.into()),
            redirect_uris: vec!["http://127.0.0.1/oauth/callback".into()],
            resource_client_id: Some(ID.into()),
            ..IdpClient::default()
        }],
        ..OwnIdentityProvider::default()
    }
}

/// Sets the client's credentials for a session.
pub(crate) fn managed(builder: AuthSessionBuilder, issuer: &str) -> AuthSessionBuilder {
    let provider = IdentityProvider::new(issuer, IDP_ID).client_secret(Secret::new(IDP_SECRET));
    builder.credentials(Credentials::Enterprise {
        provider: Some(provider),
        client: Some(Client::secret(ID, Secret::new(SECRET)).at_any_issuer()),
    })
}

/// One server with its organization; all clones of the store share its records.
pub(crate) async fn world(store: &MemoryStore) -> World {
    staged(provider(), store, |builder| builder).await
}

/// The same, with other settings.
pub(crate) async fn staged(
    provider: OwnIdentityProvider,
    store: &MemoryStore,
    set_up: impl FnOnce(AuthSessionBuilder) -> AuthSessionBuilder,
) -> World {
    let config = behind(Provider::Own(Box::new(provider)));
    World::staged(config, |builder, servers| {
        let issuer = servers.idp_issuer.as_deref().expect("one of its own");
        set_up(managed(builder, issuer)).store(store.clone())
    })
    .await
}

/// Another server of the same organization.
pub(crate) async fn another(world: &World) -> Servers {
    let issuer = world.idp_issuer().to_owned();
    Servers::start(behind(Provider::At { issuer })).await
}
