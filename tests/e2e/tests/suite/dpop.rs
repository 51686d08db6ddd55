//! Tokens bound to a key (RFC 9449).

use std::collections::HashSet;

use futures_util::future::join_all;
use mcp_reauth::{Dpop, MemoryStore, PrivateKey};
use mcp_reauth_fixture::config::{Dpop as Binding, DpopNonce};
use mcp_reauth_fixture::{Config, Faults, SigningAlg, SigningKey};

use crate::support::{Wire, World, at_both_wires, connect_to};

fn bound(dpop: Binding, dpop_nonce: DpopNonce) -> Config {
    Config {
        dpop,
        dpop_nonce,
        ..Config::default()
    }
}

/// Whether all valid tokens are bound to keys.
fn all_bound(world: &World) -> bool {
    let live = world.control().live_tokens();
    !live.is_empty() && live.iter().all(|token| token.dpop_jkt.is_some())
}

at_both_wires! {
    /// The server requires it, without an option of the program.
    async fn server_asks_for_it(wire: Wire) {
        let world = World::with(bound(Binding::Required, DpopNonce::Off)).await;
        let client = world.connected(wire).await;
        assert!(all_bound(&world));
        world.works(&client).await;
        assert_eq!(world.counters().total(), 1);
        world.control().expire_access_tokens();
        world.works(&client).await;
        assert_eq!(world.counters().total(), 4);
        client.succeeds("write_note").await;
        assert!(all_bound(&world));
        assert_eq!(world.prompts(), (1, 1));
    }

    /// A server that accepts bearer tokens too gets them, unless the program wants bound ones.
    async fn off_unless_wanted(wire: Wire) {
        let world = World::with(bound(Binding::Supported, DpopNonce::Off)).await;
        let _client = world.connected(wire).await;
        assert!(world.control().live_tokens().iter().all(|token| token.dpop_jkt.is_none()));
        let always = |builder: mcp_reauth::AuthSessionBuilder| builder.dpop(Dpop::Always);
        let world = World::with_session(bound(Binding::Supported, DpopNonce::Off), always).await;
        let client = world.connected(wire).await;
        assert!(all_bound(&world));
        world.works(&client).await;
    }

    /// A program that requires it does not sign in at a server that does not offer it.
    async fn wanted_and_not_offered(wire: Wire) {
        let always = |builder: mcp_reauth::AuthSessionBuilder| builder.dpop(Dpop::Always);
        let world = World::with_session(Config::default(), always).await;
        let failure = world.refuses(wire, "metadata_invalid").await;
        assert!(failure.text.contains("DPoP"), "{failure:?}");
        assert_eq!(world.prompts(), (0, 0));
    }

    /// Each server's nonce costs one additional request, and is then remembered.
    async fn nonces_of_both_servers(wire: Wire) {
        let world = World::with(bound(Binding::Required, DpopNonce::Demanded)).await;
        let client = world.connected(wire).await;
        world.works(&client).await;
        assert_eq!(world.counters().total(), 1);
        world.control().expire_access_tokens();
        world.works(&client).await;
        assert_eq!(world.counters().total(), 4);
        world.reset();
        world.control().rotate_dpop_nonces();
        world.works(&client).await;
        let counters = world.counters();
        assert_eq!((counters.total(), counters.dpop_nonce_challenges), (2, 1));
        assert_eq!(world.prompts(), (0, 0));
    }

    /// A server that announces its nonce needs no additional request.
    async fn announced_nonces(wire: Wire) {
        let world = World::with(bound(Binding::Required, DpopNonce::Announced)).await;
        let client = world.connected(wire).await;
        world.works(&client).await;
        world.control().expire_access_tokens();
        world.works(&client).await;
        assert_eq!(world.counters().total(), 4);
        assert_eq!(world.counters().dpop_nonce_challenges, 0);
    }

    /// Another nonce each time: a few tries, a typed error, no page, and nothing is lost.
    async fn endless_nonces(wire: Wire) {
        let world = World::with(bound(Binding::Required, DpopNonce::Demanded)).await;
        let client = world.connected(wire).await;
        world.fault(Faults { dpop_nonce_always_mcp: true, ..Faults::default() });
        client.fails("echo", "unauthorized").await;
        let counters = world.counters();
        assert!(counters.total() <= 4, "{counters:?}");
        assert_eq!(counters.token_requests, 0);
        world.mend();
        world.works(&client).await;

        world.reset();
        world.control().expire_access_tokens();
        world.fault(Faults { dpop_nonce_always_token: true, ..Faults::default() });
        client.fails("echo", "refresh_unavailable").await;
        let counters = world.counters();
        assert!(counters.token_requests <= 6, "{counters:?}");
        world.mend();
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 0));
    }

    /// A wrong clock causes no sign-in.
    async fn clock_is_wrong(wire: Wire) {
        let world = World::with(bound(Binding::Required, DpopNonce::Off)).await;
        let client = world.connected(wire).await;
        world.fault(Faults { dpop_clock_skew: Some(600), ..Faults::default() });
        let failure = client.fails("echo", "unauthorized").await;
        assert_eq!(world.counters().token_requests, 0, "{failure:?}");
        world.mend();
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 0));
    }

    /// A proof is for one address and one request: each redirected request has its own.
    async fn redirected(wire: Wire) {
        let world = World::with(bound(Binding::Required, DpopNonce::Off)).await;
        let client = world.connected(wire).await;
        let before = world.control().requests().len();
        let target = format!("{}?again", world.url());
        world.fault(Faults { redirect_mcp_to: Some(target), ..Faults::default() });
        client.fails("echo", "http").await;
        let requests = world.control().requests().split_off(before);
        let proofs: Vec<&str> = requests.iter().filter_map(|r| r.header("dpop")).collect();
        let distinct: HashSet<&str> = proofs.iter().copied().collect();
        assert_eq!((proofs.len(), distinct.len()), (6, 6));
        world.mend();
        world.works(&client).await;
    }

    /// One renewal for all calls, each with its own proof.
    async fn fifty_calls_with_an_expired_token(wire: Wire) {
        let world = World::with(bound(Binding::Required, DpopNonce::Demanded)).await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        let calls = join_all((0..50).map(|_| client.call("echo"))).await;
        assert!(calls.iter().all(Result::is_ok), "{calls:?}");
        assert_eq!(world.counters().token_refresh, 1);
        assert_eq!(world.prompts(), (0, 0));
    }

    /// The key is stored with the tokens.
    async fn restart(wire: Wire) {
        let store = MemoryStore::new();
        let config = bound(Binding::Required, DpopNonce::Off);
        let kept = store.clone();
        let world = World::with_session(config, move |builder| builder.store(kept)).await;
        let _client = world.connected(wire).await;
        let again = |builder: mcp_reauth::AuthSessionBuilder| builder.store(store.clone());
        let session = world.another_session(world.url(), again).await;
        let client = connect_to(&session, wire).await.unwrap();
        client.succeeds("echo").await;
        world.control().expire_access_tokens();
        client.succeeds("echo").await;
        assert_eq!(world.prompts(), (0, 0));
        let state = session.connection_state().await.unwrap();
        assert!(state.bound_to_key && state.renewable, "{state:?}");
    }

    /// An application that keeps the key itself: no store has it, and without it no token can be used.
    async fn key_of_the_applications_own(wire: Wire) {
        let pem = SigningKey::generate(SigningAlg::Es256).to_pem().to_owned();
        let key = || PrivateKey::read(&pem).unwrap();
        let store = MemoryStore::new();
        let kept = store.clone();
        let config = bound(Binding::Required, DpopNonce::Off);
        let world = World::with_session(config, move |builder| {
            builder.store(kept).dpop_key(key())
        })
        .await;
        let _client = world.connected(wire).await;
        let with_key = |builder: mcp_reauth::AuthSessionBuilder| {
            builder.store(store.clone()).dpop_key(key())
        };
        let session = world.another_session(world.url(), with_key).await;
        connect_to(&session, wire).await.unwrap().succeeds("echo").await;
        let without = |builder: mcp_reauth::AuthSessionBuilder| builder.store(store.clone());
        let session = world.another_session(world.url(), without).await;
        let failure = connect_to(&session, wire).await.err().expect("it has no key");
        assert_eq!(failure.code, "host", "{failure:?}");
    }
}
