//! Enterprise-managed authorization: one sign-in at the identity provider, and everything else is silent.

use mcp_reauth::recovery::Trigger::{Ambient, Command};
use mcp_reauth::{CallbackParams, Operation, Recovery, ScopeSet};

use crate::support::{
    Bench, CLIENT, Exchange, IDP, ISSUER, IdpKeys, IdpMeta, IdpRevoke, IdpToken, IdpVisit, Journey,
    Kind, Mcp, Meta, OTHER, Prm, Push, Register, Revoke, SECOND, SERVER, Seen, Token, Visit, code,
    pass, recover,
};

/// The requests of a renewal while the ID token is valid.
const MINTED: [Kind; 4] = [Mcp, Exchange, Token, Mcp];
/// The requests of a sign-in at the identity provider.
const LEG_1: [Kind; 4] = [IdpMeta, IdpVisit, IdpKeys, IdpToken];

fn kinds(seen: &[Seen]) -> Vec<Kind> {
    seen.iter().map(|seen| seen.kind).collect()
}

#[tokio::test(start_paused = true)]
async fn first_request_is_one_page_at_the_identity_provider_and_nowhere_else() {
    let bench = Bench::new();
    let session = bench.managed(SERVER).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let found = [Prm, Meta, Register, Exchange, Token, Mcp];
    let expected = [&[Mcp][..], &LEG_1, &found].concat();
    assert_eq!(kinds(&seen), expected);
    let (page, exchange, grant) = (&seen[2], &seen[8], &seen[9]);
    assert_eq!(page.param("client_id"), CLIENT);
    assert_eq!(page.param("scope"), "openid offline_access");
    assert_eq!(seen[3].param("resource"), "");
    assert_eq!(exchange.param("audience"), ISSUER);
    assert_eq!(exchange.param("resource"), SERVER);
    assert_eq!(exchange.param("scope"), "base");
    assert_eq!(grant.param("scope"), "base");
    assert_eq!(grant.param("resource"), SERVER);
    assert!(!grant.params.contains_key("refresh_token"));
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.host.sign_ins()[0].issuer, IDP);
    let state = session.connection_state().await.expect("a store");
    assert_eq!(state.identity_provider.as_deref(), Some(IDP));
    assert_eq!(state.issuer.as_deref(), Some(ISSUER));
    assert!(state.authorized && state.renewable, "{state:?}");
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn rejected_token_is_four_requests() {
    let bench = Bench::new();
    let session = bench.employed().await;
    for _ in 0..3 {
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), MINTED);
    }
    assert_eq!(bench.host.prompts(), (0, 1));
    // With another assertion each time.
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn rejected_token_and_expired_id_token_are_five_requests() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = None);
    let session = bench.employed().await;
    for _ in 0..3 {
        pass(3600).await;
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, IdpToken, Exchange, Token, Mcp]);
    }
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.host.heard("idp_session_renewed"), 3);
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn refresh_token_that_does_not_rotate_is_used_again() {
    let bench = Bench::new();
    bench.world.servers(|s| {
        s.lifetime = None;
        s.idp.rotates = false;
    });
    let session = bench.employed().await;
    for _ in 0..3 {
        pass(3600).await;
        bench.world.servers(|s| s.revoke_access());
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, IdpToken, Exchange, Token, Mcp]);
    }
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn both_are_renewed_ahead_of_their_expiry() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = Some(600));
    let session = bench.employed().await;
    pass(580).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Exchange, Token, Mcp]);
    // The ID token has expired too.
    pass(3600).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [IdpToken, Exchange, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn sign_in_that_is_over_is_made_again_by_whoever_waits() {
    let bench = Bench::new();
    bench.world.servers(|s| s.lifetime = None);
    let session = bench.employed().await;
    bench.world.servers(|s| {
        s.revoke_access();
        s.idp.end_sign_ins();
    });
    pass(3600).await;
    let ambient = bench.send_as(&session, "", Ambient).await;
    assert_eq!(code(&ambient), "interaction_required");
    assert_eq!(bench.world.trace(), [Mcp, IdpToken]);
    assert_eq!(bench.host.prompts(), (0, 1));
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let rest = [Exchange, Token, Mcp];
    assert_eq!(bench.world.trace(), [&[Mcp][..], &LEG_1, &rest].concat());
    assert_eq!(bench.host.prompts(), (0, 2));
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn sign_in_that_is_over_is_told_where_nobody_could_sign_in() {
    let bench = Bench::new();
    bench.world.servers(|s| s.idp.refresh_tokens = false);
    drop(bench.employed().await);
    let builder = bench.managed_builder(SERVER);
    let alone = builder.open().await.expect("the session opens");
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&alone, "").await, Ok(200));
    bench.world.take();
    pass(3600).await;
    assert_eq!(code(&bench.send(&alone, "").await), "interaction_required");
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn second_server_of_the_profile_needs_no_page() {
    let bench = Bench::new();
    drop(bench.employed().await);
    let second = bench.managed(SECOND).await;
    assert_eq!(bench.send(&second, "").await, Ok(200));
    let seen = bench.world.take();
    let expected = [Mcp, Prm, Meta, Register, Exchange, Token, Mcp];
    assert_eq!(kinds(&seen), expected);
    assert_eq!(seen[4].param("audience"), OTHER);
    assert_eq!(seen[4].param("resource"), SECOND);
    assert_eq!(bench.host.prompts(), (0, 1));
    let state = bench.idp_session().state().await.expect("a store");
    assert_eq!(state.servers, [SERVER, SECOND]);
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn second_server_needs_no_page_where_nobody_could_sign_in() {
    let bench = Bench::new();
    drop(bench.employed().await);
    pass(3600).await;
    let builder = bench.managed_builder(SECOND);
    let second = builder.open().await.expect("the session opens");
    assert_eq!(bench.send_as(&second, "", Ambient).await, Ok(200));
    let expected = [Mcp, IdpToken, Prm, Meta, Register, Exchange, Token, Mcp];
    assert_eq!(bench.world.trace(), expected);
}

#[tokio::test(start_paused = true)]
async fn another_profile_has_a_page_of_its_own() {
    let bench = Bench::new();
    let anna = bench.employed().await;
    let builder = bench.managed_builder(SERVER).profile("ben");
    let ben = builder.host(bench.host.clone()).open().await;
    let ben = ben.expect("the session opens");
    assert_eq!(bench.send(&ben, "").await, Ok(200));
    assert_eq!(bench.world.count(IdpVisit), 1);
    assert_eq!(bench.host.prompts(), (0, 2));
    assert_ne!(anna.authorization(), ben.authorization());
}

#[tokio::test(start_paused = true)]
async fn restart_needs_no_page_and_no_discovery() {
    let bench = Bench::new();
    drop(bench.employed().await);
    let session = bench.managed(SERVER).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    bench.world.servers(|s| s.revoke_access());
    let session = bench.managed(SERVER).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), MINTED);
}

