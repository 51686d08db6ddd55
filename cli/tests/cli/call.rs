//! `mcp-reauth call`: the output streams, and how arguments are passed.

use serde_json::json;

use crate::support::{PlainServer, Program, World};

#[tokio::test]
async fn the_result_goes_to_standard_output_and_all_else_to_standard_error() {
    let world = World::start().await;
    let ended = world.call("echo").run().await;
    let ended = ended.succeeded().printed("hello\n").showed(1);
    let issuer = format!("{}/authorize?", world.fixture.issuer());
    let addresses = ended.stderr.lines().filter(|line| line.contains(&issuer));
    let addresses: Vec<&str> = addresses.collect();
    assert_eq!(addresses.len(), 1, "{ended:#?}");
    assert!(addresses[0].starts_with(&issuer), "{ended:#?}");
    assert!(!addresses[0].contains(char::is_whitespace), "{ended:#?}");
    assert!(
        ended
            .stderr
            .contains(&format!("signing in to {}", world.url())),
        "{ended:#?}"
    );
    let hidden = ended.hides(&world.control().issued_secrets());
    assert_eq!(hidden.stdout, "hello\n");
}

#[tokio::test]
async fn a_call_that_needs_nobody_says_nothing_but_its_result() {
    let world = World::signed_in().await;
    let ended = world.still_works().await;
    assert_eq!(ended.stderr, "");
    let counters = world.control().counters();
    assert_eq!((counters.token_requests, counters.mcp_401), (0, 0));
}

#[tokio::test]
async fn an_expired_token_is_renewed_without_a_word() {
    let world = World::signed_in().await;
    world.control().expire_access_tokens();
    let ended = world.still_works().await;
    assert_eq!(ended.stderr, "");
    assert_eq!(world.control().counters().token_refresh, 1);
}

#[tokio::test]
async fn a_revoked_grant_leads_to_a_new_sign_in() {
    let world = World::signed_in().await;
    world.control().revoke_grants();
    let ended = world.call("echo").run().await;
    ended.succeeded().printed("hello\n").showed(1);
}

#[tokio::test]
async fn an_argument_is_what_the_schema_says_or_else_text() {
    let world = World::signed_in().await;
    // The tool returns its argument if that is a string, otherwise `ok`.
    for (argument, printed) in [
        ("text=two words", "two words\n"),
        ("text=\"quoted\"", "quoted\n"),
        ("text=a=b", "a=b\n"),
        ("text=", "\n"),
        ("text={not json", "{not json\n"),
        ("text=5", "5\n"),
        ("text={\"a\":1}", "{\"a\":1}\n"),
        ("text=null", "null\n"),
        ("other=x", "ok\n"),
        ("other=5", "ok\n"),
    ] {
        let program = world.connecting(["call", world.url(), "echo", "--arg", argument]);
        program.run().await.succeeded().printed(printed);
    }
}

#[tokio::test]
async fn arguments_are_repeatable_or_one_object() {
    let world = World::signed_in().await;
    let call = ["call", world.url(), "echo"];
    let two = world
        .connecting(call)
        .args(["--arg", "n=1", "--arg", "text=second"]);
    two.run().await.succeeded().printed("second\n");
    let object = world
        .connecting(call)
        .args(["--args", r#"{"text":"all at once"}"#]);
    object.run().await.succeeded().printed("all at once\n");
    world
        .connecting(call)
        .run()
        .await
        .succeeded()
        .printed("ok\n");
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused_before_anything_is_sent() {
    let world = World::start().await;
    let cases: [(&[&str], &str); 8] = [
        (&["--arg", "text"], "--arg text: write it as NAME=VALUE"),
        (&["--arg", "=text"], "--arg =text: write it as NAME=VALUE"),
        (&["--arg", ""], "write it as NAME=VALUE"),
        (&["--args", "[1]"], "--args: this is not a JSON object"),
        (&["--args", "\"text\""], "--args: this is not a JSON object"),
        (&["--args", "null"], "--args: this is not a JSON object"),
        (&["--args", "{"], "--args: this is not JSON"),
        (&["--args", "{}", "--arg", "a=b"], "cannot be used with"),
    ];
    for (args, why) in cases {
        let program = world.connecting(["call", world.url(), "echo"]).args(args);
        program.run().await.failed(2, why).showed(0);
    }
    assert_eq!(world.control().counters().requests, 0);
}

#[tokio::test]
async fn the_whole_result_as_json() {
    let world = World::signed_in().await;
    let ended = world.call("echo").args(["--json"]).run().await.succeeded();
    assert_eq!(
        ended.json()["content"],
        json!([{ "type": "text", "text": "hello" }]),
        "{ended:#?}"
    );
}

#[tokio::test]
async fn a_tool_that_reports_an_error_fails_the_command_and_shows_what_it_says() {
    let server = PlainServer::start(json!({
        "content": [{ "type": "text", "text": "the disk is full" }],
        "isError": true,
    }))
    .await;
    let ended = plain_call(&server).run().await.exited(1);
    ended
        .printed("the disk is full\n")
        .said("mcp-reauth: the tool save reports an error")
        .showed(0);
    let ended = plain_call(&server).args(["--json"]).run().await.exited(1);
    assert_eq!(ended.json()["isError"], true, "{ended:#?}");
}

#[tokio::test]
async fn content_that_is_no_text_is_printed_as_json() {
    let server = PlainServer::start(json!({
        "content": [
            { "type": "text", "text": "a picture" },
            { "type": "image", "data": "AAAA", "mimeType": "image/png" },
        ],
    }))
    .await;
    let ended = plain_call(&server).run().await.succeeded();
    let (text, image) = ended.stdout.split_once('\n').expect("two blocks");
    assert_eq!(text, "a picture");
    let image: serde_json::Value = serde_json::from_str(image).expect("JSON");
    assert_eq!(image["mimeType"], "image/png");
}

#[tokio::test]
async fn a_result_that_is_structured_only_is_printed() {
    let server = PlainServer::start(json!({
        "content": [],
        "structuredContent": { "degrees": 21 },
    }))
    .await;
    let ended = plain_call(&server).run().await.succeeded();
    assert_eq!(ended.json(), json!({ "degrees": 21 }));
}

fn plain_call(server: &PlainServer) -> Program {
    let folder = std::env::temp_dir().join("mcp-reauth-no-such-folder");
    Program::new(["call", &server.url, "save", "--no-browser"])
        .env("MCP_REAUTH_STORE", folder.join("credentials.json"))
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_server() {
    let world = World::signed_in().await;
    let ended = world.call("no_such_tool").run().await;
    ended.failed(1, "no such tool").showed(0);
}

#[tokio::test]
async fn a_tool_without_a_name_and_a_command_without_a_server_are_refused() {
    Program::new(["call", "http://127.0.0.1:1/mcp"])
        .run()
        .await
        .failed(2, "<TOOL>");
    Program::new(["call"]).run().await.failed(2, "<URL>");
}
