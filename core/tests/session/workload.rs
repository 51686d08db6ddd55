//! Workloads with assertions of their platform (RFC 7523 section 2.1): the user is never involved, and no other grant
//! is used.

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use mcp_reauth::recovery::Trigger::Ambient;
use mcp_reauth::{AuthSession, Client, Credentials, Error, ScopeSet, Secret, WorkloadIdentity};
use serde_json::json;

use crate::support::{
    Bench, Fault, ISSUER, Key, Mcp, Meta, OTHER, Prm, SERVER, TestRuntime, Token, all, claims,
    code, pass,
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A platform that issues an assertion for each request, unless it fails.
#[derive(Clone)]
struct Platform {
    key: Key,
    runtime: TestRuntime,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    asked_for: Vec<String>,
    trouble: Option<Error>,
    hangs: bool,
}

impl Platform {
    fn asked_for(&self) -> Vec<String> {
        self.state.lock().expect("no panic").asked_for.clone()
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().expect("no panic"));
    }
}

impl WorkloadIdentity for Platform {
    fn assertion(&self, audience: &str) -> BoxFuture<'_, Result<Secret, Error>> {
        let mut state = self.state.lock().expect("no panic");
        state.asked_for.push(audience.to_owned());
        if state.hangs {
            return Box::pin(std::future::pending());
        }
        if let Some(error) = state.trouble.clone() {
            return Box::pin(async move { Err(error) });
        }
        let claims = json!({
            "iss": "https://platform.example", "sub": "job-7", "aud": audience,
            "exp": self.runtime.server_seconds() + 60,
            "jti": format!("canary-{}", state.asked_for.len()),
        });
        let assertion = Secret::new(self.key.sign("JWT", &claims));
        Box::pin(async move { Ok(assertion) })
    }
}

fn platform(bench: &Bench) -> Platform {
    let key = Key::generate();
    bench.world.servers(|s| {
        s.assertions.trust(&key);
        s.add_public_client(ISSUER, "job");
        s.add_public_client(OTHER, "job");
    });
    Platform {
        key,
        runtime: bench.runtime.clone(),
        state: Arc::default(),
    }
}

async fn open(bench: &Bench, platform: &Platform) -> AuthSession {
    // Even with a host, the user is not prompted.
    let builder = bench.builder().host(bench.host.clone());
    let client = Client::public("job").at_issuer(ISSUER);
    let credentials = Credentials::workload(client, platform.clone());
    let session = builder.credentials(credentials).open().await;
    session.expect("the session opens")
}

/// Opens a session that has a token, and returns it with its platform; the log is empty.
async fn running(bench: &Bench) -> (AuthSession, Platform) {
    let platform = platform(bench);
    let session = open(bench, &platform).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.take();
    (session, platform)
}

#[tokio::test(start_paused = true)]
async fn first_token_is_had_by_an_assertion_for_the_issuer() {
    let bench = Bench::new();
    let platform = platform(&bench);
    let session = open(&bench, &platform).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Prm, Meta, Token, Mcp]);
    assert_eq!(seen[3].param("grant_type"), JWT_BEARER);
    assert_eq!(seen[3].param("client_id"), "job");
    assert_eq!(seen[3].param("scope"), "base");
    assert_eq!(seen[3].param("resource"), SERVER);
    assert_eq!(claims(seen[3].param("assertion"))["aud"], ISSUER);
    assert_eq!(platform.asked_for(), [ISSUER]);
    assert_eq!(bench.host.prompts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn rejected_token_is_replaced_by_a_fresh_assertion() {
    let bench = Bench::new();
    let (session, platform) = running(&bench).await;
    for _ in 0..3 {
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    }
    assert_eq!(platform.asked_for().len(), 4);
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn each_try_has_an_assertion_of_its_own() {
    let bench = Bench::new();
    let (session, platform) = running(&bench).await;
    bench.world.servers(|s| s.revoke_access());
    // The server processes the request, and its response is lost.
    bench.world.next(Token, Fault::Lost);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Token, Mcp]);
    assert_eq!(platform.asked_for().len(), 3);
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn refusal_leads_to_no_other_grant_and_to_no_person() {
    for body in [
        r#"{"error":"invalid_grant"}"#,
        r#"{"error":"unauthorized_client"}"#,
        r#"{"error":"unsupported_grant_type"}"#,
        r#"{"error":"invalid_client"}"#,
    ] {
        let bench = Bench::new();
        let (session, _) = running(&bench).await;
        bench.world.servers(|s| s.revoke_access());
        bench.world.always(Token, Fault::Body(400, body));
        let result = bench.send(&session, "").await;
        let expected = match body.contains("invalid_client") {
            true => "registration_rejected",
            false => "authorization_denied",
        };
        assert_eq!(code(&result), expected, "{body}");
        let seen = bench.world.take();
        let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
        let expected = match body.contains("invalid_client") {
            true => &[Mcp, Token, Meta, Prm][..],
            false => &[Mcp, Token, Prm],
        };
        assert_eq!(kinds, expected, "{body}");
        assert_eq!(seen[1].param("grant_type"), JWT_BEARER);
        assert_eq!(bench.host.prompts(), (0, 0));
        bench.world.heal(Token);
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    }
}

#[tokio::test(start_paused = true)]
async fn lacking_scope_is_one_request_with_the_union() {
    let bench = Bench::new();
    let (session, _) = running(&bench).await;
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Token, Mcp]);
    let asked = ScopeSet::parse(seen[1].param("scope"));
    assert_eq!(asked, ScopeSet::parse("base a"));
}

