//! The consent question on a terminal.

use crate::support::{Ended, PseudoTerminal, World};

const QUESTION: &str = "Continue? [y/N] ";

fn call(world: &World, tool: &str) -> PseudoTerminal {
    let callback = "http://127.0.0.1:0/oauth/callback";
    let call = ["call", world.url(), tool, "--arg", "text=hello"];
    let args = [&call[..], &["--no-browser", "--callback-url", callback]].concat();
    PseudoTerminal::start(world, args)
}

/// Calls a tool that needs more scope, and types `keys` when asked.
async fn answer(world: &World, keys: &str) -> Ended {
    let mut terminal = call(world, "write_note");
    terminal.shows(QUESTION).await;
    terminal.types(keys).await;
    terminal.end().await
}

#[tokio::test]
async fn yes_goes_through() {
    for keys in ["y\n", "Y\n", "yes\n", "  YES \n"] {
        let world = World::signed_in().await;
        let ended = answer(&world, keys).await.succeeded().showed(1);
        let ended = ended
            .said("More access needed: ")
            .said("mcp:write")
            .said("write_note");
        assert!(ended.stderr.ends_with("hello\n"), "{ended:#?}");
        ended.hides(&world.control().issued_secrets());
        world.still_works().await;
    }
}

#[tokio::test]
async fn no_and_anything_else_is_a_no_and_loses_nothing() {
    for keys in ["n\n", "\n", "no\n", "yy\n", "maybe\n", "\u{4}"] {
        let world = World::signed_in().await;
        let ended = answer(&world, keys).await;
        ended.exited(1).said("[consent_denied]").showed(0);
        assert_eq!(world.control().counters().authorize_visits, 0);
        world.still_works().await;
    }
}

#[tokio::test]
async fn ctrl_c_at_the_question_loses_nothing() {
    let world = World::signed_in().await;
    answer(&world, "\u{3}").await.exited(130).showed(0);
    assert_eq!(world.control().counters().authorize_visits, 0);
    world.still_works().await;
}

#[tokio::test]
async fn a_stronger_sign_in_is_asked_about_in_its_own_words() {
    let world = World::signed_in().await;
    let mut terminal = call(&world, "transfer");
    terminal.shows("Confirm that it is you").await;
    terminal.shows(QUESTION).await;
    terminal.types("y\n").await;
    terminal.end().await.succeeded().showed(1);
}

#[tokio::test]
async fn a_first_sign_in_asks_nothing() {
    let world = World::start().await;
    let ended = call(&world, "echo").end().await.succeeded().showed(1);
    assert!(!ended.stderr.contains(QUESTION), "{ended:#?}");
}
