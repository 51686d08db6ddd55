//! `mcp-reauth logout`, and profiles.

use crate::support::{Program, World};

fn logout(world: &World) -> Program {
    world.program(["logout", world.url()])
}

#[tokio::test]
async fn it_revokes_at_the_server_and_clears_the_store() {
    let world = World::signed_in().await;
    let secrets = world.control().issued_secrets();
    let ended = logout(&world).run().await.succeeded().printed("");
    ended
        .said(&format!("Signed out of {}.", world.url()))
        .hides(&secrets);
    let counters = world.control().counters();
    assert_eq!(
        counters.revocations, 2,
        "the refresh token and the access token"
    );
    assert_eq!(counters.requests, 2);
    let file = std::fs::read_to_string(world.store()).expect("the store's file");
    for secret in secrets {
        assert!(!file.contains(&secret), "{file}");
    }
    world.program(["status", world.url()]).run().await.exited(1);
    world.call("echo").run().await.succeeded().showed(1);
}

#[tokio::test]
async fn it_works_while_the_authorization_server_is_down() {
    let world = World::signed_in().await;
    world.control().set_authorization_server_up(false);
    logout(&world).run().await.succeeded().said("Signed out of");
    assert_eq!(world.control().counters().revocations, 0);
    world.program(["status", world.url()]).run().await.exited(1);
}

#[tokio::test]
async fn who_was_not_signed_in_is_told_so() {
    let world = World::start().await;
    let ended = logout(&world).run().await.succeeded();
    ended.said("You were not signed in to").printed("");
    assert_eq!(world.control().counters().requests, 0);
}

#[tokio::test]
async fn profiles_never_meet() {
    let world = World::signed_in().await;
    let of_another = |args: &[&str]| {
        let args = [args, &["--profile", "work"]].concat();
        world.program(args)
    };
    of_another(&["status", world.url()]).run().await.exited(1);
    let ended = of_another(&["status"]).run().await;
    ended.succeeded().said("Nothing is stored.");
    let connecting = world.connecting(["login", world.url()]);
    let ended = connecting.env("MCP_REAUTH_PROFILE", "work").run().await;
    ended.succeeded().showed(1);
    of_another(&["status", world.url()]).run().await.succeeded();
    let records = world.contents()["records"].as_array().map(Vec::len);
    assert_eq!(records, Some(2));

    of_another(&["logout", world.url()]).run().await.succeeded();
    of_another(&["status", world.url()]).run().await.exited(1);
    world.still_works().await;
}
