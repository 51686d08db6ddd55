//! The number of requests of a recovery.

use mcp_reauth_fixture::{Config, Faults};

use crate::support::{Wire, World, at_both_wires};

at_both_wires! {
    /// Rejected, metadata of the resource and of its server, registration, token, retry.
    async fn first_sign_in(wire: Wire) {
        let world = World::new().await;
        let _client = world.connect(wire).await;
        world.at_rest(wire).await;
        let counters = world.counters();
        let rest = wire.greetings() - 1;
        assert_eq!(counters.mcp_post, 2 + rest);
        assert_eq!(counters.http_requests() - counters.mcp_get - rest, 6, "{counters:?}");
        assert_eq!(counters.authorize_visits, 1);
        assert_eq!(world.prompts(), (0, 1));
    }

    /// Rejected, token, retry.
    async fn rejected_with_a_refresh_token(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        client.succeeds("echo").await;
        let counters = world.counters();
        assert_eq!(counters.total(), 3, "{counters:?}");
        assert_eq!((counters.mcp_post, counters.token_refresh), (2, 1));
        assert_eq!(world.prompts(), (0, 0));
    }

    /// Rejected, refresh, metadata of the resource unless it is fresh, token after the visit, retry.
    async fn rejected_with_a_revoked_grant(wire: Wire) {
        for (cache_control, expected) in [
            (None, 5),
            (Some("no-store, max-age=600"), 5),
            (Some("max-age=600"), 4),
        ] {
            let world = World::new().await;
            world.fault(Faults {
                metadata_cache_control: cache_control.map(str::to_owned),
                ..Faults::default()
            });
            let client = world.connected(wire).await;
            world.control().revoke_grants();
            client.succeeds("echo").await;
            let counters = world.counters();
            assert_eq!(counters.http_requests(), expected, "{cache_control:?} {counters:?}");
            assert_eq!(counters.resource_metadata, expected - 4, "{cache_control:?}");
            assert_eq!(counters.server_metadata, 0, "{cache_control:?}");
            assert_eq!(world.prompts(), (0, 1));
        }
    }

    /// Token, and the request itself.
    async fn known_to_have_expired(wire: Wire) {
        let world = World::with(Config {
            access_token_ttl_seconds: 600,
            ..Config::default()
        })
        .await;
        let client = world.connected(wire).await;
        world.clock.advance(601);
        world.control().advance(std::time::Duration::from_secs(601));
        client.succeeds("echo").await;
        let counters = world.counters();
        assert_eq!(counters.total(), 2, "{counters:?}");
        assert_eq!((counters.mcp_post, counters.token_refresh), (1, 1));
        assert_eq!(world.prompts(), (0, 0));
    }

    /// Rejected, token after the visit, retry: no metadata is read.
    async fn step_up(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        client.succeeds("write_note").await;
        let counters = world.counters();
        assert_eq!(counters.http_requests(), 3, "{counters:?}");
        assert_eq!(counters.mcp_post, 2);
        assert_eq!((counters.resource_metadata, counters.server_metadata), (0, 0));
        assert_eq!((counters.authorize_visits, counters.token_code), (1, 1));
        assert_eq!(counters.registrations, 0);
        assert_eq!(world.prompts(), (1, 1));
    }

    /// Only the request itself, if it succeeds.
    async fn nothing_to_recover(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        client.succeeds("echo").await;
        assert_eq!(world.counters().total(), 1);
    }
}
