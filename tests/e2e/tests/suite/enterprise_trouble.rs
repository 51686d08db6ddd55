//! Policy refusals of an organization, and failures of its identity provider.

use mcp_reauth::MemoryStore;
use mcp_reauth_fixture::Faults;
use mcp_reauth_fixture::config::Policy;

use crate::support::enterprise::world;
use crate::support::{Client, Wire, World, at_both_wires};

async fn signed_in(wire: Wire) -> (World, Client) {
    let world = world(&MemoryStore::new()).await;
    let client = world.connected(wire).await;
    (world, client)
}

/// With `faults`, renewal fails with `code` and without a prompt; without them, it works.
async fn fails_and_recovers(wire: Wire, faults: Faults, code: &str) {
    let (world, client) = signed_in(wire).await;
    world.control().expire_access_tokens();
    world.fault(faults);
    client.fails("echo", code).await;
    assert_eq!(world.prompts(), (0, 0));
    assert_eq!(world.counters().authorize_visits, 0);
    world.mend();
    world.works(&client).await;
    assert_eq!(world.prompts(), (0, 0));
}

/// With `faults`, the first sign-in fails with `code` and nothing is stored; without them, it succeeds.
async fn sign_in_fails(wire: Wire, faults: Faults, code: &str) {
    let world = world(&MemoryStore::new()).await;
    world.fault(faults);
    world.refuses(wire, code).await;
    let idp = world.session.identity_provider().unwrap();
    assert!(!idp.state().await.unwrap().signed_in);
    assert_eq!(world.counters().idp_exchange, 0);
    assert_eq!(world.prompts(), (0, 1));
    world.mend();
    let client = world.connect(wire).await;
    world.works(&client).await;
}

fn faults(change: impl FnOnce(&mut Faults)) -> Faults {
    let mut faults = Faults::default();
    change(&mut faults);
    faults
}

at_both_wires! {
    async fn policy_refuses_a_scope(wire: Wire) {
        let (world, client) = signed_in(wire).await;
        world.control().set_idp_policy(Policy::RefuseScopes(vec!["mcp:write".into()]));
        let failure = client.fails("write_note", "policy_denied").await;
        assert!(failure.text.contains("policy"), "{failure:?}");
        assert_eq!(world.counters().total(), 2, "failed, and the exchange");
        assert_eq!(world.prompts(), (0, 0));
        world.works(&client).await;
        client.succeeds("delete_note").await;
        // The scope is not requested again unless it is needed.
        world.control().expire_access_tokens();
        world.works(&client).await;
        world.control().set_idp_policy(Policy::Allow);
        client.succeeds("write_note").await;
    }

    /// The existing token works until it expires; then requests fail, without a page.
    async fn policy_refuses_everything(wire: Wire) {
        let (world, client) = signed_in(wire).await;
        world.control().set_idp_policy(Policy::RefuseAll);
        world.works(&client).await;
        world.control().expire_access_tokens();
        client.fails("echo", "policy_denied").await;
        client.fails("echo", "policy_denied").await;
        assert_eq!(world.prompts(), (0, 0));
        world.control().set_idp_policy(Policy::Allow);
        world.works(&client).await;
    }

    /// A granted scope that is no longer allowed does not prevent access with the others.
    async fn policy_takes_a_scope_away(wire: Wire) {
        let (world, client) = signed_in(wire).await;
        client.succeeds("write_note").await;
        world.control().set_idp_policy(Policy::RefuseScopes(vec!["mcp:write".into()]));
        world.control().expire_access_tokens();
        client.fails("echo", "policy_denied").await;
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 0));
    }

    async fn grant_is_refused(wire: Wire) {
        for code in ["access_denied", "invalid_scope", "invalid_grant"] {
            let refused = faults(|f| f.jwt_bearer_error = Some(code.into()));
            fails_and_recovers(wire, refused, "policy_denied").await;
        }
    }

    async fn exchange_is_refused(wire: Wire) {
        for code in ["access_denied", "invalid_scope", "invalid_grant"] {
            let refused = faults(|f| f.exchange_error = Some(code.into()));
            fails_and_recovers(wire, refused, "policy_denied").await;
        }
    }

    async fn assertion_expired_on_the_way(wire: Wire) {
        fails_and_recovers(wire, faults(|f| f.id_jag_expired = true), "policy_denied").await;
    }

    async fn identity_provider_is_down(wire: Wire) {
        fails_and_recovers(wire, faults(|f| f.idp_down = true), "refresh_unavailable").await;
        let broken = faults(|f| f.idp_token_status = Some(503));
        fails_and_recovers(wire, broken, "refresh_unavailable").await;
    }

    async fn authorization_server_is_down(wire: Wire) {
        let broken = faults(|f| f.token_status = Some(503));
        fails_and_recovers(wire, broken, "refresh_unavailable").await;
    }

    async fn exchange_for_something_else(wire: Wire) {
        let other = "urn:ietf:params:oauth:token-type:access_token";
        let odd = faults(|f| f.exchange_issued_token_type = Some(other.into()));
        fails_and_recovers(wire, odd, "authorization_denied").await;
    }

    /// The ID token is rejected before it expires: the session is renewed, and recovery continues.
    async fn id_token_refused_early(wire: Wire) {
        let (world, client) = signed_in(wire).await;
        world.control().expire_id_tokens();
        world.control().expire_access_tokens();
        world.works(&client).await;
        // Rejected, exchange, refresh, exchange, grant, retry.
        assert_eq!(world.counters().total(), 6);
        assert_eq!(world.prompts(), (0, 0));
    }

    /// The session at the identity provider has ended: the user signs in there again, and nowhere else.
    async fn session_ended(wire: Wire) {
        let (world, client) = signed_in(wire).await;
        world.control().end_idp_sessions();
        world.control().expire_access_tokens();
        world.works(&client).await;
        let counters = world.counters();
        assert_eq!((counters.idp_authorize, counters.authorize_visits), (1, 0));
        assert_eq!(world.prompts(), (0, 1));
    }

    async fn id_token_that_cannot_be_trusted(wire: Wire) {
        type Change = fn(&mut Faults);
        let changes: [Change; 7] = [
            |f| f.id_token_issuer = Some("https://evil.example".into()),
            |f| f.id_token_audience = Some("somebody else".into()),
            |f| f.id_token_nonce = Some("another".into()),
            |f| f.id_token_expired = true,
            |f| f.id_token_alg_none = true,
            |f| f.id_token_unknown_key = true,
            |f| f.id_token_missing = true,
        ];
        for change in changes {
            sign_in_fails(wire, faults(change), "id_token_invalid").await;
        }
    }

    async fn keys_that_are_not_there(wire: Wire) {
        sign_in_fails(wire, faults(|f| f.idp_jwks_broken = true), "metadata_invalid").await;
    }

    /// A renewed ID token is validated like the first.
    async fn renewed_id_token_that_cannot_be_trusted(wire: Wire) {
        type Change = fn(&mut Faults);
        let changes: [Change; 4] = [
            |f| f.id_token_issuer = Some("https://evil.example".into()),
            |f| f.id_token_audience = Some("somebody else".into()),
            |f| f.id_token_alg_none = true,
            |f| f.id_token_unknown_key = true,
        ];
        for change in changes {
            let (world, client) = signed_in(wire).await;
            world.clock.advance(700);
            world.control().advance(std::time::Duration::from_secs(700));
            world.control().expire_access_tokens();
            world.fault(faults(change));
            client.fails("echo", "id_token_invalid").await;
            assert_eq!(world.counters().idp_exchange, 0);
            world.mend();
            world.works(&client).await;
        }
    }
}
