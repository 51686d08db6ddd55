//! What lasts from one sign-in to the next: registrations that servers forget, rejected sign-ins, consent prompts,
//! refreshes that lose scopes, secrets and their issuers.

use std::sync::atomic::Ordering;

use mcp_reauth::recovery::Trigger;
use mcp_reauth::{CallbackParams, Client, Error, Operation, Outcome, Recovery, ScopeSet, Secret};

use crate::support::{
    Bench, Fault, ISSUER, Journey, Kind, Mcp, Meta, OTHER, Prm, Register, SERVER, Token, Visit,
    code, pass, recover,
};

fn closed() -> Journey {
    Journey::Fails(Error::Cancelled {
        what: "The sign-in",
    })
}

#[tokio::test(start_paused = true)]
async fn registration_whose_page_never_came_back_is_replaced() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| {
        s.forget_clients();
        s.revoke_access();
    });
    // The server reports the forgotten client as an invalid refresh token, and its page never returns.
    bench
        .world
        .next(Token, Fault::Body(400, r#"{"error":"invalid_grant"}"#));
    bench.host.journeys(closed());
    assert_eq!(code(&bench.send(&session, "").await), "cancelled");
    assert_eq!(bench.world.count(Register), 0);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Register), 1);
}

#[tokio::test(start_paused = true)]
async fn registration_whose_page_was_left_open_is_replaced_after_a_restart() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| {
        s.forget_clients();
        s.revoke_all();
    });
    bench
        .world
        .next(Token, Fault::Body(400, r#"{"error":"invalid_grant"}"#));
    bench.host.journeys(Journey::Elsewhere);
    let left = bench.send(&session, "").await;
    assert_eq!(code(&left), "interaction_required");
    drop(session);
    let session = bench.open().await;
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Register), 1);
}

#[tokio::test(start_paused = true)]
async fn new_registration_whose_page_never_came_back_is_kept() {
    let bench = Bench::new();
    let session = bench.open().await;
    bench.host.journeys(closed());
    assert_eq!(code(&bench.send(&session, "").await), "cancelled");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Register), 1, "it was not to blame");
}

#[tokio::test(start_paused = true)]
async fn client_that_the_page_does_not_know_is_registered_again() {
    for error in ["invalid_client", "unauthorized_client"] {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.denies = Some(error));
        let denied = bench.send(&session, "a").await;
        assert_eq!(code(&denied), "authorization_denied", "{error}");
        bench.world.servers(|s| s.denies = None);
        bench.world.take();
        assert_eq!(bench.send(&session, "a").await, Ok(200));
        assert_eq!(bench.world.count(Register), 1, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn sign_in_again_replaces_a_registration_of_our_own() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    assert_eq!(session.sign_in_again().await, Outcome::Satisfied);
    assert_eq!(bench.world.count(Register), 1);
    bench.world.take();
    assert_eq!(
        session.sign_in(ScopeSet::parse("a")).await,
        Outcome::Satisfied
    );
    assert_eq!(
        bench.world.count(Register),
        0,
        "any other sign-in reuses it"
    );
}

#[tokio::test(start_paused = true)]
async fn server_that_rejects_what_was_just_granted_costs_one_page() {
    for refresh_tokens in [true, false] {
        let bench = Bench::new();
        bench.world.servers(|s| s.refresh_tokens = refresh_tokens);
        let session = bench.signed_in("").await;
        let line = r#"Bearer error="invalid_token""#;
        bench
            .world
            .answer(move |_| Some((401, vec![line.to_owned()])));
        for _ in 0..100 {
            assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
        }
        assert_eq!(bench.host.prompts(), (0, 2), "one page in vain");
        bench.world.take();
        assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
        let expected = match refresh_tokens {
            true => vec![Mcp, Token, Mcp],
            false => vec![Mcp],
        };
        assert_eq!(bench.world.trace(), expected);
        // An explicit sign-in, or one some minutes later, is tried.
        let _ = session.sign_in_again().await;
        assert_eq!(bench.host.prompts(), (0, 3));
        assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
        assert_eq!(bench.host.prompts(), (0, 4));
        pass(301).await;
        assert_eq!(code(&bench.send(&session, "").await), "unauthorized");
        assert_eq!(bench.host.prompts(), (0, 5));
    }
}

#[tokio::test(start_paused = true)]
async fn consent_is_prompted_for_only_where_that_brings_a_refresh_token() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.offers_offline_access = true;
        s.refresh_tokens = false;
    });
    let session = bench.open().await;
    let mut prompts = Vec::new();
    for _ in 0..3 {
        assert_eq!(bench.send(&session, "").await, Ok(200));
        let seen = bench.world.take();
        let visit = seen.iter().find(|s| s.kind == Visit).expect("a visit");
        prompts.push(visit.param("prompt").to_owned());
        bench.world.servers(|s| s.revoke_all());
    }
    assert_eq!(prompts, ["", "consent", ""], "it did not help");
    let builder = bench.builder().profile("off").host(bench.host.clone());
    let session = builder.consent_prompt(false).open().await.expect("opens");
    for _ in 0..2 {
        assert_eq!(bench.send(&session, "").await, Ok(200));
        let seen = bench.world.take();
        let visit = seen.iter().find(|s| s.kind == Visit).expect("a visit");
        assert_eq!(visit.param("prompt"), "");
        bench.world.servers(|s| s.revoke_all());
    }
}

