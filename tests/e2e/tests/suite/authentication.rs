//! Servers that require stronger or more recent authentication (RFC 9470).

use std::time::Duration;

use mcp_reauth::ScopeSet;
use mcp_reauth_fixture::config::Tool;
use mcp_reauth_fixture::{Config, Faults};

use crate::support::{Wire, World, at_both_wires};

at_both_wires! {
    /// One question, one page with `acr_values`, and no scope is lost.
    async fn more_strongly(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        client.succeeds("write_note").await;
        world.reset();
        client.succeeds("transfer").await;
        let counters = world.counters();
        assert_eq!(counters.http_requests(), 3, "{counters:?}");
        assert_eq!(counters.token_refresh, 0);
        assert_eq!(world.prompts(), (1, 1));
        assert!(world.user.last_page().url.contains("acr_values=urn%3Amcp%3Amfa"));
        assert!(world.granted().covers(&ScopeSet::parse("mcp:read mcp:write")));
        world.reset();
        client.succeeds("transfer").await;
        client.succeeds("write_note").await;
        assert_eq!(world.counters().total(), 2);
    }

    /// With a `max_age`.
    async fn more_recently(wire: Wire) {
        let mut config = Config::default();
        config.tools.push(Tool {
            name: "confirm".into(),
            description: String::new(),
            scopes: vec!["mcp:read".into()],
            acr_values: Vec::new(),
            max_age: Some(60),
            result: "echo".into(),
        });
        let world = World::with(config).await;
        let client = world.connected(wire).await;
        client.succeeds("confirm").await;
        assert_eq!(world.prompts(), (0, 0));
        world.control().advance(Duration::from_secs(120));
        client.succeeds("confirm").await;
        assert_eq!(world.prompts(), (1, 1));
        assert!(world.user.last_page().url.contains("max_age=60"));
    }

    /// The authorization server ignores it: one prompt, and no second one for this call.
    async fn ignored(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.fault(Faults { ignore_acr: true, ..Faults::default() });
        client.fails("transfer", "step_up_limit").await;
        assert_eq!(world.counters().http_requests(), 3);
        assert_eq!(world.prompts(), (1, 1));
        world.works(&client).await;
        world.mend();
        client.succeeds("transfer").await;
    }

    /// The user declines.
    async fn declined(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.user.says(false);
        client.fails("transfer", "consent_denied").await;
        assert_eq!(world.counters().total(), 1);
        world.works(&client).await;
    }
}
