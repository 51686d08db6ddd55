//! No secret leaks. Every test checks this when its [`World`](crate::support::World) ends; the tests here show that a
//! leak would be found.

use std::fs;
use std::path::Path;

use mcp_reauth::host::StepUpRequest;
use mcp_reauth::{AuthChallenge, AuthHost as _, Error, Event, ScopeSet};
use mcp_reauth_fixture::Config;
use mcp_reauth_fixture::config::AuthMethod;

use crate::support::{Failure, Wire, World, log, send, tests};

/// A world in which everything has happened once, and one secret of each kind.
async fn lived_in() -> (World, Vec<String>) {
    let config = Config {
        token_endpoint_auth_methods_supported: vec![AuthMethod::ClientSecretPost],
        ..Config::default()
    };
    let world = World::with(config).await;
    let client = world.connected(Wire::Stateless).await;
    world.control().expire_access_tokens();
    client.succeeds("echo").await;
    let issued = world.control().issued_secrets();
    let kinds = ["at_", "rt_", "ac_", "cs_"];
    let of_kind = |kind: &&str| {
        issued
            .iter()
            .find(|secret| secret.starts_with(*kind))
            .cloned()
    };
    let mut secrets: Vec<String> = kinds.iter().filter_map(of_kind).collect();
    secrets.push(verifier(&world));
    assert_eq!(secrets.len(), 5, "{issued:?}");
    (world, secrets)
}

fn verifier(world: &World) -> String {
    let requests = world.control().requests();
    let mut bodies = requests.iter().map(|request| request.body.as_str());
    let verifier = bodies.find_map(|body| body.split("code_verifier=").nth(1));
    let verifier = verifier.unwrap().split('&').next().unwrap();
    verifier.to_owned()
}

