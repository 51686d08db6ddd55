//! Sign-in: discovery, registration, PKCE, login, consent, the audience.

use serde_json::json;

use crate::support::{Mood, Person, USER, World};

#[tokio::test]
async fn a_first_call_registers_signs_in_and_is_answered() {
    let world = World::start().await;
    let ended = world.call("echo").run().await;
    let ended = ended.succeeded().printed("hello\n").showed(1);
    ended.hides(&[&world.access_token(), &world.refresh_token()]);
    assert_eq!(world.person.saw()[..2], ["Sign-in", "Authorize"]);

    let registrations = world.servers.events("registration").await;
    assert_eq!(registrations.len(), 1);
    assert_eq!(registrations[0]["type"], "native");
    assert_eq!(registrations[0]["auth"], "none");
    let tokens = world.servers.events("token").await;
    assert_eq!(tokens.len(), 1, "{tokens:#?}");
    assert_eq!(tokens[0]["error"], json!(null));

    world.still_works().await;
    assert_eq!(world.servers.events("registration").await.len(), 1);
}

#[tokio::test]
async fn the_resource_reaches_the_server_and_the_token_is_for_it() {
    let world = World::signed_in().await;
    world.still_works().await;
    for what in ["authorization", "token"] {
        let events = world.servers.events(what).await;
        assert_eq!(events[0]["resource"], world.url(), "{events:#?}");
    }
    let request = world.last_let_in().await;
    assert_eq!(request["user"], USER);
    assert_eq!(request["audience"], world.url());
    assert_eq!(request["scopes"], json!(["mcp:read"]));
}

#[tokio::test]
async fn without_a_resource_the_token_is_for_nobody_and_no_loop_comes_of_it() {
    let world = World::start().await;
    // Without the resource indicator the server does not know the resource's scopes, and denies a request for only
    // those.
    let alone = ["--no-resource", "--scope", "openid"];
    let program = world.call("echo").args(alone);
    let ended = program.run().await.showed(1);
    ended
        .failed("[unauthorized]")
        .said("not issued for this resource");
    assert!(world.rejections().await <= 3);
}

#[tokio::test]
async fn a_signed_token_is_verified_by_the_server_itself() {
    let world = World::with(json!({ "accessTokenFormat": "jwt" })).await;
    let ended = world.call("echo").run().await;
    ended.succeeded().printed("hello\n").showed(1);
    assert_eq!(world.access_token().split('.').count(), 3);
    assert_eq!(world.last_let_in().await["audience"], world.url());
}

#[tokio::test]
async fn in_the_generation_before() {
    let world = World::start().await;
    let program = world.call("echo").args(["--protocol", "2025-11-25"]);
    program.run().await.succeeded().printed("hello\n").showed(1);
    world.servers.expire().await;
    let program = world.call("echo").args(["--protocol", "2025-11-25"]);
    program.run().await.succeeded().printed("hello\n").showed(0);
}

#[tokio::test]
async fn consent_that_is_declined_is_an_error_that_says_so() {
    let mut world = World::start().await;
    world.person = Person::new(Mood::Declines);
    let ended = world.call("echo").run().await.showed(1);
    ended.failed("[authorization_denied]");
    assert_eq!(world.servers.events("token").await.len(), 0);

    world.person = Person::new(Mood::Agrees);
    let ended = world.call("echo").run().await;
    ended.succeeded().printed("hello\n").showed(1);
}
