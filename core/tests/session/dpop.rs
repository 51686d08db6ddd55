//! Tokens that are bound to a key (RFC 9449): if a server asks for it, and with a proof for each request.

use std::collections::HashSet;

use futures_util::future::BoxFuture;
use mcp_reauth::jose::{PublicJwk, SigningAlgorithm};
use mcp_reauth::{
    AuthSession, AuthState, CallbackParams, Client, Credentials, Dpop, Error, PrivateKey,
    RecordStore, SigningKey,
};

use crate::support::{
    Bench, CANARY, Capture, Fault, ISSUER, Journey, Mcp, Meta, Prm, Register, Revoke, SERVER, Seen,
    Token, Visit, all, claims, code, pass,
};

/// A key that the application keeps.
struct HostKey(PrivateKey);

impl HostKey {
    fn generate() -> Self {
        Self(PrivateKey::generate().expect("a key"))
    }
}

impl SigningKey for HostKey {
    fn algorithm(&self) -> SigningAlgorithm {
        self.0.algorithm()
    }

    fn public_jwk(&self) -> PublicJwk {
        self.0.public_jwk()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>> {
        self.0.sign(message)
    }
}

/// A session with bound tokens, after the user has signed in; the log is empty.
async fn bound(bench: &Bench) -> AuthSession {
    bench.world.servers(|s| s.proofs.demand());
    bench.signed_in("").await
}

async fn always(bench: &Bench) -> AuthSession {
    let builder = bench.builder().host(bench.host.clone());
    let session = builder.dpop(Dpop::Always).open().await;
    session.expect("the session opens")
}

async fn is_bound(session: &AuthSession) -> bool {
    let state = session.connection_state().await.expect("a store");
    state.bound_to_key
}

/// Returns the thumbprint in the URL of the first sign-in's page.
fn thumbprint(seen: &[Seen]) -> String {
    let page = seen.iter().find(|s| s.kind == Visit).expect("a page");
    page.param("dpop_jkt").to_owned()
}

#[tokio::test(start_paused = true)]
async fn nothing_is_bound_unless_somebody_asks() {
    let bench = Bench::new();
    // The server offers it.
    bench.world.servers(|s| s.proofs.offered = true);
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    assert!(seen.iter().all(|s| s.proof.is_none()), "{seen:?}");
    assert_eq!(thumbprint(&seen), "");
    assert!(!is_bound(&session).await);
}

#[tokio::test(start_paused = true)]
async fn challenge_for_bound_tokens_alone_is_answered_by_one() {
    let bench = Bench::new();
    bench.world.servers(|s| s.proofs.demand());
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Prm, Meta, Register, Visit, Token, Mcp]);
    let proven = seen.iter().map(|s| s.proof.is_some());
    let expected = [false, false, false, false, false, true, true];
    assert_eq!(proven.collect::<Vec<_>>(), expected);
    let sent = seen[6].authorization.as_deref().expect("a token");
    assert!(sent.starts_with("DPoP "), "{sent}");
    assert!(!thumbprint(&seen).is_empty());
    assert!(is_bound(&session).await);
    bench.assert_proven();
}

#[tokio::test(start_paused = true)]
async fn metadata_that_asks_for_bound_tokens_is_heeded() {
    let bench = Bench::new();
    bench
        .world
        .servers(|s| (s.proofs.announced, s.proofs.offered) = (true, true));
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert!(is_bound(&session).await);
    bench.assert_proven();
}

#[tokio::test(start_paused = true)]
async fn program_that_insists_gets_bound_tokens_or_none() {
    let bench = Bench::new();
    bench.world.servers(|s| s.proofs.offered = true);
    let session = always(&bench).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert!(is_bound(&session).await);
    bench.assert_proven();

    // If the server does not offer bound tokens, the user is sent nowhere.
    let bench = Bench::new();
    let session = always(&bench).await;
    assert_eq!(code(&bench.send(&session, "").await), "metadata_invalid");
    assert_eq!(bench.host.prompts(), (0, 0));

    // The server offers them, and issues bearer tokens.
    let bench = Bench::new();
    bench.world.servers(|s| s.proofs.offered = true);
    let session = always(&bench).await;
    let bearer = r#"{"access_token":"canary-x","token_type":"Bearer"}"#;
    bench.world.always(Token, Fault::Body(200, bearer));
    let error = bench.send(&session, "").await.expect_err("not bound");
    assert_eq!(error.code(), "authorization_denied");
    assert!(error.to_string().contains("DPoP"), "{error}");
    assert!(session.authorization().is_none());
}

