//! The client's own credential (RFC 6749 section 4.4): the user is never involved.

use mcp_reauth::recovery::Trigger::Ambient;
use mcp_reauth::{AuthSession, Client, Credentials, ScopeSet, Secret};

use crate::support::{
    Bench, Fault, ISSUER, Mcp, Meta, OTHER, Prm, SERVER, Servers, Token, all, code, pass,
};

const SECRET: &str = "canary-machine:+ %/&=";

fn credentials(issuer: &str) -> Credentials {
    let client = Client::secret("machine", Secret::new(SECRET));
    Credentials::client_credentials(client.at_issuer(issuer))
}

async fn machine(bench: &Bench, method: &'static str) -> AuthSession {
    bench.world.servers(|s| {
        s.auth_methods = vec![method];
        s.add_client(ISSUER, "machine", SECRET, method);
    });
    // Even with a host, the user is not prompted.
    let builder = bench.builder().host(bench.host.clone());
    let session = builder.credentials(credentials(ISSUER)).open().await;
    session.expect("the session opens")
}

#[tokio::test(start_paused = true)]
async fn first_token_is_had_by_either_way_of_authenticating() {
    for method in ["client_secret_basic", "client_secret_post"] {
        let bench = Bench::new();
        let session = machine(&bench, method).await;
        assert_eq!(bench.send(&session, "").await, Ok(200));
        let seen = bench.world.take();
        let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
        assert_eq!(kinds, [Mcp, Prm, Meta, Token, Mcp]);
        let token = &seen[3];
        assert_eq!(token.param("grant_type"), "client_credentials");
        assert_eq!(token.param("scope"), "base");
        assert_eq!(token.param("resource"), SERVER);
        let basic = method == "client_secret_basic";
        assert_eq!(token.authorization.is_some(), basic);
        assert_eq!(token.params.contains_key("client_secret"), !basic);
        assert_eq!(bench.host.prompts(), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_token_is_replaced_in_three_requests() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    for _ in 0..3 {
        bench.world.take();
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    }
    assert_eq!(bench.host.prompts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn parallel_failures_are_one_new_token() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_post").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| s.revoke_access());
    bench.world.take();
    let tasks = (0..100).map(|_| bench.spawn(&session, "")).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.world.count(Token), 1);
}

#[tokio::test(start_paused = true)]
async fn lacking_scope_is_one_token_request_with_the_union() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.take();
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Token, Mcp]);
    let asked = ScopeSet::parse(seen[1].param("scope"));
    assert_eq!(asked, ScopeSet::parse("base a"));
    assert_eq!(bench.send(&session, "b").await, Ok(200));
    assert_eq!(bench.send(&session, "base a b").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn parallel_requests_for_different_scopes_all_get_theirs() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.take();
    let scopes = ["a", "b", "c", "d", "e", "f"];
    let tasks = scopes.map(|scope| bench.spawn(&session, scope)).into();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert!(bench.world.count(Token) <= 6);
}

#[tokio::test(start_paused = true)]
async fn wider_token_that_is_refused_is_a_typed_error_and_the_old_one_lives_on() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench
        .world
        .servers(|s| s.never_granted.insert("a".to_owned()));
    bench.world.take();
    let error = bench.send(&session, "a").await.expect_err("refused");
    assert_eq!(error.code(), "insufficient_scope");
    let challenge = error.challenge().expect("what it takes");
    assert_eq!(challenge.required_scopes, ScopeSet::parse("a"));
    assert_eq!(bench.world.trace(), [Mcp, Token]);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn passing_trouble_with_a_wider_token_is_told_as_such() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.always(Token, Fault::Status(503));
    bench.world.take();
    let result = bench.send(&session, "a").await;
    assert_eq!(code(&result), "refresh_unavailable");
    assert_eq!(bench.world.trace(), [Mcp, Token, Token]);
    bench.world.heal(Token);
    assert_eq!(bench.send(&session, "a").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn new_token_that_is_refused_is_a_typed_error() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| {
        s.revoke_access();
        s.forget_clients();
    });
    bench.world.take();
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "registration_rejected");
    // One lookup each finds whether the server accepts another authentication method now, and whether the resource has
    // moved.
    assert_eq!(bench.world.trace(), [Mcp, Token, Meta, Prm]);
    // The pre-registered client is tried again for the next caller.
    let add = |s: &mut Servers| {
        s.add_client(ISSUER, "machine", SECRET, "client_secret_basic");
    };
    bench.world.servers(add);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn server_that_always_rejects_is_asked_twice() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench
        .world
        .answer(|_| Some((401, vec!["Bearer".to_owned()])));
    bench.world.take();
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "unauthorized");
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp, Prm]);
}

