//! Servers of all generations and variants: the same flow with each.

use mcp_reauth::ScopeSet;
use mcp_reauth_fixture::Config;

use crate::support::{Wire, World, at_both_wires};

/// Signs in, renews, steps up, and signs in again.
async fn lives(wire: Wire, config: Config) -> World {
    let world = World::with(config).await;
    let client = world.connected(wire).await;
    world.control().expire_access_tokens();
    client.succeeds("echo").await;
    assert_eq!(world.counters().token_refresh, 1);
    assert_eq!(world.prompts(), (0, 0));
    client.succeeds("write_note").await;
    assert_eq!(world.prompts(), (1, 1));
    world.control().expire_access_tokens();
    client.succeeds("write_note").await;
    assert_eq!(world.prompts(), (1, 1));
    world.control().revoke_grants();
    client.succeeds("echo").await;
    assert_eq!(world.prompts(), (1, 2));
    assert!(world.granted().covers(&ScopeSet::parse("mcp:read")));
    assert_eq!(
        world.counters().token_failures,
        1,
        "the refused renewal, and nothing else"
    );
    client.close().await;
    world
}

at_both_wires! {
    /// 2025-03-26.
    async fn legacy(wire: Wire) {
        let world = lives(wire, Config { legacy: true, ..Config::default() }).await;
        assert!(!world.user.last_page().url.contains("resource="));
    }

    /// 2025-03-26 without any metadata: default endpoints are assumed.
    async fn legacy_without_metadata(wire: Wire) {
        let config = Config { legacy: true, legacy_without_metadata: true, ..Config::default() };
        lives(wire, config).await;
    }

    /// An issuer with a path.
    async fn path_issuer(wire: Wire) {
        let config = Config { issuer_path: "/tenant/1".into(), ..Config::default() };
        let world = lives(wire, config).await;
        assert!(world.user.last_page().issuer.ends_with("/tenant/1"));
    }

    /// Only OpenID Connect Discovery.
    async fn openid_only(wire: Wire) {
        lives(wire, Config { openid_configuration_only: true, ..Config::default() }).await;
    }

    /// Only OpenID Connect Discovery, at an issuer with a path.
    async fn openid_only_with_a_path(wire: Wire) {
        let config = Config {
            openid_configuration_only: true,
            issuer_path: "/realms/one".into(),
            ..Config::default()
        };
        lives(wire, config).await;
    }

    /// Resource metadata at the root path.
    async fn root_metadata(wire: Wire) {
        lives(wire, Config { resource_metadata_at_root: true, ..Config::default() }).await;
    }

    /// Resource metadata without `resource_metadata`, at each of the well-known paths.
    async fn unnamed_metadata(wire: Wire) {
        let unnamed = || Config { resource_metadata_in_challenge: false, ..Config::default() };
        lives(wire, unnamed()).await;
        lives(wire, Config { resource_metadata_at_root: true, ..unnamed() }).await;
    }

    /// Refresh tokens only with `offline_access`, which must be requested.
    async fn offline_access(wire: Wire) {
        let world = lives(wire, Config { offline_access_supported: true, ..Config::default() }).await;
        let page = world.user.last_page().url;
        assert!(page.contains("offline_access") && !page.contains("prompt="), "it comes without: {page}");
    }

    /// No revocation endpoint, no `iss` in responses, no rotation.
    async fn plain(wire: Wire) {
        let config = Config {
            revocation_endpoint: false,
            emit_iss: false,
            rotate_refresh_tokens: false,
            ..Config::default()
        };
        lives(wire, config).await;
    }

    /// Challenges without a scope: the scopes in the metadata are requested.
    async fn no_scope_in_challenges(wire: Wire) {
        let scopes = ["mcp:read", "mcp:write"].map(str::to_owned);
        let config = Config {
            scope_in_challenge: false,
            scopes_supported: scopes.into(),
            ..Config::default()
        };
        let world = World::with(config).await;
        let client = world.connected(wire).await;
        client.succeeds("echo").await;
        client.succeeds("write_note").await;
        assert_eq!(world.prompts(), (0, 0));
        // No document names the missing scope, so it cannot be requested; the call fails.
        assert!(client.call("delete_note").await.is_err());
        assert!(world.counters().http_requests() <= 9, "{:?}", world.counters());
        world.works(&client).await;
    }
}