#[tokio::test(start_paused = true)]
async fn renewal_that_would_loosen_the_binding_is_refused_by_a_program_that_insists() {
    let bench = Bench::new();
    bench.world.servers(|s| s.proofs.demand());
    let session = always(&bench).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let before = session.authorization();
    bench.world.servers(|s| s.revoke_access());
    let bearer = r#"{"access_token":"canary-x","token_type":"Bearer"}"#;
    bench.world.always(Token, Fault::Body(200, bearer));
    let result = bench.send_as(&session, "", mcp_reauth::recovery::Trigger::Ambient);
    assert_eq!(code(&result.await), "interaction_required");
    assert_eq!(session.authorization(), before);
}

#[tokio::test(start_paused = true)]
async fn server_that_takes_other_algorithms_only_is_told() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.proofs.demand();
        s.proofs.algorithms = vec!["RS512"];
    });
    let session = bench.open().await;
    let error = bench.send(&session, "").await.expect_err("none fits");
    assert_eq!(error.code(), "metadata_invalid");
    assert!(error.to_string().contains("ES256"), "{error}");
    assert_eq!(bench.host.prompts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn each_request_and_each_try_has_a_proof_of_its_own() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    let jkt = bench.host.sign_ins()[0].url.clone();
    bench.world.servers(|s| s.revoke_access());
    bench.world.next(Token, Fault::Status(503));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let tasks = (0..20).map(|_| bench.spawn(&session, "")).collect();
    let results = all(tasks).await;
    assert!(results.iter().all(|r| *r == Ok(200)), "{results:?}");
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).take(4).collect();
    assert_eq!(kinds, [Mcp, Token, Token, Mcp]);
    let mut ids = HashSet::new();
    for seen in &seen {
        let said = claims(seen.proof.as_deref().expect("a proof"));
        assert!(ids.insert(said["jti"].to_string()), "{seen:?}");
        assert_eq!(said["htu"], seen.url);
        // The proof names the token that the request carries (section 4.2).
        assert_eq!(said["ath"].is_string(), seen.kind == Mcp);
    }
    assert_eq!(ids.len(), 24);
    assert!(jkt.contains("dpop_jkt"), "{jkt}");
    // The servers have verified each proof, including its `ath`.
    bench.assert_proven();
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn refresh_and_step_up_keep_the_key() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    let stored = async || {
        let state = session.auth_state().await.expect("a store").expect("one");
        let json = state.to_json().expect("JSON");
        let json: serde_json::Value = serde_json::from_str(json.expose()).expect("JSON");
        json["grant"]["binding"].clone()
    };
    let before = stored().await;
    assert!(before["key"].is_string());
    pass(3600).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Token, Mcp]);
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(stored().await, before);
    let pages = bench.host.sign_ins();
    let jkt = before["thumbprint"].as_str().expect("text");
    assert!(pages.iter().all(|p| p.url.contains(jkt)), "{pages:?}");
    bench.assert_proven();
}

#[tokio::test(start_paused = true)]
async fn restart_keeps_the_binding() {
    let bench = Bench::new();
    drop(bound(&bench).await);
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_proven();
}

#[tokio::test(start_paused = true)]
async fn restart_in_the_middle_of_a_sign_in_keeps_the_key_of_its_code() {
    let bench = Bench::new();
    bench.world.servers(|s| s.proofs.demand());
    let session = bench.open().await;
    bench.host.journeys(Journey::Elsewhere);
    assert!(bench.send(&session, "").await.is_err());
    drop(session);
    let session = bench.open().await;
    let back = bench.world.visit(&bench.host.sign_ins()[0].url);
    let completed = session.complete_authorization(CallbackParams::parse(&back));
    assert_eq!(completed.await, Ok(()));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.assert_proven();
}

#[tokio::test(start_paused = true)]
async fn bearer_token_is_replaced_by_a_bound_one_once_they_are_asked_for() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.proofs.demand());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    assert!(is_bound(&session).await);
    bench.assert_proven();
}

