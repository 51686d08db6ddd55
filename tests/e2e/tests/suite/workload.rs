//! Workloads that authenticate with assertions of their platform (RFC 7523).

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mcp_reauth::{Client, Credentials, Error, Secret, WorkloadIdentity};
use mcp_reauth_fixture::config::Workload;
use mcp_reauth_fixture::{Config, Control, Faults, WorkloadAssertion};

use crate::support::{Wire, World, at_both_wires};

/// A platform, and the audiences it was asked for.
#[derive(Clone, Default)]
struct Platform(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    control: Option<Control>,
    gives: WorkloadAssertion,
    asked: Vec<String>,
}

impl WorkloadIdentity for Platform {
    fn assertion(&self, audience: &str) -> BoxFuture<'_, Result<Secret, Error>> {
        let mut state = self.0.lock().unwrap();
        state.asked.push(audience.to_owned());
        let control = state.control.as_ref();
        let made = control.and_then(|control| control.workload_assertion(&state.gives));
        let made = made
            .map(Secret::new)
            .ok_or_else(|| Error::host("the platform is silent"));
        Box::pin(std::future::ready(made))
    }
}

async fn world(platform: &Platform) -> World {
    let mut config = Config {
        workload: Some(Workload {
            issuer: "https://platform.example".into(),
            subject: "job-1".into(),
            client_id: "e2e-job".into(),
        }),
        ..Config::default()
    };
    config.registration.dynamic = false;
    let given = platform.clone();
    let world = World::staged(config, |builder, servers| {
        given.0.lock().unwrap().control = Some(servers.control.clone());
        let client = Client::public("e2e-job").at_any_issuer();
        builder.credentials(Credentials::workload(client, given))
    });
    world.await
}

at_both_wires! {
    /// A fresh assertion for each token, and a step-up in one request.
    async fn fresh_assertion_each_time(wire: Wire) {
        let platform = Platform::default();
        let world = world(&platform).await;
        let client = world.connected(wire).await;
        assert_eq!(platform.0.lock().unwrap().asked, [world.issuer()]);
        world.control().expire_access_tokens();
        world.works(&client).await;
        assert_eq!(world.counters().total(), 3);
        client.succeeds("write_note").await;
        let counters = world.counters();
        assert_eq!((counters.total(), counters.token_jwt_bearer), (6, 2));
        assert_eq!(counters.token_requests, counters.token_jwt_bearer);
        assert_eq!(platform.0.lock().unwrap().asked.len(), 3);
        assert_eq!(world.prompts(), (0, 0));
    }

    /// An invalid assertion fails the request, and nothing else is tried.
    async fn refused_assertion(wire: Wire) {
        let expired = WorkloadAssertion { expired: true, ..WorkloadAssertion::default() };
        let audience = Some("https://other.example".into());
        let elsewhere = WorkloadAssertion { audience, ..WorkloadAssertion::default() };
        for gives in [expired, elsewhere] {
            let platform = Platform::default();
            platform.0.lock().unwrap().gives = gives;
            let world = world(&platform).await;
            world.refuses(wire, "authorization_denied").await;
            let counters = world.counters();
            assert_eq!((counters.token_requests, counters.token_jwt_bearer), (1, 1));
            platform.0.lock().unwrap().gives = WorkloadAssertion::default();
            let client = world.connect(wire).await;
            world.works(&client).await;
        }
    }

    async fn platform_says_nothing(wire: Wire) {
        let platform = Platform::default();
        let world = world(&platform).await;
        platform.0.lock().unwrap().control = None;
        let failure = world.refuses(wire, "host").await;
        assert!(failure.text.contains("the platform is silent"), "{failure:?}");
    }

    /// Each try of a request has its own assertion, because one may be used only once.
    async fn server_in_trouble(wire: Wire) {
        let platform = Platform::default();
        let world = world(&platform).await;
        let client = world.connected(wire).await;
        platform.0.lock().unwrap().asked.clear();
        world.control().expire_access_tokens();
        world.fault(Faults { token_status: Some(503), ..Faults::default() });
        client.fails("echo", "refresh_unavailable").await;
        assert_eq!(world.counters().token_requests, 2);
        assert_eq!(platform.0.lock().unwrap().asked.len(), 2);
        world.mend();
        world.works(&client).await;
    }
}
