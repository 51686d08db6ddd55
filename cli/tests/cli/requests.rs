//! The number of requests of a command in the ordinary case.

use serde_json::json;

use crate::support::{PlainServer, World};

async fn server() -> PlainServer {
    PlainServer::results(|message| match message["method"].as_str()? {
        "tools/call" => Some(message["params"]["arguments"]["text"].clone())
            .map(|text| json!({ "content": [{ "type": "text", "text": text.to_string() }] })),
        "tools/list" if message["params"]["cursor"].is_null() => {
            Some(json!({ "tools": [], "nextCursor": "2" }))
        }
        "tools/list" => Some(json!({ "tools": [{
            "name": "any",
            "inputSchema": { "type": "object", "properties": { "text": { "type": "string" } } },
        }] })),
        _ => None,
    })
    .await
}

const GREETED: [&str; 3] = ["server/discover", "initialize", "notifications/initialized"];

/// A server with sessions, as most have: one call opens no event stream.
#[tokio::test]
async fn a_call_takes_five() {
    let (world, server) = (World::start().await, server().await);
    let call = world.connecting(["call", &server.url, "any", "--arg", "text=hello"]);
    call.run().await.succeeded().printed("\"hello\"\n");
    let asked = [&GREETED[..], &["tools/call", "DELETE"]].concat();
    assert_eq!(server.seen(), asked);
}

/// Only an ambiguous value causes a tool list, and only until the tool is found.
#[tokio::test]
async fn an_ambiguous_argument_takes_the_list_of_tools_besides() {
    let (world, server) = (World::start().await, server().await);
    for (argument, listed) in [("text=7", 2), ("text=\"7\"", 0), ("text=seven", 0)] {
        server.forget();
        let call = world.connecting(["call", &server.url, "any", "--arg", argument]);
        let ended = call.run().await.succeeded();
        assert!(ended.stdout.starts_with('"'), "{argument}: {ended:#?}");
        let lists = server.seen().iter().filter(|m| *m == "tools/list").count();
        assert_eq!(lists, listed, "{argument}");
    }
    server.forget();
    let object = ["--args", r#"{"text":7}"#];
    let call = world.connecting(["call", &server.url, "any"]).args(object);
    call.run().await.succeeded().printed("7\n");
    assert_eq!(server.seen().len(), 5, "{:?}", server.seen());
}

#[tokio::test]
async fn a_list_takes_as_many_as_it_has_pages() {
    let (world, server) = (World::start().await, server().await);
    let list = world.connecting(["list", &server.url]).run().await;
    list.succeeded().printed("any\n");
    let asked = [&GREETED[..], &["tools/list", "tools/list", "DELETE"]].concat();
    assert_eq!(server.seen(), asked);
}

/// With a valid token, in each protocol generation.
#[tokio::test]
async fn a_token_costs_nothing() {
    let world = World::signed_in().await;
    for (version, requests) in [("2025-11-25", 4), ("2026-07-28", 2)] {
        world.control().reset_counters();
        let ended = world.call("echo").args(["--protocol", version]).run().await;
        ended.succeeded().printed("hello\n").showed(0);
        let counters = world.control().counters();
        assert_eq!(counters.requests, requests, "{version}: {counters:#?}");
        assert_eq!((counters.mcp_get, counters.mcp_401), (0, 0));
    }
}

/// A value that fits the schema neither as JSON nor as text is rejected before the call; without a schema it is JSON.
#[tokio::test]
async fn an_argument_that_does_not_fit_is_refused() {
    let world = World::start().await;
    let server = PlainServer::results(|message| match message["method"].as_str()? {
        "tools/call" => Some(json!({ "content": [{
            "type": "text", "text": message["params"]["arguments"].to_string(),
        }] })),
        "tools/list" => Some(json!({ "tools": [{ "name": "count", "inputSchema": {
            "type": "object", "properties": { "n": { "type": "integer" } },
        } }] })),
        _ => None,
    })
    .await;
    let call = |tool: &str, argument: &str| {
        world.connecting(["call", &server.url, tool, "--arg", argument])
    };
    let refused = call("count", "n=true").run().await;
    refused
        .failed(2, "--arg n=true: the tool count takes integer here")
        .said("--args");
    assert!(!server.seen().iter().any(|seen| seen == "tools/call"));
    for (tool, argument, sent) in [
        ("count", "n=7", "{\"n\":7}\n"),
        ("count", "other=7", "{\"other\":7}\n"),
        ("unlisted", "n=true", "{\"n\":true}\n"),
    ] {
        let ended = call(tool, argument).run().await;
        ended.succeeded().printed(sent);
    }
}