#[tokio::test(start_paused = true)]
async fn passing_trouble_is_told_as_such() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| s.revoke_access());
    bench.world.always(Token, Fault::Status(503));
    bench.world.take();
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "refresh_unavailable");
    assert_eq!(bench.world.trace(), [Mcp, Token, Token, Prm]);
    bench.world.heal(Token);
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn trouble_before_the_first_token_is_told_and_passes() {
    for kind in [Prm, Meta] {
        let bench = Bench::new();
        let session = machine(&bench, "client_secret_basic").await;
        bench.world.always(kind, Fault::Status(503));
        let result = bench.send(&session, "").await;
        assert!(result.is_err(), "{kind:?}");
        assert!(bench.world.count(kind) <= 3, "{kind:?}");
        bench.world.heal(kind);
        assert_eq!(bench.send(&session, "").await, Ok(200), "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ambient_trouble_before_the_first_token_passes_by_itself() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_basic").await;
    bench.world.always(Prm, Fault::Status(503));
    assert!(bench.send_as(&session, "", Ambient).await.is_err());
    bench.world.heal(Prm);
    pass(3600).await;
    assert_eq!(bench.send_as(&session, "", Ambient).await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn restart_needs_no_discovery() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    drop(session);
    bench.world.take();
    let session = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn secret_never_goes_to_an_issuer_it_is_not_bound_to() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.authorization_servers = vec![OTHER.to_owned()];
    });
    let builder = bench.builder().credentials(credentials(ISSUER));
    let session = builder.open().await.expect("the session opens");
    assert!(bench.send(&session, "").await.is_err());
    for seen in bench.world.take() {
        assert!(!seen.url.starts_with(OTHER), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn machine_takes_its_secret_to_a_new_server_only_when_told_to() {
    let bench = Bench::new();
    let session = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| {
        s.authorization_servers = vec![OTHER.to_owned()];
        s.add_client(OTHER, "machine", SECRET, "client_secret_basic");
    });
    bench.world.take();
    // The operator of the resource may name any server; that is no reason to send it the secret.
    assert_eq!(
        code(&bench.send(&session, "").await),
        "registration_rejected"
    );
    let seen = bench.world.take();
    assert!(seen.iter().all(|s| !s.url.starts_with(OTHER)), "{seen:?}");

    let builder = bench.builder().credentials(credentials(OTHER));
    let session = builder.open().await.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    assert!(seen.iter().all(|s| !s.url.starts_with(ISSUER)), "{seen:?}");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn machine_bound_to_its_issuer_does_not_follow_its_resource() {
    let bench = Bench::new();
    bench
        .world
        .servers(|s| s.add_client(ISSUER, "machine", SECRET, "client_secret_basic"));
    let builder = bench.builder().credentials(credentials(ISSUER));
    let session = builder.open().await.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench
        .world
        .servers(|s| s.authorization_servers = vec![OTHER.to_owned()]);
    bench.world.take();
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "registration_rejected");
    for seen in bench.world.take() {
        assert!(!seen.url.starts_with(OTHER), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn machine_without_a_secret_is_not_set_up() {
    let bench = Bench::new();
    for client in [
        Client::public("machine"),
        Client::secret("", Secret::new(SECRET)),
    ] {
        let credentials = Credentials::client_credentials(client);
        let result = bench.builder().credentials(credentials).open().await;
        assert_eq!(code(&result.map(drop)), "config");
    }
}

#[tokio::test(start_paused = true)]
async fn widening_that_meets_a_siblings_renewal_still_asks_for_more() {
    let bench = Bench::new();
    let one = machine(&bench, "client_secret_basic").await;
    assert_eq!(bench.send(&one, "").await, Ok(200));
    let two = machine(&bench, "client_secret_basic").await;
    assert_eq!(
        bench.send(&one, "b").await,
        Ok(200),
        "the first has another token now"
    );
    assert_eq!(bench.send(&two, "a").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn a_client_follows_its_server_to_another_method_or_endpoint() {
    for (method, path) in [
        ("client_secret_post", "/token"),
        ("client_secret_basic", "/v2/token"),
        ("client_secret_post", "/v2/token"),
    ] {
        let bench = Bench::new();
        let session = machine(&bench, "client_secret_basic").await;
        bench
            .world
            .servers(|s| s.auth_methods = vec!["client_secret_basic"]);
        assert_eq!(bench.send(&session, "").await, Ok(200));
        bench.world.servers(|s| {
            s.revoke_access();
            s.forget_clients();
            s.auth_methods = vec![method];
            s.add_client(ISSUER, "machine", SECRET, method);
            s.token_path = path;
        });
        if path != "/token" {
            bench.world.next(Token, Fault::Status(404));
        }
        bench.world.take();
        assert_eq!(bench.send(&session, "").await, Ok(200), "{method} {path}");
        assert_eq!(bench.world.trace(), [Mcp, Token, Meta, Token, Mcp]);
        // It is remembered.
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    }
}
