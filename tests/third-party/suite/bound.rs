//! Tokens that are bound to a key (DPoP), and authorization requests that are pushed.

use serde_json::{Value, json};

use crate::support::World;

/// A world whose MCP server treats bound tokens like that.
async fn world(dpop: &str, nonces: bool) -> World {
    World::with(json!({ "dpop": dpop, "dpopNonces": nonces })).await
}

/// How the MCP server was last asked.
async fn scheme(world: &World) -> Value {
    world.last_let_in().await["scheme"].clone()
}

#[tokio::test]
async fn bound_tokens_are_used_and_renewed_by_one_process_after_another() {
    for nonces in [false, true] {
        let world = world("accepted", nonces).await;
        let login = world.connecting(["login", world.url(), "--dpop"]);
        login.run().await.succeeded().showed(1);
        // The key is on record: nobody has to ask for it again.
        world.still_works().await;
        assert_eq!(scheme(&world).await, "DPoP");
        for renewals in 1..=2 {
            world.servers.expire().await;
            world.still_works().await.hides(&[&world.access_token()]);
            assert_eq!(scheme(&world).await, "DPoP");
            let mut refreshes = world.token_requests("refresh_token").await;
            refreshes.retain(|refresh| refresh["error"].is_null());
            assert_eq!(refreshes.len(), renewals, "{refreshes:#?}");
            assert_eq!(refreshes[renewals - 1]["type"], "DPoP");
            // What nobody else can use, oidc-provider does not replace.
            assert_eq!(refreshes[renewals - 1]["rotations"], 0);
        }
    }
}

#[tokio::test]
async fn a_server_that_wants_bound_tokens_gets_them_unasked() {
    for nonces in [false, true] {
        let world = world("required", nonces).await;
        let ended = world.call("echo").run().await;
        ended.succeeded().printed("hello\n").showed(1);
        assert_eq!(scheme(&world).await, "DPoP");
        let ended = world.call("write").args(["--yes"]).run().await;
        ended.succeeded().showed(1);
        assert_eq!(scheme(&world).await, "DPoP");
        world.still_works().await;
    }
}

#[tokio::test]
async fn a_nonce_that_changed_costs_a_request_and_nothing_else() {
    let world = world("required", true).await;
    world.sign_in().await;
    world.servers.change_nonce().await;
    world.still_works().await;
    world.servers.expire().await;
    world.servers.change_nonce().await;
    world.still_works().await;
}

#[tokio::test]
async fn bearer_tokens_are_used_where_both_are_taken() {
    let world = world("accepted", false).await;
    world.sign_in().await;
    world.still_works().await;
    assert_eq!(scheme(&world).await, "Bearer");
}

#[tokio::test]
async fn requests_are_pushed_where_the_server_insists() {
    for dpop in ["off", "required"] {
        let world = World::with(json!({ "requirePushedRequests": true, "dpop": dpop })).await;
        let ended = world.call("echo").run().await;
        let ended = ended.succeeded().printed("hello\n").showed(1);
        ended.said("request_uri=").hides(&["code_challenge"]);
        world.still_works().await;
    }
}

#[tokio::test]
async fn requests_are_pushed_where_that_is_wanted_and_offered() {
    let world = World::start().await;
    let login = world.connecting(["login", world.url(), "--push-requests"]);
    let ended = login.run().await.succeeded().showed(1);
    ended.said("request_uri=").hides(&["code_challenge"]);
    world.still_works().await;
}
