//! Enterprise-managed authorization: the organization's identity provider grants access silently.

use futures_util::future::join_all;
use mcp_reauth::enterprise::IdpState;
use mcp_reauth::{HandleOptions, IdpSession, MemoryStore, Outcome, Policy, Revocation, ScopeSet};

use crate::support::enterprise::{another, managed, provider, staged, world};
use crate::support::{Wire, World, at_both_wires, connect_to};

async fn idp(world: &World) -> IdpState {
    let session = world.session.identity_provider().expect("there is one");
    session.state().await.expect("the store is there")
}

/// Advances the client's and the servers' clocks together.
fn later(world: &World, seconds: u64) {
    world.clock.advance(seconds);
    let by = std::time::Duration::from_secs(seconds);
    world.control().advance(by);
}

at_both_wires! {
    /// One page, at the identity provider.
    async fn first_sign_in(wire: Wire) {
        let world = world(&MemoryStore::new()).await;
        let _client = world.connect(wire).await;
        world.at_rest(wire).await;
        let counters = world.counters();
        let rest = wire.greetings() - 1 + counters.mcp_get;
        // Rejected; identity provider's metadata, code, keys; resource's and server's metadata, exchange, grant; retry.
        assert_eq!(counters.http_requests() - rest, 9, "{counters:?}");
        assert_eq!((counters.idp_authorize, counters.authorize_visits), (1, 0));
        assert_eq!((counters.idp_exchange, counters.token_jwt_bearer), (1, 1));
        assert_eq!(world.prompts(), (0, 1));
        assert_eq!(world.granted(), ScopeSet::parse("mcp:read"));
        assert_eq!(world.user.last_page().issuer, world.idp_issuer());
        let state = idp(&world).await;
        assert!(state.authorized && state.renewable, "{state:?}");
        assert_eq!(state.subject.as_deref(), Some("user-1"));
        assert_eq!(state.servers, [world.url()]);
    }

    /// Rejected, exchange, grant, retry.
    async fn rejected_token_takes_four_requests(wire: Wire) {
        let world = world(&MemoryStore::new()).await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        world.works(&client).await;
        let counters = world.counters();
        assert_eq!(counters.total(), 4, "{counters:?}");
        assert_eq!((counters.idp_exchange, counters.token_jwt_bearer), (1, 1));
        assert_eq!(world.prompts(), (0, 0));
    }

    /// The same, after renewing the session at the identity provider.
    async fn expired_id_token_takes_five_requests(wire: Wire) {
        let world = world(&MemoryStore::new()).await;
        let client = world.connected(wire).await;
        later(&world, 700);
        world.control().expire_access_tokens();
        world.works(&client).await;
        let counters = world.counters();
        assert_eq!(counters.total(), 5, "{counters:?}");
        assert_eq!((counters.idp_token_refresh, counters.reuse_detected), (1, 0));
        assert_eq!(world.prompts(), (0, 0));
        assert!(idp(&world).await.authorized);
        assert!(world.user.events().contains(&"idp_session_renewed".to_owned()));
    }

    /// A token that is known to have expired is renewed before a request is sent.
    async fn expired_by_the_clock(wire: Wire) {
        let world = world(&MemoryStore::new()).await;
        let client = world.connected(wire).await;
        later(&world, 4000);
        world.works(&client).await;
        let counters = world.counters();
        // Refresh, exchange, grant, and the call.
        assert_eq!(counters.total(), 4, "{counters:?}");
        assert_eq!(counters.mcp_401, 0);
    }

    /// The organization decides: more access is granted without a prompt.
    async fn step_up_is_silent(wire: Wire) {
        let world = world(&MemoryStore::new()).await;
        let client = world.connected(wire).await;
        client.succeeds("write_note").await;
        let counters = world.counters();
        assert_eq!(counters.total(), 4, "{counters:?}");
        assert_eq!(world.prompts(), (0, 0));
        assert_eq!(world.granted(), ScopeSet::parse("mcp:read mcp:write"));
        // The same scopes are requested again.
        world.control().expire_access_tokens();
        client.succeeds("write_note").await;
        assert_eq!(world.counters().total(), 8);
        assert_eq!(world.granted(), ScopeSet::parse("mcp:read mcp:write"));
    }

    /// If the policy says so, the user is asked, once for all requests.
    async fn step_up_that_people_are_to_see(wire: Wire) {
        let store = MemoryStore::new();
        let confirm = Policy { confirm_enterprise_step_up: true, ..Policy::default() };
        let world = staged(provider(), &store, |builder| builder.policy(confirm)).await;
        let client = world.connected(wire).await;
        let calls = join_all((0..20).map(|_| client.call("write_note"))).await;
        assert!(calls.iter().all(Result::is_ok), "{calls:?}");
        assert_eq!(world.prompts(), (1, 0));
        let counters = world.counters();
        assert_eq!((counters.idp_exchange, counters.token_jwt_bearer), (1, 1));

        world.reset();
        world.user.says(false);
        client.fails("delete_note", "consent_denied").await;
        assert_eq!(world.prompts(), (1, 0));
        assert_eq!(world.counters().idp_exchange, 0);
        world.works(&client).await;
    }

    /// An application that asks in its own way first.
    async fn step_up_confirmed_by_the_application(wire: Wire) {
        let store = MemoryStore::new();
        let confirm = Policy { confirm_enterprise_step_up: true, ..Policy::default() };
        let world = staged(provider(), &store, |builder| builder.policy(confirm)).await;
        let client = world.connected(wire).await;
        let line = r#"Bearer error="insufficient_scope", scope="mcp:write""#;
        let challenge = mcp_reauth::AuthChallenge::from_response(403, [line]).unwrap();
        let asked = world.session.handle_auth_challenge(challenge.clone(), HandleOptions::default());
        let asked = asked.await;
        assert!(matches!(asked, Outcome::StepUpConfirm { .. }), "{asked:?}");
        assert_eq!((world.prompts(), world.counters().total()), ((0, 0), 0));
        let yes = HandleOptions { confirmed_step_up: true, ..HandleOptions::default() };
        let done = world.session.handle_auth_challenge(challenge, yes).await;
        assert_eq!(done, Outcome::Satisfied);
        assert_eq!((world.prompts(), world.counters().total()), ((0, 0), 2));
        client.succeeds("write_note").await;
    }

    /// Two servers behind one identity provider: one sign-in.
    async fn second_server_shows_no_page(wire: Wire) {
        let store = MemoryStore::new();
        let world = world(&store).await;
        let _client = world.connected(wire).await;
        let other = another(&world).await;
        let set_up = |builder| managed(builder, world.idp_issuer()).store(store.clone());
        let session = world.another_session(&other.mcp_url, set_up).await;
        let client = connect_to(&session, wire).await.unwrap();
        client.succeeds("echo").await;
        assert_eq!(world.prompts(), (0, 0));
        assert_eq!(other.control.counters().token_jwt_bearer, 1);
        assert_eq!(world.counters().idp_exchange, 1);
        let mut servers = idp(&world).await.servers;
        servers.sort();
        let mut both = [world.url().to_owned(), other.mcp_url.clone()];
        both.sort();
        assert_eq!(servers, both);
    }

    /// Both need the user at the same time; one page is shown.
    async fn two_servers_at_once_show_one_page(wire: Wire) {
        let store = MemoryStore::new();
        let world = world(&store).await;
        let other = another(&world).await;
        let set_up = |builder| managed(builder, world.idp_issuer()).store(store.clone());
        let session = world.another_session(&other.mcp_url, set_up).await;
        let (one, two) = tokio::join!(
            connect_to(&world.session, wire),
            connect_to(&session, wire)
        );
        one.unwrap().succeeds("echo").await;
        two.unwrap().succeeds("echo").await;
        assert_eq!(world.prompts(), (0, 1));
        assert_eq!(world.counters().idp_exchange, 2);
    }

    /// Everything expires at once, on two servers: one renewal of the session, one token request each.
    async fn fifty_failures_over_two_servers(wire: Wire) {
        let store = MemoryStore::new();
        let world = world(&store).await;
        let one = world.connected(wire).await;
        let other = another(&world).await;
        let set_up = |builder| managed(builder, world.idp_issuer()).store(store.clone());
        let session = world.another_session(&other.mcp_url, set_up).await;
        let two = connect_to(&session, wire).await.unwrap();
        two.succeeds("echo").await;
        world.reset();
        other.control.reset_counters();
        later(&world, 700);
        other.control.advance(std::time::Duration::from_secs(700));
        world.control().expire_access_tokens();
        other.control.expire_access_tokens();
        let calls = (0..25).flat_map(|_| [one.call("echo"), two.call("echo")]);
        let calls = join_all(calls).await;
        assert!(calls.iter().all(Result::is_ok), "{calls:?}");
        let counters = world.counters();
        assert_eq!((counters.idp_token_refresh, counters.idp_exchange), (1, 2));
        assert_eq!(counters.token_jwt_bearer, 1);
        assert_eq!(other.control.counters().token_jwt_bearer, 1);
        assert_eq!((counters.reuse_detected, world.prompts()), (0, (0, 0)));
    }

    /// The tokens obtained through the session are revoked with it; others stay.
    async fn signing_out_at_the_identity_provider(wire: Wire) {
        let store = MemoryStore::new();
        let world = world(&store).await;
        let client = world.connected(wire).await;
        let other = another(&world).await;
        let plain = |builder: mcp_reauth::AuthSessionBuilder| builder.store(store.clone());
        let standard = world.another_session(&other.mcp_url, plain).await;
        connect_to(&standard, wire).await.unwrap().succeeds("echo").await;
        world.reset();

        let idp_session = world.session.identity_provider().unwrap();
        assert_eq!(idp_session.sign_out().await, Ok(Revocation::Done));
        let counters = world.counters();
        assert_eq!((counters.idp_revocations, counters.revocations), (1, 1));
        let state = idp(&world).await;
        assert!(!state.signed_in && state.servers.is_empty(), "{state:?}");
        assert!(world.control().live_tokens().is_empty());
        assert!(!world.session.connection_state().await.unwrap().signed_in);
        assert!(standard.connection_state().await.unwrap().authorized);
        assert_eq!(world.prompts(), (0, 0));

        // The next call needs the user again.
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 1));
    }

    /// The user authenticates again, more strongly, at the identity provider (RFC 9470).
    async fn stronger_sign_in(wire: Wire) {
        let world = world(&MemoryStore::new()).await;
        let client = world.connected(wire).await;
        client.succeeds("transfer").await;
        let counters = world.counters();
        assert_eq!((counters.idp_authorize, counters.authorize_visits), (1, 0));
        assert!(world.user.last_page().url.contains("acr_values=urn%3Amcp%3Amfa"));
        assert_eq!(world.prompts().1, 1);
    }

    /// The session can be opened by its issuer, without a server.
    async fn looked_at_without_a_server(wire: Wire) {
        let store = MemoryStore::new();
        let world = world(&store).await;
        let _client = world.connected(wire).await;
        let session = IdpSession::builder(world.idp_issuer()).store(store.clone());
        let session = session.open().unwrap();
        assert!(session.state().await.unwrap().authorized);
        assert_eq!(session.sign_out().await, Ok(Revocation::Done));
        assert!(!idp(&world).await.signed_in);
        assert_eq!(session.sign_out().await, Ok(Revocation::Nothing));
    }
}