#[tokio::test(start_paused = true)]
async fn host_key_is_never_stored_and_missed_when_it_is_gone() {
    let bench = Bench::new();
    bench.world.servers(|s| s.proofs.demand());
    let key = HostKey::generate();
    let jkt = key.public_jwk().thumbprint();
    let pkcs8 = PrivateKey::generate().expect("a key");
    let builder = bench.builder().host(bench.host.clone()).dpop_key(key);
    let session = builder.open().await.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    assert_eq!(thumbprint(&seen), jkt);
    bench.assert_proven();
    let stored = bench.store.load(&bench.key()).await.expect("a store");
    let stored: serde_json::Value =
        serde_json::from_str(stored.expect("a record").data.expose()).expect("JSON");
    let binding = &stored["grant"]["binding"];
    assert_eq!(*binding, serde_json::json!({ "thumbprint": jkt }));
    drop(session);

    // No key, or another one.
    for other in [None, Some(pkcs8)] {
        let mut builder = bench.builder();
        if let Some(other) = other {
            builder = builder.dpop_key(other);
        }
        let session = builder.open().await.expect("the session opens");
        let error = bench.send(&session, "").await.expect_err("no key");
        assert_eq!(error.code(), "host");
        assert_eq!(bench.world.trace(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn state_that_is_handed_over_has_the_key() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    let state = session.auth_state().await.expect("a store").expect("one");
    let json = state.to_json().expect("JSON");
    drop(session);
    bench.store.delete(&bench.key(), 0).await.ok();
    let there = AuthSession::builder(SERVER)
        .http_client(bench.world.clone())
        .runtime(bench.runtime.clone());
    let there = there.open().await.expect("the session opens");
    let state = AuthState::from_json(json.expose()).expect("a state");
    there.set_auth_state(state).await.expect("a store");
    assert_eq!(bench.send(&there, "").await, Ok(200));
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&there, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Mcp, Token, Mcp]);
    bench.assert_proven();
}

#[tokio::test(start_paused = true)]
async fn signing_out_revokes_and_the_next_sign_in_is_bound_again() {
    let bench = Bench::new();
    let session = bound(&bench).await;
    session.sign_out().await.expect("signed out");
    assert_eq!(bench.world.trace(), [Revoke, Revoke]);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert!(is_bound(&session).await);
    bench.assert_proven();
}

#[tokio::test(start_paused = true)]
async fn managed_and_machine_sessions_are_bound_too() {
    let bench = Bench::new();
    bench.world.servers(|s| s.proofs.demand());
    let managed = bench.employed().await;
    bench.world.servers(|s| {
        s.add_client(crate::support::ISSUER, "m", CANARY, "client_secret_basic");
    });
    let builder = bench.builder().profile("machine");
    let client = Client::secret("m", mcp_reauth::Secret::new(CANARY)).at_issuer(ISSUER);
    let builder = builder.credentials(Credentials::client_credentials(client));
    let machine = builder.open().await.expect("the session opens");
    assert_eq!(bench.send(&machine, "").await, Ok(200));
    for session in [managed, machine] {
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert!(is_bound(&session).await);
        let seen = bench.world.take();
        // The identity provider gets no proofs.
        let bound = |s: &&Seen| [Mcp, Token].contains(&s.kind) && s.authorization.is_some();
        assert!(seen.iter().filter(bound).count() >= 2);
        for seen in seen {
            let expected = seen.kind == Token || seen.kind == Mcp && seen.authorization.is_some();
            assert_eq!(seen.proof.is_some(), expected, "{seen:?}");
        }
    }
    bench.assert_proven();
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn neither_keys_nor_proofs_nor_assertions_are_told() {
    let capture = Capture::default();
    let _guard = capture.begin();
    let bench = Bench::new();
    bench.world.servers(|s| s.proofs.demand());
    let session = bench.managed(SERVER).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| {
        s.revoke_access();
        s.idp.refuse_id_tokens();
        s.proofs.new_nonce(SERVER);
    });
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let mut request = session.request(mcp_reauth::Operation::default(), Default::default());
    let credential = request.authorize("POST", SERVER).await.expect("a proof");
    let state = session.auth_state().await.expect("a store");
    let json = state.as_ref().expect("one").to_json().expect("JSON");
    let json: serde_json::Value = serde_json::from_str(json.expose()).expect("JSON");
    let mut text = format!(
        "{session:?} {credential:?} {request:?} {state:?} {:?}",
        bench.store
    );
    text += &format!("{:?} {:?}", bench.host.events(), bench.idp_session());
    text += &format!("{:?}", session.connection_state().await);
    text += &format!("{:?}", bench.provider());
    text += &serde_json::to_string(&bench.host.events()).expect("JSON");
    text += &capture.text();
    let mut secrets = vec![
        json["grant"]["binding"]["key"]
            .as_str()
            .expect("a key")
            .to_owned(),
    ];
    for seen in bench.world.take() {
        secrets.extend(seen.proof);
        for name in [
            "subject_token",
            "assertion",
            "code_verifier",
            "refresh_token",
        ] {
            secrets.extend(seen.params.get(name).cloned());
        }
        if seen.kind == crate::support::IdpVisit {
            secrets.extend(seen.params.get("nonce").cloned());
        }
    }
    let headers = credential.iter().flat_map(|c| c.headers());
    secrets.extend(headers.map(|(_, value)| value.to_owned()));
    assert!(secrets.len() > 15, "{}", secrets.len());
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} stands in {text}");
    }
    assert!(!text.contains(CANARY), "{text}");
}
