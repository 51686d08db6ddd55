//! Servers that are slow to answer.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::{PlainServer, Program, World};

/// The length of a second of the command's limits, in milliseconds.
const SECOND: &str = "MCP_REAUTH_TEST_SECOND_MS";

async fn server() -> PlainServer {
    PlainServer::results(|message| match message["method"].as_str()? {
        "tools/call" => Some(json!({ "content": [{ "type": "text", "text": "done" }] })),
        "tools/list" => Some(json!({ "tools": [] })),
        _ => None,
    })
    .await
}

fn impatient(world: &World, args: &[&str]) -> Program {
    world.connecting(args.iter().copied()).env(SECOND, "50")
}

#[tokio::test]
async fn a_server_that_never_answers_is_not_waited_for() {
    let held = [
        ("server/discover", &["call", "any"][..], "answer"),
        ("initialize", &["call", "any"], "answer"),
        ("initialize", &["list"], "answer"),
        ("initialize", &["login"], "answer"),
        ("notifications/initialized", &["list"], "answer"),
        ("tools/list", &["list"], "list its tools"),
        ("tools/list", &["login"], "list its tools"),
        (
            "tools/list",
            &["call", "any", "--arg", "n=1"],
            "list its tools",
        ),
        (
            "resources/list",
            &["list", "resources"],
            "list its resources",
        ),
        ("prompts/list", &["list", "prompts"], "list its prompts"),
    ];
    join_all(held.map(async |(method, command, doing)| {
        let (world, server) = (World::start().await, server().await);
        server.hold(Some(method));
        let [command, args @ ..] = command else {
            unreachable!("each has a command")
        };
        let args = [&[*command, &server.url], args].concat();
        let ended = impatient(&world, &args).run().await;
        let why = format!("Waiting for the server to {doing} took longer than 60 s");
        let ended = ended.failed(1, &why).said("[timeout]");
        // Into a pipe it prints nothing else.
        assert_eq!(ended.stderr.lines().count(), 1, "{method}: {ended:#?}");
    }))
    .await;
}

#[tokio::test]
async fn a_list_without_an_end_is_not_read_for_ever() {
    let world = World::start().await;
    let server = PlainServer::results(|message| {
        let endless = json!({ "tools": [], "nextCursor": "more" });
        (message["method"] == "tools/list").then_some(endless)
    })
    .await;
    for command in [
        &["list", &server.url][..],
        &["call", &server.url, "any", "--arg", "n=1"],
    ] {
        let ended = impatient(&world, command).run().await;
        ended
            .failed(1, "list its tools took longer")
            .said("[timeout]");
    }
}

#[tokio::test]
async fn a_tool_call_is_limited_only_when_told_to() {
    let (world, server) = (World::start().await, server().await);
    server.hold(Some("tools/call"));
    let limited = ["call", &server.url, "any", "--timeout", "2"];
    let ended = impatient(&world, &limited).run().await;
    ended
        .failed(1, "run the tool took longer than 2 s")
        .said("[timeout]");
}

#[tokio::test]
async fn a_server_that_does_not_let_a_session_end_is_left() {
    let (world, server) = (World::start().await, server().await);
    server.hold(Some("DELETE"));
    let ended = impatient(&world, &["call", &server.url, "any"]).run().await;
    ended.succeeded().printed("done\n");
}

#[tokio::test]
async fn a_limit_of_nothing_is_refused() {
    for seconds in ["0", "-1", "soon", ""] {
        let call = ["call", "http://127.0.0.1:1/mcp", "any"];
        let program = Program::new(call).args([format!("--timeout={seconds}").as_str()]);
        program.run().await.failed(2, "--timeout");
    }
}

#[cfg(unix)]
mod at_a_terminal {
    use super::*;
    use crate::support::PseudoTerminal;

    const NOTICE: &str = "Waiting for 127.0.0.1 to ";
    const ERASED: &str = "\r\u{1b}[K";

    fn start(world: &World, args: &[&str]) -> PseudoTerminal {
        PseudoTerminal::start_with(world, args, &[(SECOND, "200"), ("TERM", "xterm")])
    }

    #[tokio::test]
    async fn it_says_what_it_waits_for_and_stops_saying_so() {
        let (world, server) = (World::start().await, server().await);
        for (method, doing) in [("initialize", "answer"), ("tools/call", "run the tool")] {
            server.hold(Some(method));
            let mut terminal = start(&world, &["call", &server.url, "any"]);
            terminal.shows(&format!("{NOTICE}{doing}")).await;
            server.hold(None);
            let ended = terminal.end().await.succeeded();
            assert!(
                ended.stderr.ends_with(&format!("{ERASED}done\n")),
                "{ended:#?}"
            );
            assert_eq!(ended.stderr.matches(NOTICE).count(), 1, "{ended:#?}");
        }
    }

    #[tokio::test]
    async fn ctrl_c_ends_the_waiting() {
        let (world, server) = (World::start().await, server().await);
        for method in ["server/discover", "initialize", "tools/call", "DELETE"] {
            server.hold(Some(method));
            let mut terminal = start(&world, &["call", &server.url, "any"]);
            server.was_asked(method).await;
            terminal.types("\u{3}").await;
            let ended = terminal.end().await.exited(130).said("interrupted");
            let after = ended.stderr.rsplit(NOTICE).next().expect("a part");
            let shown = ended.stderr.contains(NOTICE);
            assert!(!shown || after.contains(ERASED), "{method}: {ended:#?}");
            server.forget();
        }
    }

    #[tokio::test]
    async fn a_notice_is_one_line_and_has_no_effect() {
        let (world, server) = (World::start().await, server().await);
        server.hold(Some("initialize"));
        let mut terminal = start(&world, &["list", &server.url]);
        terminal.shows(NOTICE).await;
        terminal.shows("(Ctrl-C ends it)").await;
        terminal.types("\u{3}").await;
        terminal.end().await.exited(130);
    }
}

/// The program exits although its output is not read.
#[cfg(unix)]
#[tokio::test]
async fn told_to_end_while_nobody_reads_the_result() {
    let world = World::start().await;
    let long = "x".repeat(1024 * 1024);
    let server = PlainServer::start(json!({ "content": [{ "type": "text", "text": long }] })).await;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let call = world.connecting(["call", &server.url, "any"]);
    let call = call.stdout(writer).start();
    server.was_asked("DELETE").await;
    // The pipe is full, so the program blocks on it. The signal may arrive before or after that.
    call.signal(rustix::process::Signal::INT);
    let ended = call.end().await;
    drop(reader);
    ended.exited(130);
}
