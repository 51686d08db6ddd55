//! Ctrl-C and other signals at critical moments.

use mcp_reauth_fixture::Faults;
use rustix::process::Signal;

use crate::support::{Program, Running, World, soon};
use crate::tested::tested;

fn token_hold() -> Faults {
    Faults {
        token_hold: true,
        ..Faults::default()
    }
}

#[tokio::test]
async fn ctrl_c_while_waiting_for_the_browser() {
    for command in ["login", "list"] {
        let world = World::start().await;
        let mut program = world.connecting([command, world.url()]).alone().start();
        program.address().await;
        program.signal(Signal::INT);
        let ended = program.end().await;
        ended.failed(130, "mcp-reauth: interrupted; nothing was lost");
        // The file is valid, and the user is not signed in.
        assert_eq!(world.contents()["format"], 1);
        world.program(["status", world.url()]).run().await.exited(1);
        world.call("echo").run().await.succeeded().showed(1);
    }
}

#[tokio::test]
async fn told_to_end_while_a_renewed_token_is_on_its_way() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        if signal == Signal::HUP && ignores_hang_up() {
            println!("SKIPPED: SIGHUP, which these tests were started to outlive, as by nohup");
            continue;
        }
        let world = World::signed_in().await;
        world.control().expire_access_tokens();
        world.control().set_faults(token_hold());
        let program = world.call("echo").start();
        let held = world
            .control()
            .counters_when(|counters| counters.token_refresh == 1);
        soon(held).await;
        program.signal(signal);
        // The token request is answered but the call is not, so the program can only end by the signal.
        world.control().set_faults(Faults {
            mcp_hold: true,
            ..Faults::default()
        });
        program.end().await.failed(code, "interrupted").showed(0);
        world.control().set_faults(Faults::default());
        world.still_works().await;
        let counters = world.control().counters();
        assert_eq!(
            (counters.token_refresh, counters.reuse_detected),
            (1, 0),
            "{counters:#?}"
        );
    }
}

/// Whether the tests, and so their child processes, ignore SIGHUP.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}

/// A program that received a signal while a token is pending, and has printed that it waits for it.
async fn waiting_for_a_token(world: &World) -> Running {
    world.control().expire_access_tokens();
    world.control().set_faults(token_hold());
    let mut program = world.call("echo").start();
    let held = world
        .control()
        .counters_when(|counters| counters.token_refresh == 1);
    soon(held).await;
    program.signal(Signal::INT);
    program.says(|line| line.contains(ON_ITS_WAY)).await;
    program
}

const ON_ITS_WAY: &str = "a token request for";

#[tokio::test]
async fn what_is_on_its_way_is_said_and_that_nothing_was_lost_is_true() {
    let world = World::signed_in().await;
    let program = waiting_for_a_token(&world).await;
    world.control().set_faults(Faults {
        mcp_hold: true,
        ..Faults::default()
    });
    let ended = program.end().await;
    ended.failed(130, "mcp-reauth: interrupted; nothing was lost");
    world.control().set_faults(Faults::default());
    world.still_works().await;
}

#[tokio::test]
async fn told_to_end_twice_it_does_not_say_that_nothing_was_lost() {
    let world = World::signed_in().await;
    let program = waiting_for_a_token(&world).await;
    program.signal(Signal::INT);
    let ended = program.end().await;
    ended.failed(130, "mcp-reauth: interrupted during a token request");
}

#[tokio::test]
async fn program_waits_for_a_token_that_comes_after_its_call_has_failed() {
    let world = World::signed_in().await;
    world.control().expire_access_tokens();
    world.control().set_faults(token_hold());
    let mut program = world.call("echo").start();
    // The call itself waits for 20 s.
    program.says(|line| line.contains(ON_ITS_WAY)).await;
    world.control().set_faults(Faults::default());
    program.end().await.failed(1, "[refresh_unavailable]");
    world.control().reset_counters();
    world.still_works().await;
    let counters = world.control().counters();
    assert_eq!((counters.token_refresh, counters.reuse_detected), (0, 0));
}

#[tokio::test]
async fn ctrl_c_while_a_first_token_is_on_its_way() {
    let world = World::start().await;
    world.control().set_faults(token_hold());
    let program = world.call("echo").start();
    soon(
        world
            .control()
            .counters_when(|counters| counters.token_code == 1),
    )
    .await;
    program.signal(Signal::INT);
    world.control().set_faults(Faults {
        mcp_hold: true,
        ..Faults::default()
    });
    program.end().await.failed(130, "interrupted").showed(1);
    world.control().set_faults(Faults::default());
    world.still_works().await;
}

