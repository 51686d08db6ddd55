//! Text from servers has no effect on a terminal.

use serde_json::{Value, json};

use crate::support::{Ended, PlainServer, Program, PseudoTerminal, World};

/// C0, C1 and bidirectional characters that write to the clipboard, set a title, move the cursor, erase, and reverse
/// the direction of the text.
const NASTY: &str = "a\u{1b}]52;c;ZXZpbA==\u{7}b\u{1b}[2J\u{1b}[1A\u{9b}31m\u{9d}0;title\u{9c}\rContinue? [y/N] \
                     \u{8}\u{7f}\u{202e}c\u{2066}d\u{2028}e\u{1b}c\0";
/// The same as shown on a terminal.
const SHOWN: &str = r"a\u001b]52;c;ZXZpbA==\u0007b\u001b[2J\u001b[1A\u009b31m\u009d0;title\u009c\u000dContinue? [y/N] \u0008\u007f\u202ec\u2066d\u2028e\u001bc\u0000";

async fn server() -> PlainServer {
    PlainServer::results(|message| match message["method"].as_str()? {
        "tools/call" => match message["params"]["name"].as_str()? {
            "text" => Some(json!({
                "content": [{ "type": "text", "text": format!("{NASTY}\n\tsecond line") }],
                "isError": true,
            })),
            "link" => Some(json!({
                "content": [{ "type": "resource_link", "uri": "note://x", "name": NASTY }],
            })),
            _ => Some(json!({ "content": [], "structuredContent": { NASTY: NASTY } })),
        },
        "tools/list" => Some(json!({ "tools": [
            { "name": NASTY, "description": NASTY, "inputSchema": { "type": "object" } },
        ] })),
        _ => None,
    })
    .await
}

/// Runs the command on a terminal, and asserts that no output character has an effect there.
async fn at_a_terminal(world: &World, args: &[&str]) -> Ended {
    let ended = PseudoTerminal::start(world, args).end().await;
    let effective = |c: char| {
        let moves = c.is_control() && c != '\n' && c != '\t';
        moves || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}')
    };
    assert!(!ended.stderr.contains(effective), "{ended:#?}");
    ended
}

#[tokio::test]
async fn results_are_escaped_on_a_terminal() {
    let (world, server) = (World::start().await, server().await);
    let text = at_a_terminal(&world, &["call", &server.url, "text"]).await;
    text.exited(1).said(&format!("{SHOWN}\n\tsecond line\n"));
    for args in [
        &["call", &server.url, "link"][..],
        &["call", &server.url, "structured"],
        &["call", &server.url, "text", "--json"],
        &["list", &server.url, "--json"],
    ] {
        at_a_terminal(&world, args).await.said("u001b]52;c");
    }
    let listed = at_a_terminal(&world, &["list", &server.url]).await;
    listed.succeeded().said("Continue? [y/N]");
}

#[tokio::test]
async fn errors_are_harmless_on_a_terminal() {
    let world = World::start().await;
    let server = PlainServer::answering(|message| {
        (message["method"] == "tools/call").then(|| {
            let error = json!({ "code": -32000, "message": NASTY });
            let id = &message["id"];
            axum::response::IntoResponse::into_response(axum::Json(
                json!({ "jsonrpc": "2.0", "id": id, "error": error }),
            ))
        })
    })
    .await;
    let ended = at_a_terminal(&world, &["call", &server.url, "any"]).await;
    ended.exited(1).said("Continue? [y/N]");
}

#[tokio::test]
async fn text_in_a_pipe_is_as_the_tool_wrote_it_and_json_is_harmless_anywhere() {
    let (world, server) = (World::start().await, server().await);
    let call = |tool: &str, args: &[&'static str]| {
        let program = world.connecting(["call", &server.url, tool]);
        program.args(args.iter().copied())
    };
    let text = call("text", &[]).run().await.exited(1);
    assert_eq!(text.stdout, format!("{NASTY}\n\tsecond line\n"));
    let json = call("structured", &["--json"]).run().await.succeeded();
    let plain = |c: char| c == '\n' || (' '..='~').contains(&c);
    assert!(json.stdout.chars().all(plain), "{json:#?}");
    assert_eq!(json.json()["structuredContent"], json!({ NASTY: NASTY }));
    let listed = world.connecting(["list", &server.url, "--json"]);
    let listed = listed.run().await.succeeded();
    assert!(listed.stdout.chars().all(plain), "{listed:#?}");
    assert_eq!(listed.json()[0]["name"], NASTY);
}

#[tokio::test]
async fn challenges_are_printed_harmlessly() {
    let header = "WWW-Authenticate: Bearer error_description=\"\u{9b}2J\u{202e}\"";
    let program = Program::new(["challenge", "--status", "401", "--header", header]);
    let ended = program.run().await.succeeded();
    assert!(ended.stdout.is_ascii(), "{ended:#?}");
    let shown: Value = ended.json();
    let raw = shown["raw"]["wwwAuthenticate"].to_string();
    assert!(raw.contains('\u{202e}'), "{ended:#?}");
}

#[tokio::test]
async fn a_name_in_a_question_does_not_read_as_our_own_words() {
    let mut config = mcp_reauth_fixture::Config::default();
    let name = "echo\". Nothing is changed: answer y. \"";
    let write = config
        .tools
        .iter_mut()
        .find(|tool| tool.name == "write_note");
    name.clone_into(&mut write.expect("the tool").name);
    let world = World::with(config).await;
    world.sign_in().await;
    let call = ["call", world.url(), name, "--no-browser"];
    let mut terminal = PseudoTerminal::start(&world, call);
    terminal
        .shows("to run the tool \"echo'. Nothing is changed: answer y. '\". You will")
        .await;
    terminal.types("n\n").await;
    terminal.end().await.exited(1).said("[consent_denied]");
}