#[tokio::test(start_paused = true)]
async fn sign_in_begun_before_a_restart_is_completed_afterwards() {
    let bench = Bench::new();
    let session = bench.managed(SERVER).await;
    bench.host.journeys(Journey::Elsewhere);
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "interaction_required");
    assert_eq!(bench.world.trace(), [Mcp, IdpMeta]);
    drop(session);
    pass(600).await;
    let session = bench.managed(SERVER).await;
    let back = bench.world.visit(&bench.host.sign_ins()[0].url);
    let completed = session.complete_authorization(CallbackParams::parse(&back));
    assert_eq!(completed.await, Ok(()));
    let minted = [
        IdpVisit, IdpKeys, IdpToken, Prm, Meta, Register, Exchange, Token,
    ];
    assert_eq!(bench.world.trace(), minted);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    // The callback can be used once.
    let again = session.complete_authorization(CallbackParams::parse(&back));
    assert_eq!(code(&again.await), "state_mismatch");
}

#[tokio::test(start_paused = true)]
async fn scopes_are_those_configured_else_the_metadatas_else_none() {
    for (configured, base, listed, expected) in [
        ("own", "", Some(vec!["a", "b"]), "own"),
        ("own", "base", Some(vec!["a", "b"]), "own base"),
        ("", "base", Some(vec!["a", "b"]), "base"),
        ("", "", Some(vec!["a", "b"]), "a b"),
        ("", "", None, ""),
    ] {
        let bench = Bench::new();
        bench.world.servers(|s| {
            s.base_scope = base.to_owned();
            s.scopes_supported = listed;
        });
        let builder = bench.managed_builder(SERVER).host(bench.host.clone());
        let session = builder.scopes(ScopeSet::parse(configured)).open().await;
        let session = session.expect("the session opens");
        assert_eq!(bench.send(&session, "").await, Ok(200));
        for _ in 0..2 {
            for seen in bench.world.take() {
                if [Exchange, Token].contains(&seen.kind) {
                    let asked = ScopeSet::parse(seen.param("scope"));
                    assert_eq!(asked, ScopeSet::parse(expected), "{seen:?}");
                    assert_eq!(seen.params.contains_key("scope"), !expected.is_empty());
                }
            }
            bench.world.servers(|s| s.revoke_access());
            assert_eq!(bench.send(&session, "").await, Ok(200));
        }
        assert_eq!(bench.world.trace(), MINTED);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_organization_leaves_out_is_not_asked_for() {
    let bench = Bench::new();
    bench.world.servers(|s| s.idp.allows = Some("base"));
    let builder = bench.managed_builder(SERVER).host(bench.host.clone());
    let session = builder.scopes(ScopeSet::parse("extra")).open().await;
    let session = session.expect("the session opens");
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let asked = |kind| seen.iter().find(|s| s.kind == kind).expect("one");
    assert_eq!(asked(Exchange).param("scope"), "extra base");
    assert_eq!(asked(Token).param("scope"), "base");
    let held = session.authorization().expect("signed in");
    assert_eq!(held.scopes(), &ScopeSet::parse("base"));
}

#[tokio::test(start_paused = true)]
async fn sign_in_is_pushed_where_the_identity_provider_insists() {
    let bench = Bench::new();
    bench.world.servers(|s| s.idp.only_pushed = true);
    let session = bench.managed(SERVER).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    assert_eq!(kinds(&seen)[..4], [Mcp, IdpMeta, Push, IdpVisit]);
    let names: Vec<_> = seen[3].params.keys().map(String::as_str).collect();
    assert_eq!(names, ["client_id", "request_uri"]);
    assert_eq!(seen[2].param("scope"), "openid offline_access");
    assert!(seen[2].authorization.is_some(), "{:?}", seen[2]);
}

#[tokio::test(start_paused = true)]
async fn stronger_sign_in_is_had_at_the_identity_provider() {
    let bench = Bench::new();
    let session = bench.employed().await;
    let gold = Some(("gold".to_owned(), 3600));
    bench.world.servers(|s| s.authentication = gold);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let seen = bench.world.take();
    let rest = [Exchange, Token, Mcp];
    assert_eq!(kinds(&seen), [&[Mcp][..], &LEG_1, &rest].concat());
    assert_eq!(seen[2].param("acr_values"), "gold");
    assert_eq!(seen[2].param("max_age"), "3600");
    assert_eq!(bench.host.prompts(), (0, 2));
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn stronger_sign_in_is_not_had_for_a_stream() {
    let bench = Bench::new();
    let session = bench.employed().await;
    let gold = Some(("gold".to_owned(), 3600));
    bench.world.servers(|s| s.authentication = gold);
    let result = bench.send_as(&session, "", Ambient).await;
    assert_eq!(code(&result), "interaction_required");
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn signing_out_of_the_server_leaves_the_identity_provider_alone() {
    let bench = Bench::new();
    let session = bench.employed().await;
    session.sign_out().await.expect("signed out");
    assert_eq!(bench.world.trace(), [Revoke]);
    assert_eq!(bench.world.count(IdpRevoke), 0);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(IdpVisit) + bench.world.count(Visit), 0);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn record_of_the_identity_provider_is_read_when_the_decision_depends_on_it() {
    let bench = Bench::new();
    let session = bench.employed().await;
    let mut late = session.request(Operation::default(), Command);
    late.authorize("POST", SERVER).await.expect("a credential");
    bench.world.servers(|s| s.revoke_access());
    bench.take_loads(IDP);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_ne!(bench.take_loads(IDP), 0, "it mints by the ID token");
    // There is a newer credential, whatever the identity provider has.
    let recovery = recover(&mut late, 401, []).await;
    assert!(matches!(recovery, Recovery::Retry), "{recovery:?}");
    assert_eq!(bench.take_loads(IDP), 0);
}