#[tokio::test]
async fn ctrl_c_while_the_server_does_not_answer() {
    let world = World::signed_in().await;
    world.control().set_faults(Faults {
        mcp_hold: true,
        ..Faults::default()
    });
    for program in [
        world.call("echo"),
        world.connecting(["list", world.url()]),
        world.connecting(["login", world.url()]),
    ] {
        world.control().reset_counters();
        let program = program.start();
        soon(
            world
                .control()
                .counters_when(|counters| counters.mcp_requests == 1),
        )
        .await;
        program.signal(Signal::INT);
        program.end().await.failed(130, "interrupted");
    }
    world.control().set_faults(Faults::default());
    world.still_works().await;
}

#[tokio::test]
async fn being_killed_while_a_token_is_on_its_way_leaves_a_readable_store() {
    let world = World::signed_in().await;
    world.control().expire_access_tokens();
    world.control().set_faults(token_hold());
    let program = world.call("echo").start();
    soon(
        world
            .control()
            .counters_when(|counters| counters.token_refresh == 1),
    )
    .await;
    program.signal(Signal::KILL);
    let ended = program.end().await;
    assert_eq!(ended.status.code(), None, "{ended:#?}");
    world.control().set_faults(Faults::default());
    assert_eq!(world.contents()["format"], 1);
    world
        .program(["status", world.url()])
        .run()
        .await
        .succeeded();
    // Only the server knows whether the token was rotated: at worst the user signs in again.
    let ended = world
        .call("echo")
        .run()
        .await
        .succeeded()
        .printed("hello\n");
    assert!(ended.pages <= 1, "{ended:#?}");
    world.still_works().await;
}

#[tokio::test]
async fn being_killed_does_not_keep_others_waiting() {
    let world = World::signed_in().await;
    world.control().expire_access_tokens();
    world.control().set_faults(token_hold());
    let holder = world.call("echo").start();
    soon(
        world
            .control()
            .counters_when(|counters| counters.token_refresh == 1),
    )
    .await;
    let waiting = world.call("echo").start();
    soon(
        world
            .control()
            .counters_when(|counters| counters.mcp_401 == 2),
    )
    .await;
    holder.signal(Signal::KILL);
    // The lease ends with its holder's process, so the other process renews.
    soon(
        world
            .control()
            .counters_when(|counters| counters.token_refresh == 2),
    )
    .await;
    world.control().set_faults(Faults::default());
    waiting.end().await.succeeded().printed("hello\n");
}

#[tokio::test]
async fn ctrl_c_ends_the_test_server_well() {
    let mut server = Program::new(["serve-fixture"]).start();
    server.says(|line| line == "Press Ctrl-C to stop.").await;
    server.signal(Signal::INT);
    server.end().await.succeeded();
}

#[tokio::test]
async fn ctrl_c_ends_the_demo() {
    let mut demo = Program::new(["demo", "--json"]).start();
    demo.prints(|_| true).await;
    demo.signal(Signal::INT);
    demo.end().await.exited(130).said("interrupted");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_that_is_to_outlive_its_terminal_does() {
    use tokio::io::{AsyncBufReadExt, BufReader};

    let world = World::start().await;
    // As nohup does.
    let mut program = tokio::process::Command::new("sh")
        .args(["-c", r#"trap "" HUP; exec "$0" login "$1" --no-browser"#])
        .arg(tested())
        .arg(world.url())
        .env("MCP_REAUTH_STORE", world.store())
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("sh is there");
    let mut said = BufReader::new(program.stderr.take().expect("a pipe")).lines();
    let began = soon(said.next_line()).await;
    assert!(began.expect("a pipe").is_some());
    let id = program.id().and_then(|id| i32::try_from(id).ok());
    let id = id
        .and_then(rustix::process::Pid::from_raw)
        .expect("it runs");
    for signal in [Signal::HUP, Signal::TERM] {
        rustix::process::kill_process(id, signal).expect("it runs");
    }
    let ended = soon(program.wait()).await.expect("it ended");
    assert_eq!(ended.code(), Some(143));
}
