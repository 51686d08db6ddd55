//! Clients that act on their own behalf (client credentials).

use mcp_reauth_fixture::{SigningAlg, SigningKey};
use serde_json::{Value, json};

use crate::support::{Program, World};

const ID: &str = "a-machine";
/// Its characters are encoded differently in a header (RFC 6749 section 2.3.1).
const SECRET: &str = "s3cret/with+odd=char:acters %71d0";

/// A world with the machine as registered client, which authenticates with this method.
async fn world(method: &str, offered: &[&str]) -> World {
    World::with(json!({
        "dynamicRegistration": false,
        "clientAuthMethods": offered,
        "clients": [{
            "client_id": ID,
            "client_secret": SECRET,
            "token_endpoint_auth_method": method,
            "grant_types": ["client_credentials"],
            "redirect_uris": [],
            "response_types": [],
        }],
    }))
    .await
}

/// A call by the machine, without the issuer for its secret.
fn stray(world: &World, secret: &str) -> Program {
    world
        .call("echo")
        .args(["--client-id", ID, "--client-credentials"])
        .env("MCP_REAUTH_CLIENT_SECRET", secret)
}

fn machine(world: &World, secret: &str) -> Program {
    stray(world, secret).args(["--client-issuer", world.issuer()])
}

#[tokio::test]
async fn a_machine_gets_a_token_and_a_new_one_when_that_expires() {
    let basic = ["client_secret_basic", "client_secret_post", "none"];
    let post = ["client_secret_post", "none"];
    for offered in [&basic[..], &post] {
        let world = world(offered[0], offered).await;
        for tokens in 1..=2 {
            let ended = machine(&world, SECRET).run().await;
            let ended = ended.succeeded().printed("hello\n").showed(0);
            ended.hides(&[SECRET, &world.access_token()]);
            let requests = world.token_requests("client_credentials").await;
            assert_eq!(requests.len(), tokens, "{requests:#?}");
            let last = &requests[tokens - 1];
            assert_eq!(last["error"], Value::Null, "{requests:#?}");
            assert_eq!(last["auth"], offered[0]);
            assert_eq!(last["resource"], world.url());
            assert_eq!(world.last_let_in().await["audience"], world.url());
            world.servers.expire().await;
        }
    }
}

#[tokio::test]
async fn without_the_issuer_nothing_is_sent() {
    let world = world(
        "client_secret_basic",
        &["client_secret_basic", "client_secret_post"],
    )
    .await;
    let ended = stray(&world, SECRET).run().await.showed(0);
    let ended = ended.failed("[config]").hides(&[SECRET]);
    ended.said(&format!("--client-issuer {}", world.issuer()));
    assert!(world.servers.events("token").await.is_empty());
}

#[tokio::test]
async fn a_wrong_secret_is_an_error_that_does_not_show_it() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let world = world(method, &[method, "client_secret_post", "none"]).await;
        let ended = machine(&world, "not-the-secret-90be").run().await;
        let ended = ended.showed(0).failed("[registration_rejected]");
        ended.hides(&["not-the-secret-90be"]);
        assert_eq!(world.token_requests("client_credentials").await.len(), 1);
        let ended = machine(&world, SECRET).run().await;
        ended.succeeded().printed("hello\n");
    }
}

/// A world in which the machine is registered with its key.
async fn keyed(key: &SigningKey) -> World {
    known_by(key.alg().name(), &key.public_jwks()).await
}

async fn known_by(algorithm: &str, jwks: &Value) -> World {
    World::with(json!({
        "dynamicRegistration": false,
        "clients": [{
            "client_id": ID,
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": algorithm,
            "jwks": jwks,
            "grant_types": ["client_credentials"],
            "redirect_uris": [],
            "response_types": [],
        }],
    }))
    .await
}

fn machine_with(world: &World, key: &str) -> Program {
    let file = world.file("key", key);
    let by_key = ["--client-id", ID, "--client-credentials", "--private-key"];
    let call = world.call("echo").args(by_key).args([file]);
    call.args(["--client-issuer", world.issuer()])
}

/// The parts of a key file that must not be visible.
fn lines(key: &SigningKey) -> Vec<&str> {
    let lines = key.to_pem().lines();
    lines.filter(|line| !line.starts_with("-----")).collect()
}

#[tokio::test]
async fn a_machine_is_known_by_its_key() {
    for algorithm in [SigningAlg::Es256, SigningAlg::Rs256, SigningAlg::EdDsa] {
        let key = SigningKey::generate(algorithm);
        let world = keyed(&key).await;
        for tokens in 1..=2 {
            let ended = machine_with(&world, key.to_pem()).run().await;
            let ended = ended.succeeded().printed("hello\n").showed(0);
            ended.hides(&lines(&key)).hides(&[&world.access_token()]);
            let requests = world.token_requests("client_credentials").await;
            assert_eq!(requests.len(), tokens, "{requests:#?}");
            let last = &requests[tokens - 1];
            assert_eq!(last["error"], Value::Null, "{requests:#?}");
            assert_eq!(last["auth"], "private_key_jwt");
            world.servers.expire().await;
        }
    }
}

#[tokio::test]
async fn a_machine_with_another_key_is_refused() {
    let world = keyed(&SigningKey::generate(SigningAlg::Es256)).await;
    let other = SigningKey::generate(SigningAlg::Es256);
    let ended = machine_with(&world, other.to_pem()).run().await;
    let ended = ended.showed(0).failed("[registration_rejected]");
    ended.hides(&lines(&other));
    assert_eq!(world.token_requests("client_credentials").await.len(), 1);
}

#[tokio::test]
async fn a_key_may_be_a_jwk() {
    // RFC 7515 appendix A.3.
    let mut key = json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let world = known_by("ES256", &json!({ "keys": [key.clone()] })).await;
    let private = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";
    key["d"] = json!(private);
    let ended = machine_with(&world, &key.to_string()).run().await;
    let ended = ended.succeeded().printed("hello\n").showed(0);
    ended.hides(&[private, &world.access_token()]);
    let requests = world.token_requests("client_credentials").await;
    assert_eq!(requests.len(), 1, "{requests:#?}");
    assert_eq!(requests[0]["auth"], "private_key_jwt");
}
