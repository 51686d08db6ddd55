//! `mcp-reauth login`

use mcp_reauth_fixture::{Config, Consent};
use serde_json::json;

use crate::support::{Program, World};

fn login(world: &World) -> Program {
    world.connecting(["login", world.url()])
}

#[tokio::test]
async fn a_fresh_one_signs_in_and_says_so() {
    let world = World::start().await;
    let ended = login(&world).run().await.succeeded().showed(1).printed("");
    ended
        .said(&format!("Signed in to {}.", world.url()))
        .hides(&world.control().issued_secrets());
    world.still_works().await;
}

#[tokio::test]
async fn who_is_signed_in_is_not_bothered() {
    let world = World::signed_in().await;
    login(&world).run().await.succeeded().showed(0);
    world.control().expire_access_tokens();
    login(&world).run().await.succeeded().showed(0);
    let counters = world.control().counters();
    assert_eq!((counters.token_refresh, counters.authorize_visits), (1, 0));
}

#[tokio::test]
async fn who_only_seems_to_be_signed_in_signs_in_again() {
    let world = World::signed_in().await;
    world.control().revoke_grants();
    login(&world).run().await.succeeded().showed(1);
    world.still_works().await;
}

#[tokio::test]
async fn by_force_it_signs_in_anew() {
    let world = World::signed_in().await;
    login(&world)
        .args(["--force"])
        .run()
        .await
        .succeeded()
        .showed(1);
    let counters = world.control().counters();
    assert_eq!((counters.token_code, counters.token_refresh), (1, 0));
    world.still_works().await;
}

#[tokio::test]
async fn by_force_and_in_vain_it_keeps_what_there_is() {
    let world = World::signed_in().await;
    world.control().consent(Consent::Deny);
    let ended = login(&world).args(["--force"]).run().await;
    ended.failed(1, "[authorization_denied]").showed(1);
    world.still_works().await;
}

#[tokio::test]
async fn as_json_it_tells_the_state_and_no_secret() {
    let world = World::start().await;
    let ended = login(&world).args(["--json"]).run().await.succeeded();
    let ended = ended.hides(&world.control().issued_secrets());
    let state = ended.json();
    assert_eq!(state["server"], world.url(), "{state:#}");
    assert_eq!(state["issuer"], world.fixture.issuer(), "{state:#}");
    assert_eq!(state["authorized"], true, "{state:#}");
    assert_eq!(state["signedIn"], true, "{state:#}");
    assert_eq!(state["renewable"], true, "{state:#}");
    assert_eq!(state["grantedScopes"], json!(["mcp:read"]), "{state:#}");
    assert_eq!(state["pending"], 0, "{state:#}");
}

#[tokio::test]
async fn a_no_is_an_error_and_leaves_everything_as_it_was() {
    let world = World::with(Config {
        consent: Consent::Deny,
        ..Config::default()
    })
    .await;
    let ended = login(&world).run().await;
    ended.failed(1, "[authorization_denied]").showed(1);
    world.program(["status", world.url()]).run().await.exited(1);
    world.control().consent(Consent::Approve);
    login(&world).run().await.succeeded().showed(1);
}

#[tokio::test]
async fn a_taken_callback_port_is_named_and_the_first_program_goes_on() {
    let world = World::start().await;
    let url = format!(
        "http://127.0.0.1:{}/oauth/callback",
        crate::support::free_port()
    );
    let args = ["login", world.url(), "--no-browser", "--callback-url", &url];
    let mut first = world.program(args).alone().start();
    let address = first.address().await;
    // With another store, so that it does not wait for the first sign-in.
    let folder = tempfile::tempdir().expect("a folder");
    let second = world.program(args);
    let store = folder.path().join("credentials.json");
    let second = second.env("MCP_REAUTH_STORE", store).run().await;
    let authority = url
        .trim_start_matches("http://")
        .trim_end_matches("/oauth/callback");
    second.failed(1, authority).said("[host]").showed(0);
    crate::support::visit(&address).await;
    first.end().await.succeeded();
    world.still_works().await;
}

#[tokio::test]
async fn an_unusable_callback_address_is_an_error_of_set_up() {
    let world = World::start().await;
    for (url, why) in [
        (
            "https://127.0.0.1:7777/callback",
            "must be http on this machine",
        ),
        (
            "http://example.com:7777/callback",
            "must be http on this machine",
        ),
        (
            "http://0.0.0.0:7777/callback",
            "must be http on this machine",
        ),
        ("http://127.0.0.1:7777/callback?a=b", "no query"),
        ("callback", "is not a URL"),
    ] {
        let args = ["login", world.url(), "--no-browser", "--callback-url", url];
        let ended = world.program(args).run().await;
        ended.failed(2, why).said(url).said("[config]").showed(0);
    }
}

#[tokio::test]
async fn a_callback_nobody_asked_for_ends_nothing() {
    let world = World::start().await;
    let mut program = login(&world).alone().start();
    let address = program.address().await;
    let parsed = url::Url::parse(&address).expect("a URL");
    let redirect = parsed
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri");
    let callback = redirect.expect("a redirect URI").1.into_owned();
    let (status, page) = crate::support::visit(&format!("{callback}?code=c&state=forged")).await;
    assert_eq!(status, 400, "{page}");
    let (status, page) = crate::support::visit(&format!("{callback}/elsewhere")).await;
    assert_eq!(status, 404, "{page}");
    let (status, page) = crate::support::visit(&address).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("You can close this window"), "{page}");
    program.end().await.succeeded();
}
