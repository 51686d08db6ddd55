//! Signing out.

use mcp_reauth_fixture::Config;

use crate::support::{Wire, World, at_both_wires};

at_both_wires! {
    /// Both tokens are revoked, and nothing is stored.
    async fn revokes(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let kept = world.session.auth_state().await.unwrap().unwrap();
        world.session.sign_out().await.unwrap();
        assert_eq!(world.counters().revocations, 2);
        assert!(world.session.authorization().is_none());
        assert!(!world.session.connection_state().await.unwrap().signed_in);
        world.user.hears("signed_out").await;

        // A copy of the tokens is useless.
        world.session.set_auth_state(kept).await.unwrap();
        world.reset();
        client.succeeds("echo").await;
        let counters = world.counters();
        assert_eq!((counters.mcp_401, counters.token_failures), (1, 1));
        assert_eq!(world.prompts(), (0, 1));
    }

    /// The next call starts a sign-in.
    async fn and_in_again(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.session.sign_out().await.unwrap();
        client.succeeds("echo").await;
        assert_eq!(world.prompts(), (0, 1));
    }

    /// A server without revocation, or with a failing one: the session is signed out all the same.
    async fn without_revocation(wire: Wire) {
        let world = World::with(Config { revocation_endpoint: false, ..Config::default() }).await;
        world.connected(wire).await;
        world.session.sign_out().await.unwrap();
        assert!(world.session.authorization().is_none());

        let world = World::new().await;
        world.connected(wire).await;
        world.control().set_authorization_server_up(false);
        world.session.sign_out().await.unwrap();
        assert!(world.session.authorization().is_none());
    }
}