/// Asserts that leaking the secret in this way is found, and that leaking another word is not.
macro_rules! found {
    ($(#[doc = $doc:literal])* async fn $name:ident($world:ident, $secret:ident) $body:block) => {
        tests! {
            $(#[doc = $doc])*
            async fn $name() {
                for number in 0..5 {
                    let ($world, secrets) = lived_in().await;
                    let $secret = &secrets[number];
                    $body
                    let leaks = $world.into_leaks();
                    assert!(!leaks.is_empty(), "{}", secrets[number]);
                }
                let ($world, _) = lived_in().await;
                let $secret = "an-innocent-word";
                $body
                assert_eq!($world.into_leaks(), Vec::<String>::new());
            }
        }
    };
}

found! {
    /// A line of tracing.
    async fn traced(world, secret) {
        tracing::trace!(target: "mcp_reauth", what = %secret, "done");
    }
}

found! {
    /// A span of tracing.
    async fn spanned(world, secret) {
        let _span = tracing::trace_span!("it", what = ?secret).entered();
    }
}

found! {
    /// A line of the log crate.
    async fn logged(world, secret) {
        ::log::trace!("done with {secret}");
    }
}

found! {
    /// An event for the host.
    async fn heard(world, secret) {
        world.user.event(Event::RenewalFailed { issuer: "https://as.example".to_owned(), code: mcp_reauth::ErrorCode::Http, message: secret.to_string() });
    }
}

found! {
    /// A question for the user.
    async fn asked(world, secret) {
        let question = StepUpRequest {
            server: String::new(),
            challenge: AuthChallenge::unauthenticated(),
            identity_provider: None,
            new_scopes: ScopeSet::parse(secret),
            scopes: ScopeSet::new(),
        };
        world.user.confirm_step_up(question).await.unwrap();
    }
}

found! {
    /// The error of a request.
    async fn told_as_an_error(world, secret) {
        assert_eq!(Failure::of(&Error::host(secret.to_string())).code, "host");
    }
}

found! {
    /// The challenge in an error.
    async fn carried_by_an_error(world, secret) {
        let line = format!("Bearer realm=\"{secret}\"");
        let challenge = AuthChallenge::from_response(401, [line.as_str()]).unwrap();
        let server = String::new();
        let challenge = Box::new(challenge);
        Failure::told(&Error::Unauthorized { server, challenge });
    }
}

found! {
    /// The source of an error.
    async fn behind_an_error(world, secret) {
        let inner = std::io::Error::other(secret.to_string());
        let outer = std::io::Error::other(Behind(inner));
        Failure::of(&outer);
    }
}

found! {
    /// An address.
    async fn in_an_address(world, secret) {
        send(world.issuer(), &format!("GET /x?y={secret} HTTP/1.0\r\n\r\n")).await;
    }
}

found! {
    /// A `Referer`.
    async fn referred(world, secret) {
        let head = format!("GET / HTTP/1.0\r\nReferer: http://127.0.0.1/?code={secret}\r\n\r\n");
        send(world.issuer(), &head).await;
    }
}

found! {
    /// The body of an MCP request.
    async fn in_a_message(world, secret) {
        let length = secret.len();
        let post = format!("POST /mcp HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{secret}");
        send(world.url(), &post).await;
    }
}

/// An error with a source that its message does not show.
#[derive(Debug, thiserror::Error)]
#[error("it is behind")]
struct Behind(#[source] std::io::Error);

/// Posts a form to an authorization server.
async fn post(issuer: &str, path: &str, form: &str) {
    let length = form.len();
    let head = format!("POST {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n");
    send(issuer, &format!("{head}{form}")).await;
}

tests! {
    /// A secret of one authorization server that is sent to the other.
    async fn at_the_other_server() {
        for number in 0..4 {
            let (world, secrets) = lived_in().await;
            post(world.second_issuer(), "/token", &format!("x={}", secrets[number])).await;
            let leaks = world.into_leaks();
            let named = "a secret of the other authorization server";
            assert!(leaks.iter().any(|leak| leak.contains(named)), "{leaks:?}");
        }
    }

    /// An access token in the wrong place at its own server.
    async fn an_access_token_at_the_token_endpoint() {
        let (world, secrets) = lived_in().await;
        post(world.issuer(), "/revoke", &format!("token={}", secrets[0])).await;
        post(world.issuer(), "/token", &format!("token={}", secrets[1])).await;
        post(world.issuer(), "/token", &format!("token={}", secrets[0])).await;
        assert_eq!(world.into_leaks().len(), 1);
    }

    /// Other secrets as credential at the MCP server.
    async fn as_a_credential_of_the_mcp_server() {
        for number in 0..5 {
            let (world, secrets) = lived_in().await;
            let sent = &secrets[number];
            let head = format!("POST /mcp HTTP/1.0\r\nAuthorization: Bearer {sent}\r\n\r\n");
            send(world.url(), &head).await;
            let expected = usize::from(!sent.starts_with("at_"));
            assert_eq!(world.into_leaks().len(), expected, "{sent}");
        }
    }

    /// The search covers the logs of the library, its HTTP client and the MCP client.
    async fn the_search_works() {
        let world = World::new().await;
        let client = world.connect(Wire::Sessions).await;
        client.succeeds("write_note").await;
        for target in ["mcp_reauth", "hyper_util", "rmcp"] {
            assert!(log::contains(target), "{target} logs nothing");
        }
    }

    /// Every type with a `Debug` form.
    async fn debug_forms() {
        let world = World::new().await;
        let client = world.connect(Wire::Stateless).await;
        client.succeeds("echo").await;
        let session = &world.session;
        log::note(&format!("{:?}", session.authorization()));
        log::note(&format!("{:?}", session.auth_state().await));
        log::note(&format!("{:?}", session.connection_state().await));
        let state = session.auth_state().await.unwrap().unwrap();
        log::note(&format!("{:?}", state.to_json()));
        log::note(&format!("{:?}", mcp_reauth_rmcp::ReauthClient::new(session.clone())));
        let request = session.request(Default::default(), Default::default());
        log::note(&format!("{request:?}"));
    }
}

/// Only [`World`] creates sessions, servers and clients, so that no test can avoid the check.
#[test]
fn no_test_goes_past_the_rule() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite");
    let mut seen = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if !path.is_file() || name == "main.rs" || name == "secrets.rs" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("World"), "{name}");
        for past in [
            "AuthSession::builder",
            "Fixture::start",
            "ReauthClient::new",
            "impl AuthHost",
        ] {
            assert!(!text.contains(past), "{name} has {past}");
        }
        seen += 1;
    }
    assert!(seen > 10);
}
