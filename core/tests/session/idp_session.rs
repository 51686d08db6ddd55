//! The session at the identity provider by itself: its state, handing one over, signing out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mcp_reauth::enterprise::SignIn;
use mcp_reauth::{
    AuthSession, Credentials, Event, IdentityProvider, Outcome, RecordStore, Revocation, ScopeSet,
    Secret,
};

use crate::support::{
    Bench, CLIENT, Exchange, Fault, IDP, IdpMeta, IdpRevoke, IdpToken, IdpVisit, Mcp, Meta, Prm,
    Register, Revoke, SECOND, SERVER, Token, Untrue, Visit, claims, code, key, pass, settle,
};

/// Returns the ID token of the last sign-in or renewal, as it was exchanged.
async fn id_token(bench: &Bench, session: &AuthSession) -> String {
    bench.world.servers(|s| s.revoke_access());
    bench.world.take();
    assert_eq!(bench.send(session, "").await, Ok(200));
    let seen = bench.world.take();
    let exchange = seen.iter().find(|s| s.kind == Exchange).expect("one");
    exchange.param("subject_token").to_owned()
}

#[tokio::test(start_paused = true)]
async fn state_tells_who_is_signed_in_and_until_when() {
    let bench = Bench::new();
    let idp = bench.idp_session();
    let state = idp.state().await.expect("a store");
    assert!(!state.signed_in && !state.authorized && !state.renewable);
    let session = bench.employed().await;
    let begun = claims(&id_token(&bench, &session).await);
    for _ in 0..2 {
        let state = idp.state().await.expect("a store");
        assert!(state.signed_in && state.renewable);
        assert_eq!(state.issuer, IDP);
        assert_eq!(state.subject.as_deref(), Some("anna"));
        assert_eq!(state.expires_at, begun["exp"].as_u64());
        assert_eq!(state.servers, [SERVER]);
        pass(1800).await;
    }
    assert!(!idp.state().await.expect("a store").authorized);
    assert_eq!(bench.world.trace(), []);
    // The MCP session reports the same state.
    let own = session.identity_provider().expect("it is managed");
    assert_eq!(own.state().await, idp.state().await);
    let other = bench.builder().open().await.expect("the session opens");
    assert!(other.identity_provider().is_none());
}

