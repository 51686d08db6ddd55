//! `mcp-reauth status`

use mcp_reauth_fixture::Config;
use serde_json::{Value, json};

use crate::support::{Ended, World};

async fn status(world: &World, args: &[&str]) -> Ended {
    let ended = world.program(["status"]).args(args).run().await;
    ended.hides(&world.control().issued_secrets())
}

#[tokio::test]
async fn it_tells_all_but_secrets_and_asks_nobody() {
    let world = World::signed_in().await;
    let ended = status(&world, &[world.url()]).await.succeeded();
    for row in [
        format!("server      {}", world.url()),
        "signed in   yes".to_owned(),
        format!("issuer      {}", world.fixture.issuer()),
        "scopes      mcp:read".to_owned(),
        "renewed     silently".to_owned(),
    ] {
        assert!(
            ended.stdout.lines().any(|line| line == row),
            "no {row:?} in {ended:#?}"
        );
    }
    assert!(ended.stdout.contains("from now"), "{ended:#?}");
    assert_eq!(ended.stderr, "");

    let state = status(&world, &[world.url(), "--json"])
        .await
        .succeeded()
        .json();
    assert_eq!(state["server"], world.url(), "{state:#}");
    assert_eq!(state["authorized"], true, "{state:#}");
    assert_eq!(state["grantedScopes"], json!(["mcp:read"]), "{state:#}");
    assert_eq!(world.control().counters().requests, 0);
}

#[tokio::test]
async fn an_expired_token_is_shown_as_such_and_is_no_failure_while_it_can_be_renewed() {
    let world = World::signed_in().await;
    world.set_expiry(&1.into());
    let ended = status(&world, &[world.url()]).await.succeeded();
    assert!(ended.stdout.contains("signed in   expired"), "{ended:#?}");
    assert!(ended.stdout.contains(" ago"), "{ended:#?}");
    let state = status(&world, &[world.url(), "--json"])
        .await
        .succeeded()
        .json();
    assert_eq!(state["authorized"], false, "{state:#}");
    assert_eq!(state["renewable"], true, "{state:#}");
    assert_eq!(world.control().counters().requests, 0);
    world.still_works().await;
}

#[tokio::test]
async fn an_expired_token_that_cannot_be_renewed_is_a_failure() {
    let world = World::with(Config {
        issue_refresh_tokens: false,
        ..Config::default()
    })
    .await;
    world.sign_in().await;
    let ended = status(&world, &[world.url()]).await.succeeded();
    assert!(
        ended.stdout.contains("only by signing in again"),
        "{ended:#?}"
    );
    world.set_expiry(&1.into());
    status(&world, &[world.url()]).await.exited(1);
}

#[tokio::test]
async fn who_is_not_signed_in_is_told_so_by_the_exit_code_too() {
    let world = World::start().await;
    let ended = status(&world, &[world.url()]).await.exited(1);
    assert!(ended.stdout.contains("signed in   no"), "{ended:#?}");
    let state = status(&world, &[world.url(), "--json"])
        .await
        .exited(1)
        .json();
    assert_eq!(state["signedIn"], false, "{state:#}");
    assert_eq!(world.control().counters().requests, 0);
    assert!(!world.store().exists());
}

#[tokio::test]
async fn without_an_address_it_tells_of_all_servers() {
    let world = World::signed_in().await;
    let other = World::start().await;
    let login = ["login", other.url()];
    world.connecting(login).run().await.succeeded();
    let ended = status(&world, &[]).await.succeeded();
    assert!(ended.stdout.contains(world.url()), "{ended:#?}");
    assert!(ended.stdout.contains(other.url()), "{ended:#?}");
    let states = status(&world, &["--json"]).await.succeeded().json();
    let servers = states.as_array().expect("an array").iter();
    let mut servers: Vec<&Value> = servers.map(|state| &state["server"]).collect();
    servers.sort_by_key(|server| server.as_str() != Some(world.url()));
    assert_eq!(servers, [world.url(), other.url()]);
    ended.hides(&other.control().issued_secrets());
}

#[tokio::test]
async fn without_an_address_the_json_is_an_array_however_many_servers_there_are() {
    let world = World::start().await;
    assert_eq!(
        status(&world, &["--json"]).await.succeeded().json(),
        json!([])
    );
    world.sign_in().await;
    let states = status(&world, &["--json"]).await.succeeded().json();
    assert_eq!(states.as_array().map(Vec::len), Some(1), "{states:#}");
}

#[tokio::test]
async fn an_empty_store_is_no_failure() {
    let world = World::start().await;
    let ended = status(&world, &[]).await;
    ended.succeeded().printed("").said("Nothing is stored.");
}

#[tokio::test]
async fn an_address_that_is_none_is_an_error() {
    let world = World::start().await;
    status(&world, &["no address"])
        .await
        .failed(2, "no address");
}