#[tokio::test(start_paused = true)]
async fn offline_access_is_never_asked_for_alone() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.offers_offline_access = true;
        s.base_scope = String::new();
    });
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let visit = seen.iter().find(|s| s.kind == Visit).expect("a visit");
    assert_eq!(visit.param("scope"), "");
}

#[tokio::test(start_paused = true)]
async fn refresh_that_loses_scopes_is_made_once_more_with_their_names() {
    let bench = Bench::new();
    bench.world.servers(|s| s.refresh_needs_scope = true);
    let session = bench.signed_in("a").await;
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Token, Mcp, Token, Mcp]);
    assert_eq!(seen[1].param("scope"), "");
    assert_eq!(seen[3].param("scope"), "base a");
    assert_eq!(bench.host.prompts(), (1, 2), "no question for it");
    // Either may bring a new refresh token, which a full disk must not lose.
    assert_eq!(bench.reservations.swap(0, Ordering::SeqCst), 2);
    // It is remembered.
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Token, Mcp]);
    assert_eq!(seen[1].param("scope"), "base a");
}

#[tokio::test(start_paused = true)]
async fn sign_in_before_any_request_asks_the_server_for_its_challenge() {
    let bench = Bench::new();
    let session = bench.open().await;
    let outcome = session.sign_in(ScopeSet::parse("a")).await;
    assert_eq!(outcome, Outcome::Satisfied);
    let seen = bench.world.take();
    let kinds: Vec<_> = seen.iter().map(|s| s.kind).collect();
    assert_eq!(kinds, [Mcp, Prm, Meta, Register, Visit, Token]);
    assert_eq!(seen[4].param("scope"), "base a");
    assert_eq!(seen[4].param("resource"), SERVER);
    // Once a challenge of the server is known, it is not asked for one again.
    session.sign_out().await.expect("signed out");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn first_contact_that_is_answered_403_leads_to_a_sign_in_where_there_is_metadata() {
    let bench = Bench::new();
    let session = bench.open().await;
    bench
        .world
        .answer(|call| (call == 0).then(|| (403, vec![])));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let expected = [Mcp, Prm, Prm, Meta, Register, Visit, Token, Mcp];
    assert_eq!(bench.world.trace(), expected);
    // Without metadata the caller gets the response; with a credential, always.
    let bench = Bench::new();
    let session = bench.open().await;
    bench.world.always(Prm, Fault::Status(404));
    bench.world.answer(|_| Some((403, vec![])));
    assert_eq!(bench.send(&session, "").await, Ok(403));
    assert_eq!(bench.host.prompts(), (0, 0));
    let mut request = session.request(Operation::default(), Trigger::Ambient);
    let none = std::iter::empty();
    bench.world.take();
    assert!(matches!(
        recover(&mut request, 403, none).await,
        Recovery::PassThrough
    ));
    assert_eq!(bench.world.trace(), [], "no stream asks for it");
}

#[tokio::test(start_paused = true)]
async fn forbidden_that_blames_the_token_is_renewed_once_and_never_prompts() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    let line = r#"Bearer error="invalid_token""#;
    bench
        .world
        .answer(move |_| Some((403, vec![line.to_owned()])));
    assert_eq!(bench.send(&session, "").await, Ok(403));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    bench.world.servers(|s| s.revoke_all());
    assert_eq!(bench.send(&session, "").await, Ok(403));
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn question_lists_what_the_request_asks_for() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench
        .world
        .servers(|s| s.never_granted.insert("admin".to_owned()));
    assert_eq!(
        code(&bench.send(&session, "admin").await),
        "scope_not_granted"
    );
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    let (asked, sent) = (bench.host.consents(), bench.host.sign_ins());
    assert_eq!(asked.len(), 2);
    for (asked, sent) in asked.iter().zip(&sent[1..]) {
        assert_eq!(asked.scopes, sent.scopes);
    }
    // Scopes that were not granted before are requested again (SEP-2350), so the question lists them.
    assert_eq!(asked[1].new_scopes, ScopeSet::parse("admin a"));
}