#[tokio::test(start_paused = true)]
async fn scope_that_is_refused_is_told_and_the_old_token_lives_on() {
    let bench = Bench::new();
    let (session, _) = running(&bench).await;
    bench
        .world
        .servers(|s| s.never_granted.insert("a".to_owned()));
    let error = bench.send(&session, "a").await.expect_err("refused");
    assert_eq!(error.code(), "insufficient_scope");
    assert_eq!(bench.world.trace(), [Mcp, Token]);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn parallel_failures_are_one_assertion() {
    let bench = Bench::new();
    let (session, platform) = running(&bench).await;
    bench.world.servers(|s| s.revoke_access());
    let tasks = (0..50).map(|_| bench.spawn(&session, "")).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    assert_eq!(bench.world.count(Token), 1);
    assert_eq!(platform.asked_for().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn platform_that_fails_is_told_by_its_own_error() {
    let bench = Bench::new();
    let (session, platform) = running(&bench).await;
    bench.world.servers(|s| s.revoke_access());
    platform.change(|state| state.trouble = Some(Error::host("the metadata service is down")));
    let error = bench.send(&session, "").await.expect_err("trouble");
    assert_eq!(error.code(), "host");
    assert!(error.to_string().contains("metadata service"), "{error}");
    assert_eq!(bench.world.trace(), [Mcp]);
    platform.change(|state| state.trouble = None);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn platform_that_never_answers_is_not_waited_for() {
    let bench = Bench::new();
    let (session, platform) = running(&bench).await;
    bench.world.servers(|s| s.revoke_access());
    platform.change(|state| state.hangs = true);
    let before = bench.runtime.elapsed();
    assert_eq!(code(&bench.send(&session, "").await), "timeout");
    assert!((bench.runtime.elapsed() - before).as_secs() <= 60);
    platform.change(|state| state.hangs = false);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.assert_free().await;
}

#[tokio::test(start_paused = true)]
async fn stream_gets_its_token_too_and_ahead_of_expiry() {
    let bench = Bench::new();
    let (session, _) = running(&bench).await;
    pass(3590).await;
    assert_eq!(bench.send_as(&session, "", Ambient).await, Ok(200));
    assert_eq!(bench.world.trace(), [Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn workload_without_a_client_id_is_not_set_up() {
    let bench = Bench::new();
    let platform = platform(&bench);
    let credentials = Credentials::workload(Client::public(""), platform);
    let opened = bench.builder().credentials(credentials).open().await;
    assert_eq!(code(&opened), "config");
}

#[tokio::test(start_paused = true)]
async fn assertion_goes_to_no_issuer_that_the_client_is_not_bound_to() {
    let bench = Bench::new();
    let platform = platform(&bench);
    bench
        .world
        .servers(|s| s.authorization_servers = vec![OTHER.to_owned()]);
    let client = Client::public("job").at_issuer(ISSUER);
    let credentials = Credentials::workload(client, platform.clone());
    let session = bench.builder().credentials(credentials).open().await;
    let session = session.expect("the session opens");
    assert!(bench.send(&session, "").await.is_err());
    assert!(platform.asked_for().is_empty());
    let seen = bench.world.take();
    assert!(seen.iter().all(|s| !s.url.starts_with(OTHER)), "{seen:?}");
}
