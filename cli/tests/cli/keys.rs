//! Keys and tokens in files: private keys of clients, workload tokens, and keys that tokens are bound to.

use std::path::{Path, PathBuf};

use mcp_reauth_fixture::config::{
    AuthMethod, Dpop, DpopNonce, GrantType, PreRegisteredClient, PushedAuthorization, Workload,
};
use mcp_reauth_fixture::{Config, SigningAlg, SigningKey, WorkloadAssertion};
use serde_json::{Value, json};

use crate::support::{Ended, World};

const ID: &str = "a-machine";

/// A world whose only registered client has the private key for `jwks`.
async fn keyed(jwks: Value) -> World {
    let mut config = Config::default();
    let methods = &mut config.token_endpoint_auth_methods_supported;
    methods.push(AuthMethod::PrivateKeyJwt);
    config.registration.clients = vec![PreRegisteredClient {
        client_id: ID.to_owned(),
        jwks: Some(jwks),
        grant_types: vec![GrantType::ClientCredentials],
        ..PreRegisteredClient::default()
    }];
    World::with(config).await
}

fn file(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.folder.path().join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

/// Calls with client credentials and the key in this file.
async fn call(world: &World, key: &Path) -> Ended {
    let args = ["--client-id", ID, "--client-credentials", "--private-key"];
    let call = world.call("echo").args(args).args([key]);
    let call = call.args(["--client-issuer", world.fixture.issuer()]);
    call.run().await.showed(0)
}

async fn usable_without_sign_in(world: &World, key: &str) {
    let path = file(world, "key", key);
    let ended = call(world, &path).await.succeeded().printed("hello\n");
    let secrets = world.control().issued_secrets();
    ended.hides(&secrets).hides(&[key.trim().to_owned()]);
    let counters = world.control().counters();
    assert_eq!(counters.token_client_credentials, 1, "{counters:#?}");
    world.control().expire_access_tokens();
    call(world, &path).await.succeeded().printed("hello\n");
}

#[tokio::test]
async fn a_private_key_in_pem_proves_who_the_client_is() {
    for alg in [SigningAlg::Es256, SigningAlg::Rs256, SigningAlg::EdDsa] {
        let key = SigningKey::generate(alg);
        let world = keyed(key.public_jwks()).await;
        usable_without_sign_in(&world, key.to_pem()).await;
    }
}

#[tokio::test]
async fn a_private_key_as_a_jwk_proves_who_the_client_is() {
    // RFC 7515 appendix A.3.
    let mut key = json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let world = keyed(json!({ "keys": [key.clone()] })).await;
    key["d"] = json!("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
    usable_without_sign_in(&world, &key.to_string()).await;
}

#[tokio::test]
async fn the_key_of_another_is_refused() {
    let key = SigningKey::generate(SigningAlg::Es256);
    let world = keyed(key.public_jwks()).await;
    let other = SigningKey::generate(SigningAlg::Es256);
    let path = file(&world, "key", other.to_pem());
    let ended = call(&world, &path).await.exited(1);
    ended.hides(&world.control().issued_secrets());
}

#[tokio::test]
async fn a_file_that_holds_no_key_is_named_and_not_quoted() {
    let key = SigningKey::generate(SigningAlg::Es256);
    let world = keyed(key.public_jwks()).await;
    let public = key.public_jwk().to_string();
    for text in ["shopping-list-4f1d", "{\"kty\": \"hush-71aa\"}", &public] {
        let path = file(&world, "no key.pem", text);
        let ended = call(&world, &path).await.failed(1, "[config]");
        ended.said("no key.pem").hides(&[text.to_owned()]);
    }
    let missing = world.folder.path().join("missing.pem");
    call(&world, &missing).await.failed(2, "missing.pem");
    let empty = file(&world, "empty.pem", "\n");
    call(&world, &empty).await.failed(2, "empty.pem");
    let long = file(&world, "long.pem", &"a".repeat(100_000));
    call(&world, &long).await.failed(2, "long.pem");
    std::fs::write(world.folder.path().join("binary.pem"), [0xff; 9]).expect("a file");
    let binary = world.folder.path().join("binary.pem");
    call(&world, &binary).await.failed(2, "binary.pem");
    assert_eq!(world.control().counters().requests, 0);
}

#[tokio::test]
async fn keys_and_machines_that_make_no_sense_together_are_usage_errors() {
    let world = World::start().await;
    let cases: [&[&str]; 7] = [
        &["--private-key", "key.pem"],
        &[
            "--client-id",
            ID,
            "--private-key",
            "key.pem",
            "--client-secret",
            "hush",
        ],
        &["--workload-token-file", "token"],
        &[
            "--client-id",
            ID,
            "--workload-token-file",
            "token",
            "--client-credentials",
        ],
        &["--client-id", ID, "--workload-token-file", "token", "--ema"],
        &[
            "--client-id",
            ID,
            "--workload-token-file",
            "token",
            "--push-requests",
        ],
        &["--client-id", ID, "--client-credentials", "--push-requests"],
    ];
    for args in cases {
        let ended = world.call("echo").args(args).run().await;
        ended.failed(2, "--").showed(0);
    }
    assert_eq!(world.control().counters().requests, 0);
}

async fn workload() -> World {
    World::with(Config {
        workload: Some(Workload {
            issuer: "https://workloads.example".to_owned(),
            subject: "nightly-build".to_owned(),
            client_id: ID.to_owned(),
        }),
        ..Config::default()
    })
    .await
}

async fn call_as_workload(world: &World, token: &Path) -> Ended {
    let args = ["--client-id", ID, "--workload-token-file"];
    let call = world.call("echo").args(args).args([token]);
    let call = call.args(["--client-issuer", world.fixture.issuer()]);
    call.run().await.showed(0)
}

fn token(world: &World) -> PathBuf {
    let assertion = world
        .control()
        .workload_assertion(&WorkloadAssertion::default());
    file(world, "token", &assertion.expect("there is a workload"))
}

#[tokio::test]
async fn a_workload_is_let_in_by_the_token_of_its_platform() {
    let world = workload().await;
    let path = token(&world);
    let ended = call_as_workload(&world, &path).await.succeeded();
    let ended = ended.printed("hello\n");
    // The platform writes another token meanwhile, because an assertion may be used only once.
    world.control().expire_access_tokens();
    token(&world);
    let again = call_as_workload(&world, &path).await.succeeded();
    let counters = world.control().counters();
    assert_eq!(counters.token_jwt_bearer, 2, "{counters:#?}");
    assert_eq!(counters.authorize_visits, 0, "{counters:#?}");
    let secrets = world.control().issued_secrets();
    ended.hides(&secrets);
    again.hides(&secrets);
}

#[tokio::test]
async fn a_workload_whose_token_cannot_be_had_says_where_it_should_be() {
    let world = workload().await;
    let missing = world.folder.path().join("missing-token");
    call_as_workload(&world, &missing)
        .await
        .failed(1, "missing-token");
    let empty = file(&world, "empty-token", "");
    call_as_workload(&world, &empty)
        .await
        .failed(1, "empty-token");
    assert_eq!(world.control().counters().token_requests, 0);
}

fn thumbprints(world: &World) -> Vec<Option<String>> {
    let tokens = world.control().live_tokens().into_iter();
    tokens.map(|token| token.dpop_jkt).collect()
}

/// Signs in, calls, and renews the token, each in its own process, with the same key throughout.
async fn lives_bound(world: &World, args: &[&str]) {
    let program = |command: &[&'static str]| {
        let mut all = vec![command[0], world.url()];
        all.extend(&command[1..]);
        world.connecting(all).args(args).run()
    };
    let mut said = vec![program(&["login"]).await.succeeded().showed(1)];
    let first = thumbprints(world);
    assert!(matches!(first.as_slice(), [Some(_)]), "{first:?}");
    said.push(program(&["call", "echo"]).await.succeeded().showed(0));
    world.control().expire_access_tokens();
    said.push(program(&["call", "echo"]).await.succeeded().showed(0));
    assert_eq!(world.control().counters().rotations, 1);
    assert_eq!(thumbprints(world), first, "the key was changed");
    assert_eq!(world.state().await["boundToKey"], true);
    let status = ["status", world.url()];
    let status = world.program(status).run().await.succeeded();
    assert!(status.stdout.contains("\nbound "), "{status:#?}");
    said.push(status);
    let contents = std::fs::read_to_string(world.store()).expect("the store's file");
    let contents: Value = serde_json::from_str(&contents).expect("JSON");
    let mut secrets = world.control().issued_secrets();
    secrets.push(member(&contents, "key").expect("the key is kept"));
    for ended in said {
        ended.hides(&secrets);
    }
}

/// The first string with this name, at any depth.
fn member(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(members) => members.iter().find_map(|(key, value)| match value {
            Value::String(text) if key == name => Some(text.clone()),
            value => member(value, name),
        }),
        Value::Array(items) => items.iter().find_map(|item| member(item, name)),
        _ => None,
    }
}

async fn binding(dpop: Dpop, dpop_nonce: DpopNonce) -> World {
    World::with(Config {
        dpop,
        dpop_nonce,
        ..Config::default()
    })
    .await
}

#[tokio::test]
async fn tokens_are_bound_where_that_is_wanted() {
    for nonce in [DpopNonce::Off, DpopNonce::Demanded] {
        let world = binding(Dpop::Supported, nonce).await;
        lives_bound(&world, &["--dpop"]).await;
    }
}

#[tokio::test]
async fn tokens_are_bound_where_the_server_wants_it_and_nobody_has_said() {
    for nonce in [DpopNonce::Off, DpopNonce::Announced] {
        let world = binding(Dpop::Required, nonce).await;
        lives_bound(&world, &[]).await;
    }
}

#[tokio::test]
async fn a_server_that_binds_nothing_is_not_signed_in_to_where_that_is_wanted() {
    let world = World::start().await;
    let ended = world.call("echo").args(["--dpop"]).run().await;
    ended.failed(1, "DPoP").showed(0);
    assert_eq!(world.control().counters().token_requests, 0);
    world.call("echo").run().await.succeeded().showed(1);
}

#[tokio::test]
async fn requests_are_pushed_where_that_is_wanted_and_where_they_must_be() {
    let wanted: &[&str] = &["--push-requests"];
    for (offer, args, pushed) in [
        (PushedAuthorization::Off, wanted, 0),
        (PushedAuthorization::Offered, &[], 0),
        (PushedAuthorization::Offered, wanted, 1),
        (PushedAuthorization::Required, &[], 1),
    ] {
        let world = World::with(Config {
            pushed_authorization: offer,
            ..Config::default()
        })
        .await;
        let ended = world.call("echo").args(args).run().await.succeeded();
        let ended = ended.printed("hello\n").showed(1);
        assert_eq!(world.control().counters().par, pushed, "{offer:?}");
        let address = ended.stderr.lines().find(|line| line.starts_with("http"));
        let address = address.expect("it was printed");
        let by_reference = address.contains("request_uri=") && !address.contains("scope=");
        assert_eq!(by_reference, pushed == 1, "{address}");
    }
}
