//! Output streams whose reader has gone away.

use std::io::PipeWriter;

use crate::support::{Program, World};

/// A pipe without a reader.
fn closed() -> PipeWriter {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer
}

#[tokio::test]
async fn nobody_reads_the_results() {
    let world = World::signed_in().await;
    for program in [
        world.call("echo"),
        world.call("echo").args(["--json"]),
        world.connecting(["list", world.url()]),
        world.connecting(["list", world.url(), "--json"]),
        world.program(["status", world.url()]),
        world.program(["status", "--json"]),
        Program::new(["call", "--help"]),
    ] {
        program.stdout(closed()).run().await.succeeded();
    }
    let challenge = Program::new(["challenge", "--status", "401"]);
    challenge.stdout(closed()).run().await.succeeded();
}

#[tokio::test]
async fn nobody_reads_what_is_said() {
    let world = World::start().await;
    let login = world.connecting(["login", world.url()]);
    login.run().await.succeeded();
    for (program, code) in [
        (world.connecting(["login", world.url()]), 0),
        (world.call("echo"), 0),
        (world.call("no_such_tool"), 1),
        (world.call("write_note"), 1),
        (world.program(["status"]), 0),
        (world.program(["logout", world.url()]), 0),
        (Program::new(["challenge", "--status", "x"]), 2),
    ] {
        program.stderr(closed()).run().await.exited(code);
    }
}
