//! Pushed authorization requests (RFC 9126).

use mcp_reauth_fixture::Config;
use mcp_reauth_fixture::config::{Dpop, DpopNonce, PushedAuthorization};
use url::Url;

use crate::support::{Wire, World, at_both_wires};

fn pushed(pushed_authorization: PushedAuthorization) -> Config {
    Config {
        pushed_authorization,
        ..Config::default()
    }
}

/// The parameters in the last page's address.
fn told(world: &World) -> Vec<String> {
    let url = Url::parse(&world.user.last_page().url).unwrap();
    let names = url.query_pairs().map(|(name, _)| name.into_owned());
    names.collect()
}

at_both_wires! {
    async fn where_the_server_insists(wire: Wire) {
        let world = World::with(pushed(PushedAuthorization::Required)).await;
        let client = world.connect(wire).await;
        assert_eq!(told(&world), ["client_id", "request_uri"]);
        assert_eq!(world.counters().par, 1);
        client.succeeds("write_note").await;
        assert_eq!(world.counters().par, 2);
        assert_eq!(world.prompts(), (1, 2));
    }

    async fn only_where_wanted_if_it_is_offered(wire: Wire) {
        let world = World::with(pushed(PushedAuthorization::Offered)).await;
        let _client = world.connect(wire).await;
        assert_eq!(world.counters().par, 0);
        assert!(told(&world).contains(&"code_challenge".to_owned()));

        let wanted = |builder: mcp_reauth::AuthSessionBuilder| builder.push_requests(true);
        let world = World::with_session(pushed(PushedAuthorization::Offered), wanted).await;
        let _client = world.connect(wire).await;
        assert_eq!(told(&world), ["client_id", "request_uri"]);

        let world = World::with_session(pushed(PushedAuthorization::Off), wanted).await;
        let _client = world.connect(wire).await;
        assert_eq!(world.counters().par, 0);
    }

    async fn together_with_keys_and_nonces(wire: Wire) {
        let config = Config {
            dpop: Dpop::Required,
            dpop_nonce: DpopNonce::Demanded,
            ..pushed(PushedAuthorization::Required)
        };
        let world = World::with(config).await;
        let client = world.connected(wire).await;
        world.works(&client).await;
        assert_eq!(told(&world), ["client_id", "request_uri"]);
    }
}
