//! `--scope`, and step-ups without a terminal.

use mcp_reauth_fixture::Faults;
use serde_json::Value;

use crate::support::World;

/// The granted scopes of a state, sorted.
fn granted(state: &Value) -> Vec<&str> {
    let scopes = state["grantedScopes"].as_array().expect("scopes").iter();
    let mut scopes: Vec<&str> = scopes.filter_map(Value::as_str).collect();
    scopes.sort_unstable();
    scopes
}

#[tokio::test]
async fn scopes_are_asked_for_besides_what_the_server_asks_for() {
    for scopes in [
        &["--scope", "mcp:write", "--scope", "mcp:admin"][..],
        &["--scope", "mcp:write mcp:admin"],
        &["--scope", "mcp:write,mcp:admin"],
    ] {
        let world = World::start().await;
        let ended = world.call("echo").args(scopes).run().await;
        ended.succeeded().showed(1);
        let state = world.state().await;
        let granted = granted(&state);
        assert_eq!(
            granted,
            ["mcp:admin", "mcp:read", "mcp:write"],
            "{scopes:?}"
        );
        // Granted scopes are not requested again.
        world.call("write_note").run().await.succeeded().showed(0);
    }
}

#[tokio::test]
async fn a_login_for_more_scopes_asks_for_them_and_keeps_the_others() {
    let world = World::signed_in().await;
    let login = |scope| world.connecting(["login", world.url(), "--json", "--scope", scope]);
    let ended = login("mcp:write").run().await.succeeded().showed(1);
    assert_eq!(granted(&ended.json()), ["mcp:read", "mcp:write"]);
    login("mcp:read").run().await.succeeded().showed(0);
    login("mcp:write").run().await.succeeded().showed(0);
}

#[tokio::test]
async fn a_fresh_login_asks_once_for_all() {
    let world = World::start().await;
    let login = ["login", world.url(), "--scope", "mcp:write"];
    world.connecting(login).run().await.succeeded().showed(1);
    world.call("write_note").run().await.succeeded().showed(0);
}

#[tokio::test]
async fn a_scope_the_server_does_not_know_is_its_error() {
    let world = World::start().await;
    let ended = world.call("echo").args(["--scope", "no:such"]).run().await;
    ended
        .failed(1, "invalid_scope")
        .said("[authorization_denied]");
    world.call("echo").run().await.succeeded().showed(1);
}

#[tokio::test]
async fn without_a_terminal_nobody_can_agree_and_that_is_said() {
    let world = World::signed_in().await;
    let ended = world.call("write_note").run().await;
    ended
        .failed(1, "there is no terminal to ask on")
        .said("--yes")
        .said("needs the permission \"mcp:write\" to run the tool \"write_note\"")
        .showed(0);
    assert_eq!(world.control().counters().authorize_visits, 0);
    world.still_works().await;
}

#[tokio::test]
async fn agreed_beforehand_it_goes_through() {
    let world = World::signed_in().await;
    for yes in ["--yes", "-y"] {
        let ended = world.call("write_note").args([yes]).run().await.succeeded();
        let pages = ended.pages;
        ended
            .printed("hello\n")
            .hides(&world.control().issued_secrets());
        assert_eq!(
            pages,
            usize::from(yes == "--yes"),
            "the second call needs nobody"
        );
    }
    assert_eq!(granted(&world.state().await), ["mcp:read", "mcp:write"]);
    world.still_works().await;
}

#[tokio::test]
async fn a_stronger_sign_in_is_a_step_up_too() {
    let world = World::signed_in().await;
    let ended = world.call("transfer").run().await;
    ended.failed(1, "there is no terminal to ask on").showed(0);
    let ended = world.call("transfer").args(["--yes"]).run().await;
    ended
        .succeeded()
        .printed("hello\n")
        .showed(1)
        .said("Confirm that it is you");
    world.still_works().await;
}

#[tokio::test]
async fn less_than_asked_for_is_an_error_that_names_what_is_missing() {
    let world = World::signed_in().await;
    world.control().set_faults(Faults {
        narrower_scope: Some("mcp:read".to_owned()),
        ..Faults::default()
    });
    let ended = world.call("write_note").args(["--yes"]).run().await;
    ended
        .failed(1, "mcp:write")
        .said("[scope_not_granted]")
        .showed(1);
    world.still_works().await;
}

#[tokio::test]
async fn a_server_that_always_wants_more_is_given_up_on() {
    let always = [
        Faults {
            always_403_scope: true,
            ..Faults::default()
        },
        Faults {
            ever_new_scope: true,
            ..Faults::default()
        },
        Faults {
            alternate_401_403: true,
            ..Faults::default()
        },
    ];
    for faults in always {
        let world = World::signed_in().await;
        world.control().set_faults(faults.clone());
        let ended = world
            .call("write_note")
            .args(["--yes"])
            .run()
            .await
            .exited(1);
        let counters = world.control().counters();
        assert!(
            counters.requests < 25,
            "{faults:?} {counters:#?} {ended:#?}"
        );
        assert!(ended.pages <= 2, "{faults:?} {ended:#?}");
        assert!(
            ended.stderr.trim_end().ends_with(']'),
            "{faults:?}: no code in {ended:#?}"
        );
        world.control().set_faults(Faults::default());
        world.still_works().await;
    }
}
