//! `mcp-reauth list`

use crate::support::{Ended, World};

async fn list(world: &World, args: &[&str]) -> Ended {
    let program = world.connecting(["list", world.url()]).args(args);
    program.run().await
}

#[tokio::test]
async fn as_text_one_a_line() {
    let world = World::signed_in().await;
    let tools = "echo\tReturns its text\n\
                 write_note\tWrites a note\n\
                 delete_note\tDeletes a note\n\
                 transfer\tTransfers money, to strongly authenticated users\n";
    for (args, printed) in [
        (&[][..], tools),
        (&["tools"], tools),
        (
            &["resources"],
            "note://welcome\twelcome\nnote://secret\tsecret\n",
        ),
        (&["prompts"], "greet\nbrief\n"),
    ] {
        let ended = list(&world, args).await.succeeded().printed(printed);
        assert_eq!(ended.stderr, "", "{args:?}");
    }
}

#[tokio::test]
async fn as_json_everything_that_is_known() {
    let world = World::signed_in().await;
    for (kind, name, names) in [
        (
            "tools",
            "name",
            &["echo", "write_note", "delete_note", "transfer"][..],
        ),
        ("resources", "uri", &["note://welcome", "note://secret"]),
        ("prompts", "name", &["greet", "brief"]),
    ] {
        let listed = list(&world, &[kind, "--json"]).await.succeeded().json();
        let items = listed.as_array().expect("an array").iter();
        let listed: Vec<&str> = items.filter_map(|item| item[name].as_str()).collect();
        assert_eq!(listed, names);
    }
    let tools = list(&world, &["--json"]).await.succeeded().json();
    assert_eq!(tools[0]["inputSchema"]["type"], "object", "{tools:#}");
}

#[tokio::test]
async fn it_signs_in_when_it_must() {
    let world = World::start().await;
    let ended = list(&world, &[]).await.succeeded().showed(1);
    assert!(ended.stdout.starts_with("echo\t"), "{ended:#?}");
    assert!(!ended.stdout.contains("http"), "{ended:#?}");
}

#[tokio::test]
async fn what_cannot_be_listed_is_a_usage_error() {
    let world = World::start().await;
    list(&world, &["secrets"]).await.failed(2, "secrets");
    assert_eq!(world.control().counters().requests, 0);
}
