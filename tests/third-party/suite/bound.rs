//! Tokens bound to a key (DPoP), and pushed authorization requests.

use serde_json::{Value, json};

use crate::support::World;

/// A world whose MCP server handles bound tokens like this.
async fn world(dpop: &str, nonces: bool) -> World {
    World::with(json!({ "dpop": dpop, "dpopNonces": nonces })).await
}

/// The scheme of the last request to the MCP server.
async fn scheme(world: &World) -> Value {
    world.last_let_in().await["scheme"].clone()
}

#[tokio::test]
async fn bound_tokens_are_used_and_renewed_by_one_process_after_another() {
    for nonces in [false, true] {
        let world = world("accepted", nonces).await;
        let login = world.connecting(["login", world.url(), "--dpop"]);
        login.run().await.succeeded().showed(1);
        // The key is stored, so the option is not needed again.
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
            // oidc-provider does not rotate refresh tokens that are bound to a key.
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

/// The keys that tokens were bound to so far; asserts the type of the tokens.
async fn keys(world: &World) -> Vec<Value> {
    let mut tokens = world.servers.events("token").await;
    tokens.retain(|token| token["error"].is_null());
    for token in &tokens {
        assert_eq!(token["type"], "DPoP", "{tokens:#?}");
        assert!(token["key"].is_string(), "{tokens:#?}");
    }
    tokens.iter().map(|token| token["key"].clone()).collect()
}

#[tokio::test]
async fn tokens_stay_bound_to_one_key_while_refresh_tokens_rotate() {
    let settings = json!({ "dpop": "accepted", "alwaysRotates": true });
    let world = World::with(settings).await;
    let login = world.connecting(["login", world.url(), "--dpop"]);
    login.run().await.succeeded().showed(1);
    let mut known = vec![world.refresh_token()];
    for renewals in 1..=2 {
        world.servers.expire().await;
        world.still_works().await.hides(&[&world.access_token()]);
        let refreshes = world.token_requests("refresh_token").await;
        assert_eq!(refreshes.len(), renewals, "{refreshes:#?}");
        assert_eq!(refreshes[renewals - 1]["rotations"], renewals);
        assert!(!known.contains(&world.refresh_token()), "not rotated");
        known.push(world.refresh_token());
    }
    let ended = world.call("write").args(["--yes"]).run().await;
    ended.succeeded().printed("hello\n").showed(1);
    assert_eq!(scheme(&world).await, "DPoP");
    let both = json!(["mcp:read", "mcp:write"]);
    assert_eq!(world.last_let_in().await["scopes"], both);
    let keys = keys(&world).await;
    assert_eq!(keys.len(), 4);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[tokio::test]
async fn what_is_bound_is_of_no_use_to_a_thief() {
    let world = world("accepted", false).await;
    let login = world.connecting(["login", world.url(), "--dpop"]);
    login.run().await.succeeded().showed(1);
    assert!(!world.servers.accepts(&world.access_token()).await);
    let client_id = world.state().await["clientId"].clone();
    let refresh_token = world.refresh_token();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &refresh_token),
        ("client_id", client_id.as_str().expect("a client id")),
    ];
    let (status, answer) = world.servers.post("/token", &form).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    world.still_works().await;
}

#[tokio::test]
async fn a_challenge_is_enough_to_ask_for_bound_tokens() {
    let settings = json!({ "dpop": "required", "dpopAnnounced": false });
    let world = World::with(settings).await;
    let ended = world.call("echo").run().await;
    ended.succeeded().printed("hello\n").showed(1);
    assert_eq!(scheme(&world).await, "DPoP");
    assert_eq!(keys(&world).await.len(), 1);
}

/// How many proofs the MCP server and the authorization server have rejected for their nonce.
async fn nonces_asked(world: &World) -> (usize, usize) {
    let mut refused = [0, 0];
    for (refused, what) in refused.iter_mut().zip(["mcp", "token"]) {
        let events = world.servers.events(what).await;
        let asked = |event: &&Value| event["error"] == "use_dpop_nonce";
        *refused = events.iter().filter(asked).count();
    }
    refused.into()
}

#[tokio::test]
async fn a_nonce_costs_a_process_one_request_at_each_server() {
    let world = world("required", true).await;
    // The command signs in twice, with several requests in between.
    let ended = world.call("write").args(["--yes"]).run().await;
    ended.succeeded().printed("hello\n").showed(2);
    assert_eq!(keys(&world).await.len(), 2);
    assert_eq!(nonces_asked(&world).await, (1, 1));
    world.still_works().await;
    assert_eq!(nonces_asked(&world).await, (2, 1));
    world.servers.expire().await;
    world.still_works().await;
    assert_eq!(nonces_asked(&world).await, (3, 2));
}

#[tokio::test]
async fn a_nonce_that_changed_costs_a_request_and_nothing_else() {
    let world = world("required", true).await;
    world.sign_in().await;
    world.servers.expire().await;
    world.servers.hold().await;
    let (at_mcp, at_issuer) = nonces_asked(&world).await;
    let program = world.call("echo").start();
    // The program has used the old nonce.
    world.servers.have_held(1).await;
    assert_eq!(nonces_asked(&world).await, (at_mcp + 1, at_issuer));
    world.servers.change_nonce().await;
    world.servers.release().await;
    program.end().await.succeeded().printed("hello\n").showed(0);
    let asked = nonces_asked(&world).await;
    assert_eq!(asked, (at_mcp + 2, at_issuer + 1));
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
    for (dpop, nonces) in [("off", false), ("required", false), ("required", true)] {
        let settings = json!({ "requirePushedRequests": true, "dpop": dpop, "dpopNonces": nonces });
        let world = World::with(settings).await;
        let ended = world.call("echo").run().await;
        let ended = ended.succeeded().printed("hello\n").showed(1);
        ended.said("request_uri=").hides(&["code_challenge"]);
        assert_eq!(world.servers.events("pushed").await.len(), 1);
        let bound = if dpop == "off" { "Bearer" } else { "DPoP" };
        assert_eq!(scheme(&world).await, bound);
        world.still_works().await;
    }
}

#[tokio::test]
async fn requests_are_pushed_where_that_is_wanted_and_offered() {
    let world = World::start().await;
    let login = world.connecting(["login", world.url(), "--push-requests"]);
    let ended = login.run().await.succeeded().showed(1);
    ended.said("request_uri=").hides(&["code_challenge"]);
    assert_eq!(world.servers.events("pushed").await.len(), 1);
    world.still_works().await;
}
