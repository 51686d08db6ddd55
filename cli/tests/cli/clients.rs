//! Client identities: pre-registered clients, their secrets, client credentials, and metadata documents.

use mcp_reauth_fixture::config::{AuthMethod, GrantType, PreRegisteredClient};
use mcp_reauth_fixture::{Config, Faults};

#[cfg(unix)]
use crate::support::PseudoTerminal;
use crate::support::{Program, World};

const ID: &str = "a-client";
const SECRET: &str = "s3cret/with+odd=characters-71d0";

fn client(grant_types: &[GrantType], method: AuthMethod) -> PreRegisteredClient {
    PreRegisteredClient {
        client_id: ID.to_owned(),
        client_secret: (method != AuthMethod::None).then(|| SECRET.to_owned()),
        redirect_uris: vec!["http://127.0.0.1/oauth/callback".to_owned()],
        token_endpoint_auth_method: Some(method),
        jwks: None,
        grant_types: grant_types.to_vec(),
    }
}

/// A world with only this client registered.
async fn world(client: PreRegisteredClient) -> World {
    let mut config = Config {
        token_endpoint_auth_methods_supported: vec![client.auth_method()],
        ..Config::default()
    };
    config.registration.dynamic = false;
    config.registration.metadata_documents = false;
    config.registration.clients = vec![client];
    World::with(config).await
}

async fn interactive_world() -> World {
    let grants = [GrantType::AuthorizationCode, GrantType::RefreshToken];
    world(client(&grants, AuthMethod::ClientSecretBasic)).await
}

async fn machine_world(method: AuthMethod) -> World {
    world(client(&[GrantType::ClientCredentials], method)).await
}

