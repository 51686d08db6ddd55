//! Servers that always reject: few requests, few prompts, a typed error.

use futures_util::future::join_all;
use mcp_reauth_fixture::Faults;

use crate::support::{Wire, World, at_both_wires};

/// A call fails with this code after this many requests and prompts, and works once the fault is cleared.
async fn bounded(wire: Wire, faults: Faults, code: &str, requests: u64, prompts: (u64, u64)) {
    let world = World::new().await;
    let client = world.connected(wire).await;
    world.fault(faults);
    client.fails("echo", code).await;
    let counters = world.counters();
    assert_eq!(counters.http_requests(), requests, "{counters:?}");
    assert_eq!(world.prompts(), prompts);
    world.mend();
    world.works(&client).await;
}

at_both_wires! {
    /// Always 401: one renewal, one sign-in.
    async fn always_401(wire: Wire) {
        bounded(wire, Faults { always_401: true, ..Faults::default() }, "unauthorized", 6, (0, 1)).await;
    }

    /// 401 from the first request on: one sign-in, and one renewal.
    async fn always_401_from_the_start(wire: Wire) {
        let world = World::new().await;
        world.fault(Faults { always_401: true, ..Faults::default() });
        world.refuses(wire, "unauthorized").await;
        let counters = world.counters();
        assert_eq!(counters.http_requests(), 8, "{counters:?}");
        assert_eq!(world.prompts(), (0, 1));
        world.mend();
        let client = world.connect(wire).await;
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 1));
    }

    /// Always 401, for ten concurrent calls: recoveries are shared, and each call is sent at most three times.
    async fn always_401_in_parallel(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.fault(Faults { always_401: true, ..Faults::default() });
        for call in join_all((0..10).map(|_| client.call("echo"))).await {
            assert_eq!(call.unwrap_err().code, "unauthorized");
        }
        let counters = world.counters();
        assert!(counters.mcp_post <= 30, "{counters:?}");
        assert_eq!((counters.token_refresh, counters.token_code), (1, 1), "{counters:?}");
        assert_eq!(world.prompts(), (0, 1));
        world.mend();
        world.works(&client).await;
    }

    /// From the first request on, every kind of rejection ends with an error.
    async fn from_the_start(wire: Wire) {
        for (faults, code, requests, prompts) in [
            (Faults { always_403_scope: true, ..Faults::default() }, "insufficient_scope", 8, (0, 1)),
            (Faults { plain_403: true, ..Faults::default() }, "", 6, (0, 1)),
            (Faults { alternate_401_403: true, ..Faults::default() }, "unauthorized", 10, (0, 1)),
        ] {
            let world = World::new().await;
            world.fault(faults.clone());
            world.refuses(wire, code).await;
            let counters = world.counters();
            assert_eq!(counters.http_requests(), requests, "{faults:?}: {counters:?}");
            assert_eq!(world.prompts(), prompts, "{faults:?}");
            world.mend();
            let client = world.connect(wire).await;
            world.works(&client).await;
        }
    }

    /// 403 for a granted scope: one renewal.
    async fn always_403_scope(wire: Wire) {
        let faults = Faults { always_403_scope: true, ..Faults::default() };
        bounded(wire, faults, "insufficient_scope", 3, (0, 0)).await;
    }

    /// 403 without a challenge is returned immediately.
    async fn plain_403(wire: Wire) {
        bounded(wire, Faults { plain_403: true, ..Faults::default() }, "", 1, (0, 0)).await;
    }

    /// Alternately 401 and 403: one renewal for each.
    async fn alternate(wire: Wire) {
        let faults = Faults { alternate_401_403: true, ..Faults::default() };
        bounded(wire, faults, "unauthorized", 5, (0, 0)).await;
    }

    /// A new scope each time: one step-up.
    async fn ever_new_scope(wire: Wire) {
        let faults = Faults { ever_new_scope: true, ..Faults::default() };
        bounded(wire, faults, "step_up_limit", 4, (1, 1)).await;
    }

    /// With three step-ups allowed, exactly three.
    async fn ever_new_scope_with_three_step_ups(wire: Wire) {
        let policy = mcp_reauth::Policy { max_step_up_retries: 3, ..Default::default() };
        let world = World::with_session(Default::default(), |b| b.policy(policy)).await;
        let client = world.connected(wire).await;
        world.fault(Faults { ever_new_scope: true, ..Faults::default() });
        client.fails("echo", "step_up_limit").await;
        assert_eq!(world.counters().http_requests(), 1 + 3 * 3);
        assert_eq!(world.prompts(), (3, 3));
        world.mend();
        world.works(&client).await;
    }

    /// A policy that throws: the typed error with its challenge, and one request.
    async fn throwing(wire: Wire) {
        let policy = mcp_reauth::Policy {
            on_insufficient_scope: mcp_reauth::OnInsufficientScope::Throw,
            ..Default::default()
        };
        let world = World::with_session(Default::default(), |b| b.policy(policy)).await;
        let client = world.connected(wire).await;
        let failure = client.fails("write_note", "insufficient_scope").await;
        assert!(failure.text.contains("mcp:write"), "{failure:?}");
        assert_eq!(world.counters().total(), 1);
        assert_eq!(world.prompts(), (0, 0));
        world.works(&client).await;
    }
}