#[tokio::test(start_paused = true)]
async fn secret_is_shown_to_no_issuer_that_was_not_named_for_it() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.auth_methods = vec!["client_secret_basic"];
        for issuer in [ISSUER, OTHER] {
            s.add_client(
                issuer,
                "known",
                "canary-known-secret",
                "client_secret_basic",
            );
        }
    });
    let known = Client::secret("known", Secret::new("canary-known-secret"));
    let builder = |client: &Client| {
        let builder = bench.builder().host(bench.host.clone());
        builder.credentials(client.clone())
    };
    let session = builder(&known).open().await.expect("the session opens");
    let refused = bench.send(&session, "").await;
    assert_eq!(code(&refused), "config");
    let text = refused.expect_err("refused").to_string();
    assert!(text.contains(ISSUER) && text.contains("known"), "{text}");
    assert!(!text.contains("canary"), "{text}");
    assert_eq!(bench.world.count(Token) + bench.world.count(Visit), 0);
    // Set once, the issuer is remembered with the grant; any other issuer is refused.
    let session = builder(&known.clone().at_issuer(ISSUER)).open().await;
    let session = session.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let session = builder(&known).open().await.expect("the session opens");
    bench.world.servers(|s| s.revoke_all());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| {
        s.authorization_servers = vec![OTHER.to_owned()];
        s.revoke_all();
    });
    bench.world.take();
    let refused = bench.send(&session, "").await;
    assert_eq!(code(&refused), "registration_rejected");
    let seen = bench.world.take();
    assert!(seen.iter().all(|s| !s.url.starts_with(OTHER)), "{seen:?}");
    let session = builder(&known.at_any_issuer()).profile("any");
    let session = session.open().await.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn an_id_that_was_used_alone_does_not_say_where_its_secret_belongs() {
    let bench = Bench::new();
    bench
        .world
        .servers(|s| s.add_public_client(ISSUER, "grown"));
    let builder = || bench.builder().host(bench.host.clone());
    let session = builder()
        .credentials(Client::public("grown"))
        .open()
        .await
        .expect("opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.servers(|s| s.revoke_all());
    let client = Client::secret("grown", Secret::new("canary-grown-secret"));
    let session = builder().credentials(client).open().await;
    let session = session.expect("the session opens");
    assert_eq!(code(&bench.send(&session, "").await), "config");
}

#[tokio::test(start_paused = true)]
async fn step_up_after_a_restart_rediscovers_nothing() {
    let bench = Bench::new();
    drop(bench.signed_in("").await);
    let session = bench.open().await;
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Visit, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn metadata_of_the_authorization_server_is_read_again_after_a_day() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = None);
    let session = bench.signed_in("").await;
    for (seconds, expected) in [
        (86_000, vec![Mcp, Token, Prm, Visit, Token, Mcp]),
        (1_000, vec![Mcp, Token, Prm, Meta, Visit, Token, Mcp]),
        (86_000, vec![Mcp, Token, Prm, Visit, Token, Mcp]),
    ] {
        pass(seconds).await;
        bench.world.servers(|s| s.revoke_all());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn sign_in_on_purpose_reaches_the_user_though_renewal_cannot_be_made() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.next(Token, Fault::Status(503));
    bench.world.next(Token, Fault::Status(503));
    let outcome = session.sign_in(ScopeSet::new()).await;
    assert_eq!(outcome, Outcome::Satisfied);
    assert_eq!(bench.host.prompts(), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn callback_that_comes_late_still_counts_though_another_page_was_opened() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_all());
    bench.host.journeys(Journey::Elsewhere);
    let _ = bench.send(&session, "").await;
    let first = bench.host.sign_ins().pop().expect("a page");
    bench.host.journeys(Journey::Elsewhere);
    let _ = bench.send(&session, "").await;
    let back = bench.world.visit(&first.url);
    session
        .complete_authorization(CallbackParams::parse(&back))
        .await
        .expect("it is still under way");
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

/// Returns the requests of a sign-in after a revoked grant, this many seconds after the first sign-in, if the
/// resource's metadata has this `Cache-Control`.
async fn after_a_revoked_grant(says: Option<&'static str>, seconds: u64) -> Vec<Kind> {
    let bench = Bench::new();
    bench
        .world
        .servers(|s| (s.cache_control, s.lifetime) = (says, None));
    let session = bench.signed_in("").await;
    pass(seconds).await;
    drop(session);
    let session = bench.open().await;
    bench.world.servers(|s| s.revoke_all());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    bench.world.trace()
}

#[tokio::test(start_paused = true)]
async fn resource_metadata_that_is_fresh_is_not_read_again() {
    const SAVED: [Kind; 5] = [Mcp, Token, Visit, Token, Mcp];
    const READ: [Kind; 6] = [Mcp, Token, Prm, Visit, Token, Mcp];
    for (says, seconds, expected) in [
        (Some("max-age=600"), 60, &SAVED[..]),
        (Some("public, max-age=600"), 599, &SAVED),
        (Some("max-age=600"), 601, &READ),
        (Some("max-age=600, no-store"), 60, &READ),
        (Some("no-cache"), 60, &READ),
        (None, 60, &READ),
    ] {
        let trace = after_a_revoked_grant(says, seconds).await;
        assert_eq!(trace, expected, "{says:?} {seconds}");
    }
    // A day at most, as for the authorization server's metadata.
    let trace = after_a_revoked_grant(Some("max-age=99999999999"), 86_401).await;
    assert_eq!(trace, [Mcp, Token, Prm, Meta, Visit, Token, Mcp]);
}

#[tokio::test(start_paused = true)]
async fn metadata_is_read_again_after_a_page_that_failed_however_fresh() {
    let bench = Bench::new();
    bench
        .world
        .servers(|s| s.cache_control = Some("max-age=600"));
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_all());
    bench.host.journeys(closed());
    assert_eq!(code(&bench.send(&session, "").await), "cancelled");
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(Prm), 1);
}
