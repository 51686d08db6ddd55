//! The server changes its authorization server.

use crate::support::{Bench, Fault, ISSUER, Mcp, Meta, OTHER, Prm, Register, Token, Visit, code};
use mcp_reauth::Client;

fn moves(bench: &Bench) {
    bench.world.servers(|s| {
        s.authorization_servers = vec![OTHER.to_owned()];
    });
}

/// Asserts that nothing that belongs to the old issuer was sent to the new one.
fn assert_apart(bench: &Bench, old_client: &str) {
    for seen in bench.world.take() {
        let to_new = seen.url.starts_with(OTHER);
        assert!(!(to_new && seen.mentions(old_client)), "{seen:?}");
        assert!(
            !(to_new && seen.params.contains_key("refresh_token")),
            "{seen:?}"
        );
    }
}

async fn client(session: &mcp_reauth::AuthSession) -> String {
    let state = session.connection_state().await.expect("a store");
    state.client_id.expect("a client id")
}

#[tokio::test(start_paused = true)]
async fn token_without_refresh_is_replaced_by_a_sign_in_at_the_new_server() {
    let bench = Bench::new();
    bench.world.servers(|s| s.refresh_tokens = false);
    let session = bench.signed_in("a").await;
    let old = client(&session).await;
    moves(&bench);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let state = session.connection_state().await.expect("a store");
    assert_eq!(state.issuer.as_deref(), Some(OTHER));
    assert_ne!(state.client_id.as_ref(), Some(&old));
    // What the user agreed to at the old server does not apply to the new one.
    assert_eq!(bench.host.sign_ins()[2].scopes.to_string(), "base");
    assert_eq!(bench.world.count(Register), 1);
    assert_eq!(bench.world.count(Visit), 1);
    assert_apart(&bench, &old);
}

#[tokio::test(start_paused = true)]
async fn unreachable_refresh_at_the_old_server_ends_in_a_sign_in_at_the_new_one() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let old = client(&session).await;
    moves(&bench);
    // All token requests fail at first; after that, only both tries at the old server.
    bench.world.always(Token, Fault::Connection);
    for _ in 0..2 {
        // A network that is down is no sign of a move.
        assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
        assert_eq!(bench.world.count(Prm), 0);
    }
    bench.world.take();
    bench.world.heal(Token);
    for _ in 0..2 {
        bench.world.next(Token, Fault::Connection);
    }
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    let expected = [
        Mcp, Token, Token, Prm, Prm, Meta, Register, Visit, Token, Mcp,
    ];
    assert_eq!(kinds, expected);
    for seen in &seen[1..3] {
        assert!(seen.url.starts_with(ISSUER));
    }
    for seen in &seen[5..9] {
        assert!(seen.url.starts_with(OTHER), "{seen:?}");
        assert!(!seen.mentions(&old), "{seen:?}");
    }
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn refresh_that_the_old_server_refuses_ends_in_a_sign_in_at_the_new_one() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let old = client(&session).await;
    moves(&bench);
    bench.world.servers(|s| s.revoke_all());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let state = session.connection_state().await.expect("a store");
    assert_eq!(state.issuer.as_deref(), Some(OTHER));
    assert_apart(&bench, &old);
}

#[tokio::test(start_paused = true)]
async fn refresh_that_the_old_server_grants_and_the_resource_rejects_ends_at_the_new_one() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    moves(&bench);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    let expected = [Mcp, Token, Mcp, Prm, Meta, Register, Visit, Token, Mcp];
    assert_eq!(kinds, expected);
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn step_up_that_a_server_asks_of_a_token_it_takes_stays_at_its_issuer() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    moves(&bench);
    let line = r#"Bearer error="insufficient_scope", scope="a""#;
    bench
        .world
        .answer(move |call| (call == 0).then(|| (403, vec![line.to_owned()])));
    // The server's next response contradicts this challenge; until then nothing says that it has moved.
    let _ = bench.send(&session, "a").await;
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds[..4], [Mcp, Visit, Token, Mcp], "{kinds:?}");
    assert!(seen[2].url.starts_with(ISSUER));
}

#[tokio::test(start_paused = true)]
async fn server_that_is_named_besides_others_is_kept() {
    let bench = Bench::new();
    bench.world.servers(|s| s.refresh_tokens = false);
    let session = bench.signed_in("").await;
    bench.world.servers(|s| {
        s.authorization_servers = vec![OTHER.to_owned(), ISSUER.to_owned()];
        s.revoke_all();
    });
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let kinds = bench.world.trace();
    // Its metadata was read a moment ago.
    assert_eq!(kinds, [Mcp, Prm, Visit, Token, Mcp]);
    let state = session.connection_state().await.expect("a store");
    assert_eq!(state.issuer.as_deref(), Some(ISSUER));
}

#[tokio::test(start_paused = true)]
async fn client_that_is_bound_to_its_issuer_goes_nowhere_else() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.refresh_tokens = false;
        s.add_client(ISSUER, "bound", "canary-bound", "client_secret_basic");
    });
    let secret = mcp_reauth::Secret::new("canary-bound");
    let builder = bench.builder().host(bench.host.clone());
    let builder = builder.credentials(Client::secret("bound", secret).at_issuer(ISSUER));
    let session = builder.open().await.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    moves(&bench);
    bench.world.take();
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "registration_rejected");
    for seen in bench.world.take() {
        assert!(!seen.url.starts_with(OTHER), "{seen:?}");
    }
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn way_back_to_the_old_server_needs_no_new_registration() {
    let bench = Bench::new();
    bench.world.servers(|s| s.refresh_tokens = false);
    let session = bench.signed_in("").await;
    let old = client(&session).await;
    moves(&bench);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench
        .world
        .servers(|s| s.authorization_servers = vec![ISSUER.to_owned()]);
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Register), 0);
    assert_eq!(client(&session).await, old);
}

/// A renewal that failed at the old server says nothing about the sign-in at the new one.
#[tokio::test(start_paused = true)]
async fn a_sign_in_at_the_new_server_that_is_rejected_is_no_unavailable_renewal() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    moves(&bench);
    for _ in 0..2 {
        bench.world.next(Token, Fault::Status(503));
    }
    let rejected = r#"Bearer error="invalid_token""#;
    bench
        .world
        .answer(move |_| Some((401, vec![rejected.to_owned()])));
    assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
    assert_eq!(bench.host.prompts(), (0, 2), "one page at the new server");
    // The next request does not send the user there again either.
    assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
    assert_eq!(bench.host.prompts(), (0, 2));
}
