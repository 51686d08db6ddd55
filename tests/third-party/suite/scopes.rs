//! Tools that need more scope than was granted.

use serde_json::json;

use crate::support::World;

#[tokio::test]
async fn a_tool_that_needs_more_gets_it_with_one_page() {
    let world = World::signed_in().await;
    world.still_works().await;
    assert_eq!(world.last_let_in().await["scopes"], json!(["mcp:read"]));
    let ended = world.call("write").args(["--yes"]).run().await;
    ended.succeeded().printed("hello\n").showed(1);
    let both = json!(["mcp:read", "mcp:write"]);
    assert_eq!(world.last_let_in().await["scopes"], both);
    assert_eq!(world.state().await["grantedScopes"], both);
    // A refresh never adds scope.
    assert!(world.token_requests("refresh_token").await.is_empty());

    world.still_works().await;
    world.servers.expire().await;
    let ended = world.call("write").run().await;
    ended.succeeded().printed("hello\n").showed(0);
    assert_eq!(world.last_let_in().await["scopes"], both);
}

#[tokio::test]
async fn a_tool_that_needs_more_is_refused_where_nobody_can_agree_and_nothing_is_lost() {
    let world = World::signed_in().await;
    let ended = world.call("write").run().await.showed(0);
    ended.failed("mcp:write").said("--yes");
    world.still_works().await;
}

#[tokio::test]
async fn from_nothing_to_a_tool_that_needs_more() {
    let world = World::start().await;
    let ended = world.call("write").args(["--yes"]).run().await;
    ended.succeeded().printed("hello\n").showed(2);
    let both = json!(["mcp:read", "mcp:write"]);
    assert_eq!(world.last_let_in().await["scopes"], both);
}
