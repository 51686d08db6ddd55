//! Metadata and registration that cannot be used: a typed error, and nothing is broken for later.

use mcp_reauth_fixture::{Config, Faults};

use crate::support::{Clock, Elsewhere, Wire, World, at_both_wires, tests};

/// Connecting fails with this code without anybody being prompted, and works once the fault is mended.
async fn refused(wire: Wire, config: Config, faults: Faults, code: &str) {
    let world = World::with(config).await;
    world.fault(faults);
    world.refuses(wire, code).await;
    assert_eq!(world.prompts(), (0, 0));
    assert_eq!(world.counters().token_requests, 0);
    world.mend();
    let client = world.connect(wire).await;
    world.works(&client).await;
    assert_eq!(world.prompts(), (0, 1));
}

/// The same fault at a step-up: the call fails, and what was granted goes on working.
async fn refused_later(wire: Wire, faults: Faults, code: &str) {
    let world = World::new().await;
    let client = world.connected(wire).await;
    world.fault(faults);
    client.fails("write_note", code).await;
    assert_eq!(world.prompts(), (1, 0));
    world.works(&client).await;
    world.mend();
    client.succeeds("write_note").await;
}

async fn refused_in_any_case(wire: Wire, faults: Faults, code: &str) {
    refused(wire, Config::default(), faults.clone(), code).await;
    refused_later(wire, faults, code).await;
}

at_both_wires! {
    /// Without PKCE there is no sign-in.
    async fn no_pkce(wire: Wire) {
        let faults = Faults { no_pkce_in_metadata: true, ..Faults::default() };
        refused_in_any_case(wire, faults, "pkce_unsupported").await;
    }

    /// About another authorization server.
    async fn another_issuer(wire: Wire) {
        let faults = Faults {
            metadata_issuer: Some("https://as.example".into()),
            ..Faults::default()
        };
        refused_in_any_case(wire, faults, "metadata_invalid").await;
    }

    /// About another resource.
    async fn another_resource(wire: Wire) {
        let faults = Faults {
            metadata_resource: Some("https://mcp.example/mcp".into()),
            ..Faults::default()
        };
        refused_in_any_case(wire, faults, "resource_mismatch").await;
    }

    /// More than anybody reads.
    async fn oversized(wire: Wire) {
        let faults = Faults { oversized_body: true, ..Faults::default() };
        refused_in_any_case(wire, faults, "http").await;
    }

    /// Without end.
    async fn endless(wire: Wire) {
        let faults = Faults { endless_body: true, ..Faults::default() };
        refused_in_any_case(wire, faults, "http").await;
    }

    /// Pointing to another origin: nobody goes there.
    async fn redirected(wire: Wire) {
        let elsewhere = Elsewhere::start().await;
        let faults = Faults {
            redirect_metadata_to: Some(elsewhere.url.clone()),
            ..Faults::default()
        };
        refused_in_any_case(wire, faults, "http").await;
        assert_eq!(elsewhere.hits().await, 0);
    }

    /// A legacy server's authorization metadata points to another origin: nobody goes there either.
    async fn redirected_at_a_legacy_server(wire: Wire) {
        let elsewhere = Elsewhere::start().await;
        let faults = Faults {
            redirect_metadata_to: Some(elsewhere.url.clone()),
            ..Faults::default()
        };
        refused(wire, Config { legacy: true, ..Config::default() }, faults, "http").await;
        assert_eq!(elsewhere.hits().await, 0);
    }

    /// The registration endpoint refuses.
    async fn registration_rejected(wire: Wire) {
        let faults = Faults { registration_rejected: true, ..Faults::default() };
        refused(wire, Config::default(), faults, "registration_rejected").await;
    }
}

tests! {
    /// One byte a second: given up on after the library's own limit, which passes faster here.
    async fn slow_bytes() {
        let clock = Clock::with_scale(30);
        let world = World::with_session(Config::default(), |b| b.runtime(clock)).await;
        world.fault(Faults { slow_bytes: true, ..Faults::default() });
        let failure = world.refuses(Wire::Stateless, "http").await;
        assert!(failure.text.contains("20 s"), "{failure:?}");
        world.mend();
        let client = world.connect(Wire::Stateless).await;
        world.works(&client).await;
    }

    /// There is neither registration nor a client id.
    async fn no_registration_endpoint() {
        let mut config = Config::default();
        config.registration.dynamic = false;
        let world = World::with(config).await;
        let failure = world.refuses(Wire::Stateless, "registration_rejected").await;
        assert!(failure.text.contains("client id"), "{failure:?}");
        assert_eq!(world.prompts(), (0, 0));
    }
}
