//! Many concurrent calls.

use futures_util::future::join_all;
use mcp_reauth::ScopeSet;
use mcp_reauth_fixture::Faults;

use crate::support::{Wire, World, at_both_wires};

at_both_wires! {
    /// One renewal for all, although the reuse of a refresh token would revoke everything.
    async fn fifty_calls_with_an_expired_token(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        let calls = join_all((0..50).map(|_| client.call("echo"))).await;
        assert!(calls.iter().all(Result::is_ok), "{calls:?}");
        let counters = world.counters();
        assert_eq!((counters.token_refresh, counters.reuse_detected), (1, 0));
        assert!(counters.mcp_post <= 100, "{counters:?}");
        assert_eq!(world.prompts(), (0, 0));
    }

    /// All calls are rejected before a renewal starts: each is sent twice.
    async fn fifty_calls_held_until_the_token_has_expired(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        world.fault(Faults { mcp_hold: true, ..Faults::default() });
        let release = async {
            world.control().counters_when(|c| c.mcp_post == 50).await;
            world.mend();
        };
        let (calls, ()) = tokio::join!(join_all((0..50).map(|_| client.call("echo"))), release);
        assert!(calls.iter().all(Result::is_ok), "{calls:?}");
        let counters = world.counters();
        assert_eq!(counters.total(), 101, "{counters:?}");
        assert_eq!((counters.token_refresh, counters.reuse_detected), (1, 0));
    }

    /// The grant is revoked: one page.
    async fn twenty_calls_with_a_revoked_grant(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.control().revoke_grants();
        let calls = join_all((0..20).map(|_| client.call("echo"))).await;
        assert!(calls.iter().all(Result::is_ok), "{calls:?}");
        assert_eq!(world.prompts(), (0, 1));
        assert_eq!(world.counters().token_refresh, 1);
    }

    /// One question and one page for all.
    async fn ten_step_ups(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let calls = join_all((0..10).map(|_| client.call("write_note"))).await;
        assert!(calls.iter().all(Result::is_ok), "{calls:?}");
        let counters = world.counters();
        assert_eq!((counters.token_code, counters.resource_metadata), (1, 0));
        assert_eq!(world.prompts(), (1, 1));
    }

    /// Different step-ups: the first question is about one, and the next about all that came up meanwhile.
    async fn different_step_ups(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.user.answers_after(4);
        let others = async {
            world.user.hears("consent_asked").await;
            tokio::join!(
                client.call("delete_note"),
                client.read("note://secret"),
                client.prompt("brief"),
            )
        };
        let (write, (delete, secret, brief)) = tokio::join!(client.call("write_note"), others);
        for call in [write, delete, secret, brief] {
            call.unwrap();
        }
        assert_eq!(world.prompts(), (2, 2));
        let counters = world.counters();
        assert_eq!((counters.mcp_post, counters.token_requests), (8, 2));
        let all = ScopeSet::parse("mcp:read mcp:write mcp:secret mcp:prompts mcp:admin");
        assert!(world.granted().covers(&all), "{}", world.granted());
    }

    /// One decline applies to all calls that need the same.
    async fn ten_step_ups_declined(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.user.says(false);
        world.user.answers_after(10);
        for call in join_all((0..10).map(|_| client.call("write_note"))).await {
            assert_eq!(call.unwrap_err().code, "consent_denied");
        }
        assert_eq!(world.prompts(), (1, 0));
        assert_eq!(world.counters().http_requests(), 10);
        world.works(&client).await;
    }
}