#[tokio::test(start_paused = true)]
async fn signing_out_clears_the_sign_in_and_what_was_minted_by_it_alone() {
    let bench = Bench::new();
    let session = bench.employed().await;
    // The user signed in at another server directly.
    let builder = bench.builder_for(SECOND).host(bench.host.clone());
    let own = builder.open().await.expect("the session opens");
    assert_eq!(bench.send(&own, "").await, Ok(200));
    bench.world.take();
    let before = own.authorization();

    let signed_out = bench.idp_session().sign_out().await;
    assert_eq!(signed_out, Ok(Revocation::Done));
    assert_eq!(bench.world.trace(), [IdpRevoke, Revoke]);
    assert_eq!(bench.world.servers(|s| s.idp.live()), 0);
    assert_eq!(bench.world.servers(|s| s.live_tokens()), 1);
    let state = bench.idp_session().state().await.expect("a store");
    assert!(!state.signed_in && state.servers.is_empty(), "{state:?}");
    let state = session.connection_state().await.expect("a store");
    assert!(!state.signed_in && state.requested_scopes.is_empty());
    assert!(session.authorization().is_none());

    assert_eq!(bench.send(&own, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(own.authorization(), before);
    // The next request signs in again.
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(IdpVisit), 1);
}

#[tokio::test(start_paused = true)]
async fn server_that_was_signed_in_to_by_itself_since_is_left_alone() {
    let bench = Bench::new();
    drop(bench.employed().await);
    let own = bench.open().await;
    let outcome = own.sign_in_again().await;
    assert_eq!(outcome, Outcome::Satisfied);
    bench.world.take();
    assert_eq!(bench.idp_session().sign_out().await, Ok(Revocation::Done));
    assert_eq!(bench.world.trace(), [IdpRevoke]);
    assert_eq!(bench.send(&own, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn signing_out_clears_also_what_cannot_be_revoked() {
    for (fault, told) in [
        (Some(Fault::Status(503)), Revocation::Failed),
        (Some(Fault::Hang), Revocation::Failed),
        (None, Revocation::NotOffered),
    ] {
        let bench = Bench::new();
        bench.world.servers(|s| {
            s.revokes = fault.is_some();
            s.idp.revokes = fault.is_some();
        });
        let session = bench.employed().await;
        let second = bench.managed(SECOND).await;
        assert_eq!(bench.send(&second, "").await, Ok(200));
        for kind in [IdpRevoke, Revoke] {
            if let Some(fault) = &fault {
                bench.world.always(kind, fault.clone());
            }
        }
        assert_eq!(bench.idp_session().sign_out().await, Ok(told));
        let state = bench.idp_session().state().await.expect("a store");
        assert!(!state.signed_in && state.servers.is_empty(), "{state:?}");
        for session in [session, second] {
            let state = session.connection_state().await.expect("a store");
            assert!(!state.signed_in, "{state:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn signing_out_of_nothing_is_no_error_and_no_network() {
    let bench = Bench::new();
    assert_eq!(
        bench.idp_session().sign_out().await,
        Ok(Revocation::Nothing)
    );
    assert_eq!(bench.world.trace(), []);
}

#[tokio::test(start_paused = true)]
async fn mint_under_way_does_not_outlive_signing_out() {
    for held in [Exchange, Token] {
        let bench = Bench::new();
        let session = bench.employed().await;
        drop(session);
        let adopted = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&adopted);
        let builder = bench.managed_builder(SERVER).on_event(move |event| {
            counted.fetch_add(usize::from(*event == Event::Adopted), Ordering::SeqCst);
        });
        let alone = builder.open().await.expect("the session opens");
        bench.world.servers(|s| s.revoke_access());
        let gate = bench.world.hold(held);
        let request = bench.spawn(&alone, "");
        gate.reached().await;
        bench.idp_session().sign_out().await.expect("signed out");
        settle().await;
        gate.open();
        let result = request.await.expect("no panic");
        assert_eq!(code(&result), "interaction_required", "{held:?}");
        assert!(alone.authorization().is_none(), "{held:?}");
        let adopted = adopted.load(Ordering::SeqCst);
        assert_eq!(adopted, 0, "no other session has renewed it");
        let result = bench.send(&alone, "").await;
        assert_eq!(code(&result), "interaction_required", "{held:?}");
        let next = bench.managed(SERVER).await;
        assert!(next.authorization().is_none(), "{held:?}");
        let stored = bench.store.load(&key(SERVER)).await.expect("a store");
        let stored = format!("{:?}", stored.map(|s| s.data.expose().to_owned()));
        assert!(!stored.contains("access_token"), "{stored}");
    }
}

#[tokio::test(start_paused = true)]
async fn renewal_under_way_does_not_undo_signing_out() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = None);
    drop(bench.employed().await);
    let builder = bench.managed_builder(SERVER);
    let alone = builder.open().await.expect("the session opens");
    pass(3600).await;
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(IdpToken);
    let request = bench.spawn(&alone, "");
    gate.reached().await;
    bench.idp_session().sign_out().await.expect("signed out");
    settle().await;
    gate.open();
    let result = request.await.expect("no panic");
    assert_eq!(code(&result), "interaction_required");
    let state = bench.idp_session().state().await.expect("a store");
    assert!(!state.signed_in);
}

#[tokio::test(start_paused = true)]
async fn sign_in_of_the_applications_own_is_adopted_and_needs_no_page() {
    let bench = Bench::new();
    // The user signs in in another program.
    let elsewhere = Bench::new();
    let session = elsewhere.employed().await;
    let token = id_token(&elsewhere, &session).await;
    // Both use the same identity provider.
    let idp = elsewhere.world.servers(|s| {
        let fresh = crate::support::TestIdp::new(elsewhere.runtime.clone());
        std::mem::replace(&mut s.idp, fresh)
    });
    bench.world.servers(|s| s.idp = idp);
    let session = bench.managed(SERVER).await;
    let provider = session.identity_provider().expect("it is managed");
    let sign_in = SignIn {
        id_token: Secret::new(token),
        refresh_token: None,
    };
    assert_eq!(provider.adopt(sign_in).await, Ok(()));
    assert_eq!(bench.world.trace(), [IdpMeta]);
    let state = provider.state().await.expect("a store");
    assert_eq!(state.subject.as_deref(), Some("anna"));
    assert!(!state.renewable && state.authorized, "{state:?}");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let expected = [Mcp, Prm, Meta, Register, Exchange, Token, Mcp];
    assert_eq!(bench.world.trace(), expected);
    assert_eq!(bench.host.prompts(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn sign_in_of_another_user_is_not_adopted() {
    let bench = Bench::new();
    let session = bench.employed().await;
    let token = id_token(&bench, &session).await;
    let before = bench.idp_session().state().await;
    let sign_in = |token: &str| SignIn {
        id_token: Secret::new(token),
        refresh_token: None,
    };
    for (issuer, client) in [(IDP, "another"), ("https://idp.example/other", CLIENT)] {
        let provider = IdentityProvider::new(issuer, client);
        let builder = bench
            .builder()
            .credentials(Credentials::enterprise(provider));
        let session = builder.open().await.expect("the session opens");
        let provider = session.identity_provider().expect("it is managed");
        let adopted = provider.adopt(sign_in(&token)).await;
        assert_eq!(code(&adopted), "id_token_invalid", "{issuer} {client}");
    }
    let provider = session.identity_provider().expect("it is managed");
    for bad in ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        let adopted = provider.adopt(sign_in(bad)).await;
        assert_eq!(code(&adopted), "id_token_invalid", "{bad}");
    }
    pass(3661).await;
    let adopted = provider.adopt(sign_in(&token)).await;
    assert_eq!(code(&adopted), "id_token_invalid");
    // A program that does not know its client cannot renew anything.
    let adopted = bench.idp_session().adopt(sign_in(&token)).await;
    assert_eq!(code(&adopted), "config");
    let after = bench.idp_session().state().await;
    assert_eq!(before.map(|s| s.expires_at), after.map(|s| s.expires_at));
    assert_eq!(bench.world.trace(), []);
}

#[tokio::test(start_paused = true)]
async fn organization_that_is_not_configured_or_switched_off_is_told_apart() {
    let bench = Bench::new();
    let opened = bench
        .builder()
        .credentials(Credentials::enterprise(None))
        .open()
        .await;
    assert_eq!(code(&opened), "enterprise_not_configured");
    let off = bench.provider().enabled(false);
    let opened = bench
        .builder()
        .credentials(Credentials::enterprise(off))
        .open()
        .await;
    assert_eq!(code(&opened), "enterprise_disabled");
    let error = opened.expect_err("switched off").to_string();
    assert!(error.contains(IDP), "{error}");
    for (provider, expected) in [
        (
            IdentityProvider::new("http://idp.example", CLIENT),
            "insecure_endpoint",
        ),
        (IdentityProvider::new(IDP, ""), "config"),
    ] {
        let builder = bench
            .builder()
            .credentials(Credentials::enterprise(provider));
        assert_eq!(code(&builder.open().await), expected);
    }
    assert_eq!(bench.world.trace(), []);
}

#[tokio::test(start_paused = true)]
async fn sign_in_asked_for_is_at_the_identity_provider() {
    let bench = Bench::new();
    let session = bench.managed(SERVER).await;
    let outcome = session.sign_in(ScopeSet::parse("a")).await;
    assert_eq!(outcome, Outcome::Satisfied);
    assert_eq!(bench.world.count(Visit), 0);
    bench.world.take();
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    // Again, although there is a credential.
    assert_eq!(session.sign_in_again().await, Outcome::Satisfied);
    let seen = bench.world.take();
    let page = seen.iter().find(|s| s.kind == IdpVisit).expect("a page");
    assert_eq!(page.param("max_age"), "0");
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn access_of_one_user_does_not_outlive_the_sign_in_of_another() {
    let bench = Bench::new();
    let session = bench.employed().await;
    let second = bench.managed(SECOND).await;
    assert_eq!(bench.send(&second, "").await, Ok(200));
    bench
        .world
        .servers(|s| s.idp.untrue = Some(Untrue::Subject));
    let again = session.sign_in_again().await;
    assert!(matches!(again, Outcome::Satisfied), "{again:?}");
    let state = bench.idp_session().state().await.expect("a store");
    assert_eq!(state.subject.as_deref(), Some("ben"));
    let state = session.connection_state().await.expect("a store");
    assert!(state.authorized, "{state:?}");
    let state = second.connection_state().await.expect("a store");
    assert!(!state.signed_in, "{state:?}");
}

#[tokio::test(start_paused = true)]
async fn access_that_the_organization_did_not_give_is_not_used() {
    let bench = Bench::new();
    let own = bench.signed_in("").await;
    assert!(own.authorization().is_some());
    let managed = bench.managed(SERVER).await;
    assert!(managed.authorization().is_none());
    assert_eq!(bench.send(&managed, "").await, Ok(200));
    assert_eq!(bench.world.count(Exchange), 1);
}
