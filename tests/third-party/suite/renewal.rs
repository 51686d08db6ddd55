//! Tokens that expire and grants that are revoked.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{World, until};

#[tokio::test]
async fn an_expired_token_is_renewed_silently_and_refresh_tokens_rotate() {
    let world = World::signed_in().await;
    let first = world.refresh_token();
    let mut known = vec![first.clone()];
    for renewals in 1..=2 {
        world.servers.expire().await;
        world.still_works().await.hides(&[&world.access_token()]);
        let refreshes = world.token_requests("refresh_token").await;
        assert_eq!(refreshes.len(), renewals, "{refreshes:#?}");
        assert_eq!(refreshes[renewals - 1]["rotations"], renewals);
        assert_eq!(refreshes[renewals - 1]["resource"], world.url());
        assert_eq!(world.servers.events("consumed").await.len(), renewals);
        let refresh_token = world.refresh_token();
        assert!(!known.contains(&refresh_token), "it was not rotated");
        known.push(refresh_token);
    }

    // Reusing the first, rotated refresh token counts as theft, so the server revokes the whole grant.
    let client_id = world.state().await["clientId"].clone();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &first),
        ("client_id", client_id.as_str().expect("a client id")),
    ];
    let (status, answer) = world.servers.post("/token", &form).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    let ended = world.call("echo").run().await;
    ended.succeeded().printed("hello\n").showed(1);
}

#[tokio::test]
async fn where_refresh_tokens_take_a_prompt_the_second_sign_in_has_it() {
    let world = World::with(json!({ "refreshTokensNeedPrompt": true })).await;
    let prompted = "&prompt=consent";
    let ended = world.call("echo").run().await.showed(1);
    ended
        .succeeded()
        .printed("hello\n")
        .said("offline_access")
        .hides(&[prompted]);
    assert_eq!(world.state().await["renewable"], false);

    world.servers.expire().await;
    let ended = world.call("echo").run().await.showed(1);
    ended.succeeded().printed("hello\n").said(prompted);
    assert_eq!(world.state().await["renewable"], true);
    for renewals in 1..=2 {
        world.servers.expire().await;
        world.still_works().await;
        let refreshes = world.token_requests("refresh_token").await;
        assert_eq!(refreshes.len(), renewals, "{refreshes:#?}");
        assert_eq!(refreshes[renewals - 1]["rotations"], renewals);
    }
}

#[tokio::test]
async fn a_token_known_to_be_expired_is_renewed_before_it_is_rejected() {
    let world = World::with(json!({ "accessTokenLife": 2 })).await;
    world.sign_in().await;
    until(async || world.state().await["authorized"] == false).await;
    let rejections = world.rejections().await;
    world.still_works().await;
    assert_eq!(world.rejections().await, rejections);
    assert_eq!(world.token_requests("refresh_token").await.len(), 1);
}

#[tokio::test]
async fn a_revoked_grant_is_given_again_by_its_person() {
    let world = World::signed_in_at_one_port().await;
    world.servers.revoke().await;
    let ended = world.call("echo").run().await;
    ended.succeeded().printed("hello\n").showed(1);
    // The browser has a session, so only consent was asked for.
    assert_eq!(world.person.saw()[0], "Authorize");
    let refreshes = world.token_requests("refresh_token").await;
    assert_eq!(refreshes.len(), 1, "{refreshes:#?}");
    assert_eq!(refreshes[0]["error"], "invalid_grant");
    assert_eq!(world.servers.events("registration").await.len(), 1);
    world.still_works().await;
}

#[tokio::test]
async fn a_client_that_the_server_forgot_registers_again() {
    let world = World::signed_in_at_one_port().await;
    world.servers.expire().await;
    world.servers.forget_clients().await;
    let ended = world.call("echo").run().await;
    ended.succeeded().printed("hello\n").showed(1);
    let refreshes = world.token_requests("refresh_token").await;
    assert_eq!(refreshes.len(), 1, "{refreshes:#?}");
    assert_eq!(refreshes[0]["error"], "invalid_client");
    assert_eq!(world.servers.events("registration").await.len(), 2);
    world.still_works().await;
}

#[tokio::test]
async fn processes_that_meet_an_expired_token_share_one_renewal() {
    let world = World::signed_in().await;
    let before = world.rejections().await;
    world.servers.expire().await;
    world.servers.hold().await;
    let programs = [world.call("echo").start(), world.call("echo").start()];
    // Both requests are rejected before the one renewal is answered.
    until(async || world.rejections().await == before + 2).await;
    world.servers.have_held(1).await;
    world.servers.release().await;
    for ended in join_all(programs.map(|program| program.end())).await {
        ended.succeeded().printed("hello\n").showed(0);
    }
    let refreshes = world.token_requests("refresh_token").await;
    assert_eq!(refreshes.len(), 1, "{refreshes:#?}");
    assert_eq!(refreshes[0]["error"], Value::Null);
}
