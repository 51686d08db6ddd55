//! `mcp-reauth logout`

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn it_revokes_the_tokens_and_the_grant() {
    let world = World::signed_in().await;
    let (access_token, refresh_token) = (world.access_token(), world.refresh_token());
    let client_id = world.state().await["clientId"].clone();
    assert!(world.servers.accepts(&access_token).await);

    let ended = world.program(["logout", world.url()]).run().await;
    let ended = ended.succeeded().printed("").said("Signed out of");
    ended.hides(&[&access_token, &refresh_token]);
    assert!(!world.servers.accepts(&access_token).await);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &refresh_token),
        ("client_id", client_id.as_str().expect("a client id")),
    ];
    let (status, answer) = world.servers.post("/token", &form).await;
    assert_eq!((status, &answer["error"]), (400, &json!("invalid_grant")));
    assert_eq!(world.servers.events("grant revoked").await.len(), 1);
    assert!(world.servers.events("revocation").await.is_empty());

    let ended = world.call("echo").run().await;
    ended.succeeded().printed("hello\n").showed(1);
}
