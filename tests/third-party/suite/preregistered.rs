//! Pre-registered clients with a secret; the user signs in.

use serde_json::{Value, json};

use crate::support::{Program, World};

const ID: &str = "an-application";
const SECRET: &str = "s3cret/with+odd=char:acters %90be";

async fn world(method: &str) -> World {
    World::with(json!({
        "dynamicRegistration": false,
        "clients": [{
            "client_id": ID,
            "client_secret": SECRET,
            "application_type": "native",
            "token_endpoint_auth_method": method,
            "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": ["http://127.0.0.1/oauth/callback"],
        }],
    }))
    .await
}

/// A call by the client, without the issuer for its secret.
fn stray(world: &World, secret: &str) -> Program {
    world
        .call("echo")
        .args(["--client-id", ID])
        .env("MCP_REAUTH_CLIENT_SECRET", secret)
}

fn call(world: &World, secret: &str) -> Program {
    stray(world, secret).args(["--client-issuer", world.issuer()])
}

#[tokio::test]
async fn its_refresh_token_stays_and_renews_again_and_again() {
    let world = world("client_secret_basic").await;
    let ended = call(&world, SECRET).run().await;
    ended
        .succeeded()
        .printed("hello\n")
        .showed(1)
        .hides(&[SECRET]);
    let refresh_token = world.refresh_token();
    for renewals in 1..=2 {
        world.servers.expire().await;
        // The client and its secret are stored.
        world.still_works().await.hides(&[SECRET]);
        let refreshes = world.token_requests("refresh_token").await;
        assert_eq!(refreshes.len(), renewals);
        assert_eq!(refreshes[renewals - 1]["error"], Value::Null);
        assert_eq!(refreshes[renewals - 1]["auth"], "client_secret_basic");
        assert_eq!(world.refresh_token(), refresh_token);
    }
}

#[tokio::test]
async fn without_the_issuer_nobody_is_sent_anywhere() {
    let world = world("client_secret_basic").await;
    let ended = stray(&world, SECRET).run().await.showed(0);
    let ended = ended.failed("[config]").hides(&[SECRET]);
    ended.said(&format!("--client-issuer {}", world.issuer()));
    assert!(world.servers.events("page").await.is_empty());
    assert!(world.servers.events("token").await.is_empty());
}

#[tokio::test]
async fn a_wrong_secret_is_an_error_that_does_not_show_it() {
    let world = world("client_secret_basic").await;
    let wrong = "not-the-secret-90be";
    let ended = call(&world, wrong).run().await.showed(1);
    ended.failed("[registration_rejected]").hides(&[wrong]);
    let ended = call(&world, SECRET).run().await;
    ended.succeeded().printed("hello\n").showed(1);
}

#[tokio::test]
async fn without_a_client_where_none_can_register_is_an_error() {
    let world = world("client_secret_basic").await;
    let ended = world.call("echo").run().await.showed(0);
    ended.failed("[registration_rejected]");
}