fn secret_file(world: &World, text: &str) -> String {
    let path = world.folder.path().join("secret");
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

/// All ways to pass the secret.
fn ways(world: &World) -> Vec<Program> {
    let file = secret_file(world, &format!("  {SECRET}\n"));
    let ways = vec![
        world
            .call("echo")
            .args(["--client-id", ID, "--client-secret", SECRET]),
        world
            .call("echo")
            .env("MCP_REAUTH_CLIENT_ID", ID)
            .env("MCP_REAUTH_CLIENT_SECRET", SECRET),
        world
            .call("echo")
            .args(["--client-id", ID, "--client-secret-file", &file]),
    ];
    let issuer = world.fixture.issuer();
    let bound = |way: Program| way.args(["--client-issuer", issuer]);
    ways.into_iter().map(bound).collect()
}

#[tokio::test]
async fn a_client_registered_beforehand_whichever_way_its_secret_is_given() {
    for way in 0..3 {
        let world = interactive_world().await;
        let program = ways(&world).swap_remove(way);
        let ended = program.run().await.succeeded().printed("hello\n").showed(1);
        ended.hides(&world.control().issued_secrets());
        assert_eq!(world.control().counters().registrations, 0);
        // The record names the client from now on, so a renewal does not need the options.
        world.control().expire_access_tokens();
        world.still_works().await;
    }
}

#[tokio::test]
async fn a_public_client_registered_beforehand() {
    let grants = [GrantType::AuthorizationCode, GrantType::RefreshToken];
    let world = world(client(&grants, AuthMethod::None)).await;
    let ended = world.call("echo").args(["--client-id", ID]).run().await;
    ended.succeeded().printed("hello\n").showed(1);
    let state = world
        .program(["status", world.url(), "--json"])
        .run()
        .await
        .json();
    assert_eq!(state["clientId"], ID);
}

#[tokio::test]
async fn without_a_client_where_none_is_registered_by_itself() {
    let world = interactive_world().await;
    let ended = world.call("echo").run().await;
    ended.failed(1, "[registration_rejected]").showed(0);
}

#[tokio::test]
async fn a_wrong_secret_is_an_error_that_does_not_show_it() {
    let world = interactive_world().await;
    let wrong = "not-the-secret-90be".to_owned();
    let program = world
        .call("echo")
        .args(["--client-id", ID, "--client-secret", &wrong])
        .args(["--client-issuer", world.fixture.issuer()]);
    let ended = program.run().await.failed(1, "[registration_rejected]");
    ended.hides(&[wrong]);
}

/// The server supports both methods, but this client is registered for the form.
#[tokio::test]
async fn a_secret_is_sent_as_the_option_says() {
    let grants = [GrantType::AuthorizationCode, GrantType::RefreshToken];
    let mut config = Config {
        token_endpoint_auth_methods_supported: vec![
            AuthMethod::ClientSecretBasic,
            AuthMethod::ClientSecretPost,
        ],
        ..Config::default()
    };
    config.registration.clients = vec![client(&grants, AuthMethod::ClientSecretPost)];
    let world = World::with(config).await;
    let program = || {
        let program = world.call("echo");
        let program = program.args(["--client-id", ID, "--client-secret", SECRET]);
        program.args(["--client-issuer", world.fixture.issuer()])
    };
    let ended = program().run().await;
    ended.failed(1, "[registration_rejected]");
    let ended = program().args(["--client-auth", "basic"]).run().await;
    ended.failed(1, "[registration_rejected]");
    let ended = program().args(["--client-auth", "post"]).run().await;
    ended.succeeded().printed("hello\n");
    // The record knows the method from now on.
    world.control().expire_access_tokens();
    world.still_works().await;
}

#[tokio::test]
async fn a_method_without_a_secret_is_a_usage_error() {
    let world = interactive_world().await;
    let public: &[&str] = &["--client-id", ID, "--client-auth", "post"];
    let unknown: &[&str] = &["--client-id", ID, "--client-auth", "none"];
    for (args, message) in [
        (public, "--client-auth needs a secret"),
        (&public[2..], "--client-id"),
        (unknown, "possible values: basic, post"),
    ] {
        let ended = world.call("echo").args(args).run().await;
        ended.failed(2, message).showed(0);
    }
}

#[tokio::test]
async fn a_secret_without_an_id_and_two_secrets_are_usage_errors() {
    let world = interactive_world().await;
    let file = secret_file(&world, SECRET);
    let cases: [&[&str]; 5] = [
        &["--client-secret", SECRET],
        &["--client-secret-file", &file],
        &["--client-issuer", "https://issuer.example.com"],
        &["--client-credentials"],
        &[
            "--client-id",
            ID,
            "--client-secret",
            SECRET,
            "--client-secret-file",
            &file,
        ],
    ];
    for args in cases {
        let ended = world.call("echo").args(args).run().await;
        let ended = ended.failed(2, "--client-").showed(0);
        ended.hides(&[SECRET.to_owned()]);
    }
    assert_eq!(world.control().counters().requests, 0);
}

#[tokio::test]
async fn a_secret_file_that_is_missing_or_empty_is_named() {
    let world = interactive_world().await;
    let missing = world.folder.path().join("missing").display().to_string();
    let empty = secret_file(&world, " \n");
    for file in [missing, empty] {
        let args = ["--client-id", ID, "--client-secret-file", &file];
        let ended = world.call("echo").args(args).run().await;
        ended.failed(2, &file).showed(0);
    }
}

#[tokio::test]
async fn the_clients_own_credentials_need_nobody() {
    for method in [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost] {
        for way in 0..3 {
            let world = machine_world(method).await;
            let program = ways(&world).swap_remove(way).args(["--client-credentials"]);
            let ended = program.run().await.succeeded().printed("hello\n").showed(0);
            ended.hides(&world.control().issued_secrets());
            let counters = world.control().counters();
            assert_eq!(counters.token_client_credentials, 1, "{counters:#?}");
            assert_eq!(counters.authorize_visits, 0, "{counters:#?}");
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn where_a_secret_belongs_is_asked_once() {
    let question = "Send them there? [y/N] ";
    let world = machine_world(AuthMethod::ClientSecretBasic).await;
    let ask = async |keys: &str| {
        let call = ["call", world.url(), "echo", "--arg", "text=hello"];
        let client = [
            "--client-id",
            ID,
            "--client-secret",
            SECRET,
            "--client-credentials",
        ];
        let mut terminal = PseudoTerminal::start(&world, [&call[..], &client[..]].concat());
        terminal.shows(question).await;
        terminal.types(keys).await;
        terminal.end().await
    };
    ask("n\n").await.exited(1).said("[config]");
    assert_eq!(world.control().counters().token_client_credentials, 0);
    ask("y\n").await.succeeded().said(world.fixture.issuer());
    // The grant records the issuer. Without a terminal, the error names the option to give.
    let client = [
        "--client-id",
        ID,
        "--client-secret",
        SECRET,
        "--client-credentials",
    ];
    world.control().expire_access_tokens();
    world.call("echo").args(client).run().await.succeeded();
    let world = machine_world(AuthMethod::ClientSecretBasic).await;
    let ended = world.call("echo").args(client).run().await;
    let needed = format!("--client-issuer {}", world.fixture.issuer());
    ended.failed(1, &needed).said("[config]");
    assert_eq!(world.control().counters().token_client_credentials, 0);
}

#[tokio::test]
async fn the_clients_own_credentials_get_a_new_token_when_the_old_one_expires() {
    let world = machine_world(AuthMethod::ClientSecretBasic).await;
    let call = || {
        let secret = world.call("echo").env("MCP_REAUTH_CLIENT_SECRET", SECRET);
        let args = ["--client-id", ID, "--client-credentials", "--client-issuer"];
        secret.args(args).args([world.fixture.issuer()])
    };
    call().run().await.succeeded().showed(0);
    world.control().expire_access_tokens();
    call().run().await.succeeded().showed(0);
    assert_eq!(world.control().counters().token_client_credentials, 2);
}

#[tokio::test]
async fn the_clients_own_credentials_include_a_secret() {
    let world = machine_world(AuthMethod::ClientSecretBasic).await;
    let args = ["--client-id", ID, "--client-credentials"];
    let ended = world.call("echo").args(args).run().await;
    ended
        .failed(
            2,
            "client credentials need a client id, and its secret or key",
        )
        .said("[config]");
    assert_eq!(world.control().counters().requests, 0);
}

#[tokio::test]
async fn a_client_of_another_issuer_is_not_used() {
    let world = interactive_world().await;
    let elsewhere = world.fixture.second_issuer().to_owned();
    let args = [
        "--client-id",
        ID,
        "--client-secret",
        SECRET,
        "--client-issuer",
        &elsewhere,
    ];
    let ended = world.call("echo").args(args).run().await;
    ended
        .failed(1, &elsewhere)
        .said("[registration_rejected]")
        .showed(0)
        .hides(&world.control().issued_secrets());
    let counters = world.control().counters();
    assert_eq!(
        (counters.token_requests, counters.server_metadata),
        (0, 0),
        "{counters:#?}"
    );
}

#[tokio::test]
async fn a_client_bound_to_its_issuer_signs_in_there() {
    let world = interactive_world().await;
    let issuer = world.fixture.issuer().to_owned();
    let args = [
        "--client-id",
        ID,
        "--client-secret",
        SECRET,
        "--client-issuer",
        &issuer,
    ];
    world
        .call("echo")
        .args(args)
        .run()
        .await
        .succeeded()
        .showed(1);
}

#[tokio::test]
async fn a_bound_client_does_not_follow_its_server_to_another_issuer() {
    let world = interactive_world().await;
    let issuer = world.fixture.issuer().to_owned();
    let args = [
        "--client-id",
        ID,
        "--client-secret",
        SECRET,
        "--client-issuer",
        &issuer,
    ];
    world.call("echo").args(args).run().await.succeeded();
    world.control().set_faults(Faults {
        second_server_takes_over: true,
        ..Faults::default()
    });
    world.control().reset_counters();
    let ended = world.call("echo").args(args).run().await;
    ended
        .failed(1, "[registration_rejected]")
        .said(&issuer)
        .showed(0);
    // Its own issuer may be asked to renew; the other issuer's metadata is not even requested.
    let counters = world.control().counters();
    assert_eq!(counters.server_metadata, 0, "{counters:#?}");
    assert_eq!(
        counters.token_requests, counters.token_refresh,
        "{counters:#?}"
    );
    assert_eq!(counters.token_failures, 0, "{counters:#?}");
    assert_ne!(world.state().await["issuer"], world.fixture.second_issuer());
}

#[tokio::test]
async fn a_client_that_was_used_at_one_issuer_does_not_follow_its_server_to_another() {
    let world = interactive_world().await;
    let args = ["--client-id", ID, "--client-secret", SECRET];
    let bound = world.call("echo").args(args);
    let bound = bound.args(["--client-issuer", world.fixture.issuer()]);
    bound.run().await.succeeded();
    world.control().set_faults(Faults {
        second_server_takes_over: true,
        ..Faults::default()
    });
    world.control().reset_counters();
    let ended = world.call("echo").args(args).run().await;
    ended.failed(1, "[registration_rejected]").showed(0);
    assert_eq!(world.control().counters().server_metadata, 0);
}

#[tokio::test]
async fn a_bound_machine_client_does_not_follow_its_server_to_another_issuer() {
    let world = machine_world(AuthMethod::ClientSecretBasic).await;
    let issuer = world.fixture.issuer().to_owned();
    let args = [
        "--client-id",
        ID,
        "--client-secret",
        SECRET,
        "--client-issuer",
        &issuer,
        "--client-credentials",
    ];
    world.call("echo").args(args).run().await.succeeded();
    world.control().set_faults(Faults {
        second_server_takes_over: true,
        ..Faults::default()
    });
    world.control().reset_counters();
    let ended = world
        .call("echo")
        .args(args)
        .run()
        .await
        .exited(1)
        .showed(0);
    let counters = world.control().counters();
    assert!(counters.requests < 20, "{counters:#?} {ended:#?}");
    assert_eq!(counters.token_failures, 0, "{counters:#?}");
    assert_eq!(
        counters.server_metadata, 0,
        "the other issuer was asked: {counters:#?} {ended:#?}"
    );
}

#[tokio::test]
async fn a_metadata_address_must_be_https_and_have_a_path() {
    let world = World::start().await;
    for url in [
        "http://127.0.0.1:1/client.json",
        "https://example.com",
        "client.json",
    ] {
        let ended = world
            .call("echo")
            .args(["--client-metadata-url", url])
            .run()
            .await;
        ended
            .failed(2, url)
            .said("must be https and have a path")
            .said("[config]");
    }
    let args = [
        "--client-metadata-url",
        "https://example.com/c.json",
        "--client-id",
        ID,
    ];
    world
        .call("echo")
        .args(args)
        .run()
        .await
        .failed(2, "cannot be used with");
    assert_eq!(world.control().counters().requests, 0);
}

#[tokio::test]
async fn a_metadata_address_is_no_obstacle_where_such_clients_are_not_known() {
    let mut config = Config::default();
    config.registration.metadata_documents = false;
    let world = World::with(config).await;
    let args = ["--client-metadata-url", "https://example.com/client.json"];
    world
        .call("echo")
        .args(args)
        .run()
        .await
        .succeeded()
        .showed(1);
    assert_eq!(world.control().counters().registrations, 1);
}

#[tokio::test]
async fn a_metadata_address_is_the_client_id_where_such_clients_are_known() {
    let world = World::start().await;
    let args = ["--client-metadata-url", "https://example.com/client.json"];
    let mut program = world.call("echo").args(args).alone().start();
    let address = program.address().await;
    let address = url::Url::parse(&address).expect("a URL");
    let id = address.query_pairs().find(|(name, _)| name == "client_id");
    assert_eq!(
        id.expect("a client id").1,
        "https://example.com/client.json"
    );
    assert_eq!(world.control().counters().registrations, 0);
}

#[tokio::test]
async fn resource_indicators_can_be_left_out() {
    let world = World::start().await;
    world.control().set_faults(Faults {
        reject_resource_parameter: true,
        ..Faults::default()
    });
    let ended = world.call("echo").run().await;
    ended
        .failed(1, "invalid_target")
        .said("[authorization_denied]");
    let ended = world.call("echo").args(["--no-resource"]).run().await;
    ended.succeeded().printed("hello\n").showed(1);
    world.control().expire_access_tokens();
    world.still_works().await;
}
