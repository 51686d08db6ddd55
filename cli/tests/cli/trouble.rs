//! Servers that are unreachable, are not MCP servers, or always refuse.

use mcp_reauth_fixture::Faults;
use serde_json::json;

use crate::support::{Ended, PlainServer, Program, World, free_port};

async fn call(world: &World, url: &str) -> Ended {
    world.connecting(["call", url, "echo"]).run().await
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let world = World::start().await;
    let authority = format!("127.0.0.1:{}", free_port());
    let url = format!("http://{authority}/mcp");
    for command in [
        &["call", &url, "echo"][..],
        &["list", &url],
        &["login", &url],
    ] {
        let ended = world.connecting(command.iter().copied()).run().await;
        ended.failed(1, &authority).showed(0);
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_quoted() {
    let world = World::start().await;
    for url in [
        "",
        "mcp",
        "127.0.0.1:80/mcp",
        "http://",
        "http://[::1",
        "http://127.0.0.1/mcp#part",
    ] {
        let ended = call(&world, url).await.exited(2).printed("").showed(0);
        assert_eq!(ended.stderr.lines().count(), 1, "{url}: {ended:#?}");
    }
}

#[tokio::test]
async fn credentials_are_not_sent_in_the_clear() {
    let world = World::start().await;
    for url in [
        "http://example.com/mcp",
        "ftp://127.0.0.1/mcp",
        "http://127.0.0.1.example.com/mcp",
    ] {
        let ended = call(&world, url).await;
        ended.failed(2, url).said("[insecure_endpoint]").showed(0);
    }
}

#[tokio::test]
async fn a_server_that_does_not_speak_mcp() {
    let world = World::start().await;
    // The authorization server answers such paths with 404.
    let url = format!("{}/nothing-here", world.fixture.issuer());
    let ended = call(&world, &url).await.exited(1).printed("").showed(0);
    assert!(ended.stderr.contains("404"), "{ended:#?}");
    assert!(ended.stderr.starts_with("mcp-reauth: "), "{ended:#?}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_an_error() {
    let world = World::signed_in().await;
    world.control().set_faults(Faults {
        drop_mcp_connection: true,
        ..Faults::default()
    });
    let ended = world
        .call("echo")
        .run()
        .await
        .exited(1)
        .printed("")
        .showed(0);
    assert!(ended.stderr.starts_with("mcp-reauth: "), "{ended:#?}");
    world.control().set_faults(Faults::default());
    world.still_works().await;
}

#[tokio::test]
async fn a_server_that_asks_for_no_authorization_is_simply_used() {
    let world = World::start().await;
    let server = PlainServer::start(json!({ "content": [] })).await;
    call(&world, &server.url).await.succeeded().showed(0);
    assert!(!world.store().exists());
    // The server needs no sign-in and has no tools to list.
    let login = world.connecting(["login", &server.url]).run().await;
    login.succeeded().said("needs no sign-in.").showed(0);
}

#[tokio::test]
async fn a_401_for_ever_ends_in_an_error() {
    let world = World::signed_in().await;
    for command in [
        &["call", world.url(), "echo"][..],
        &["list", world.url()],
        &["login", world.url()],
    ] {
        world.control().set_faults(Faults {
            always_401: true,
            ..Faults::default()
        });
        world.control().reset_counters();
        let ended = world.connecting(command.iter().copied()).run().await;
        let ended = ended.failed(1, "[unauthorized]");
        assert!(ended.pages <= 1, "{ended:#?}");
        let counters = world.control().counters();
        assert!(counters.requests <= 20, "{command:?}: {counters:#?}");
        world.control().set_faults(Faults::default());
        world.still_works().await;
    }
}

#[tokio::test]
async fn a_403_without_a_challenge_is_an_error_and_no_reason_to_ask() {
    let world = World::signed_in().await;
    world.control().set_faults(Faults {
        plain_403: true,
        ..Faults::default()
    });
    let ended = world.call("echo").args(["--yes"]).run().await;
    ended.failed(1, "403").showed(0);
    assert_eq!(world.control().counters().token_requests, 0);
}

#[tokio::test]
async fn an_authorization_server_that_is_down_loses_nothing() {
    let world = World::signed_in().await;
    world.control().expire_access_tokens();
    world.control().set_authorization_server_up(false);
    let ended = world.call("echo").run().await;
    ended
        .failed(1, "[refresh_unavailable]")
        .said("Stored credentials were kept")
        .showed(0);
    world.control().set_authorization_server_up(true);
    world.still_works().await;
}

#[tokio::test]
async fn trouble_at_the_token_endpoint_loses_nothing() {
    for (faults, code) in [
        (
            Faults {
                token_status: Some(503),
                token_retry_after: Some(3600),
                ..Faults::default()
            },
            "[refresh_unavailable]",
        ),
        (
            Faults {
                token_not_json: true,
                ..Faults::default()
            },
            "[",
        ),
        (
            Faults {
                token_error: Some("server_error".to_owned()),
                ..Faults::default()
            },
            "[",
        ),
    ] {
        let world = World::signed_in().await;
        world.control().expire_access_tokens();
        world.control().set_faults(faults);
        // No user would answer a sign-in page.
        let mut program = world.call("echo").alone().start();
        let why = program
            .says(|line| line.starts_with("mcp-reauth: ") || line.contains("/authorize?"))
            .await;
        assert!(why.contains(code) && !why.contains("/authorize?"), "{why}");
        program.end().await.exited(1).printed("");
        world.control().set_faults(Faults::default());
        world.still_works().await;
    }
}

#[tokio::test]
async fn an_answer_from_elsewhere_is_not_used() {
    for (faults, code) in [
        (
            Faults {
                wrong_iss: Some("https://evil.example.com".to_owned()),
                ..Faults::default()
            },
            "[issuer_mismatch]",
        ),
        (
            Faults {
                missing_iss: true,
                ..Faults::default()
            },
            "[issuer_mismatch]",
        ),
        (
            Faults {
                authorize_error: Some("temporarily_unavailable".to_owned()),
                ..Faults::default()
            },
            "[authorization_denied]",
        ),
        (
            Faults {
                registration_rejected: true,
                ..Faults::default()
            },
            "[registration_rejected]",
        ),
        (
            Faults {
                no_pkce_in_metadata: true,
                ..Faults::default()
            },
            "[pkce_unsupported]",
        ),
        (
            Faults {
                metadata_issuer: Some("https://evil.example.com".to_owned()),
                ..Faults::default()
            },
            "[metadata_invalid]",
        ),
        (
            Faults {
                metadata_resource: Some("https://evil.example.com/mcp".to_owned()),
                ..Faults::default()
            },
            "[resource_mismatch]",
        ),
    ] {
        let world = World::start().await;
        world.control().set_faults(faults);
        world.call("echo").run().await.failed(1, code);
        assert_eq!(world.control().counters().token_requests, 0, "{code}");
        world.control().set_faults(Faults::default());
        world.call("echo").run().await.succeeded().showed(1);
    }
}

#[tokio::test]
async fn it_ends_with_one_line_that_says_why() {
    let world = World::signed_in().await;
    world.control().set_authorization_server_up(false);
    world.control().expire_access_tokens();
    let ended = world.call("echo").run().await.exited(1);
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");
    let missing = Program::new(["call", "http://127.0.0.1:1/mcp", "echo", "--no-browser"])
        .env("MCP_REAUTH_STORE", world.store())
        .run()
        .await
        .exited(1);
    assert_eq!(missing.stderr.lines().count(), 1, "{missing:#?}");
}

#[tokio::test]
async fn what_went_wrong_is_said_in_words_and_not_in_names_of_types() {
    let world = World::signed_in().await;
    let nothing = format!("{}/nothing-here", world.fixture.issuer());
    let broken = Faults {
        drop_mcp_connection: true,
        ..Faults::default()
    };
    let forbidden = Faults {
        plain_403: true,
        ..Faults::default()
    };
    for (url, faults) in [
        ("http://127.0.0.1:1/mcp", Faults::default()),
        (&nothing, Faults::default()),
        (world.url(), broken),
        (world.url(), forbidden),
    ] {
        world.control().set_faults(faults);
        let ended = call(&world, url).await.failed(1, url);
        assert!(!ended.stderr.contains("rmcp::"), "{ended:#?}");
    }
}
