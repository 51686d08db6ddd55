//! The resource moves to another authorization server.

use mcp_reauth::{Client, Secret};
use mcp_reauth_fixture::config::{GrantType, PreRegisteredClient};
use mcp_reauth_fixture::{Config, Faults};
use url::Url;

use crate::support::{Wire, World, at_both_wires};

fn takeover() -> Faults {
    Faults {
        second_server_takes_over: true,
        ..Faults::default()
    }
}

fn client_id(page: &str) -> String {
    let page = Url::parse(page).unwrap();
    let id = page.query_pairs().find(|(name, _)| name == "client_id");
    id.unwrap().1.into_owned()
}

at_both_wires! {
    /// The client discovers it, registers and signs in there; it never receives what the old server issued.
    async fn registers_and_signs_in_anew(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        client.succeeds("write_note").await;
        let old = world.user.last_page();
        assert_eq!(old.issuer, world.issuer());
        world.reset();

        world.fault(takeover());
        client.succeeds("echo").await;
        let new = world.user.last_page();
        assert_eq!(new.issuer, world.second_issuer());
        assert!(new.url.starts_with(world.second_issuer()));
        assert_ne!(client_id(&old.url), client_id(&new.url));
        let counters = world.counters();
        // The first server still renews the token, which the resource rejects. The second receives only a code.
        assert_eq!((counters.token_refresh, counters.token_code), (1, 1));
        assert_eq!((counters.registrations, counters.token_failures), (1, 0));
        assert_eq!(world.prompts(), (0, 1));
        assert_eq!(counters.http_requests(), 8, "{counters:?}");

        // Neither receives the other's client ID either. Every test checks at its end that no token crosses.
        for request in world.control().requests() {
            let foreign = match request.server.as_str() {
                "first" => client_id(&new.url),
                "second" => client_id(&old.url),
                _ => continue,
            };
            assert!(!format!("{request:?}").contains(&foreign), "{request:?}");
        }

        world.reset();
        world.control().expire_access_tokens();
        client.succeeds("echo").await;
        let counters = world.counters();
        assert_eq!((counters.token_refresh, counters.token_failures), (1, 0));
        assert_eq!(counters.total(), 3);
        client.succeeds("write_note").await;
        assert_eq!(world.user.last_page().issuer, world.second_issuer());
    }

    /// The first server is unavailable: the metadata is read before the request fails.
    async fn while_the_first_one_is_in_trouble(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.fault(Faults { token_status: Some(503), ..takeover() });
        let control = world.control().clone();
        world.user.on_event(move |event| {
            if event.to_string() == "renewal_failed" {
                control.set_faults(takeover());
            }
        });
        client.succeeds("echo").await;
        assert_eq!(world.user.last_page().issuer, world.second_issuer());
        assert_eq!(world.prompts(), (0, 1));
        assert_eq!(world.counters().token_code, 1);
    }

    /// A client that is pre-registered at the first server is used only there, and its secret is sent only there.
    async fn with_a_client_of_the_first(wire: Wire) {
        let mut config = Config { issuer_port: free_port(), ..Config::default() };
        config.registration.dynamic = false;
        config.registration.clients.push(PreRegisteredClient {
            client_id: "e2e".into(),
            client_secret: Some("e2e-client-secret".into()),
            redirect_uris: vec!["http://127.0.0.1/oauth/callback".into()],
            token_endpoint_auth_method: None,
            jwks: None,
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        });
        let issuer = format!("http://127.0.0.1:{}", config.issuer_port);
        let client = Client::secret("e2e", Secret::new("e2e-client-secret")).at_issuer(issuer);
        let world = World::with_session(config, |b| b.credentials(client)).await;
        let client = world.connected(wire).await;
        world.fault(takeover());
        client.fails("echo", "registration_rejected").await;
        let counters = world.counters();
        // Neither the refresh token nor the client was sent to the second server, which would have rejected them.
        assert_eq!((counters.token_requests, counters.token_failures), (1, 0));
        assert_eq!(world.prompts(), (0, 0));
        world.mend();
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 0));
    }
}

/// A port without a listener.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
