//! Errors between a sign-in at the identity provider and the server: reported with their cause, and nothing is lost.

use mcp_reauth::recovery::Trigger::Ambient;
use mcp_reauth::{AuthSession, ErrorCode, Event};

use crate::support::{
    Bench, Exchange, Fault, IDP, ISSUER, IdpKeys, IdpMeta, IdpToken, IdpVisit, Kind, Mcp, Meta,
    Prm, Register, SERVER, Token, Untrue, Visit, code, pass,
};

const DENIED: Fault = Fault::Body(400, r#"{"error":"access_denied"}"#);
const NO_SCOPE: Fault = Fault::Body(400, r#"{"error":"invalid_scope"}"#);
const NO_GRANT: Fault = Fault::Body(400, r#"{"error":"invalid_grant"}"#);
const DOWN: Fault = Fault::Status(503);

/// A session whose access token does not expire, so that only a rejection makes it renew.
async fn employed(bench: &Bench) -> AuthSession {
    bench.world.servers(|s| s.lifetime = None);
    bench.employed().await
}

/// Asserts that nothing was lost and the user was not prompted: after the error, a request needs only `expected`.
async fn assert_recovers(bench: &Bench, session: &AuthSession, expected: &[Kind]) {
    bench.world.take();
    assert_eq!(bench.send(session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), expected);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn refusal_by_policy_is_told_and_shows_nobody_a_page() {
    for (kind, fault, by, expected) in [
        (Exchange, DENIED, IDP, &[Mcp, Exchange][..]),
        (Exchange, NO_SCOPE, IDP, &[Mcp, Exchange]),
        (Token, DENIED, ISSUER, &[Mcp, Exchange, Token]),
        (Token, NO_SCOPE, ISSUER, &[Mcp, Exchange, Token]),
        (Token, NO_GRANT, ISSUER, &[Mcp, Exchange, Token]),
    ] {
        let bench = Bench::new();
        let session = employed(&bench).await;
        bench.world.always(kind, fault.clone());
        bench.world.servers(|s| s.revoke_access());
        let error = bench.send(&session, "").await.expect_err("refused");
        assert_eq!(error.code(), "policy_denied", "{fault:?}");
        assert!(error.to_string().contains(by), "{error}");
        assert_eq!(bench.world.trace(), expected, "{fault:?}");
        // A stream does not ask repeatedly.
        assert!(bench.send_as(&session, "", Ambient).await.is_err());
        assert_eq!(bench.world.trace(), [Mcp], "{fault:?}");
        bench.world.heal(kind);
        assert_recovers(&bench, &session, &[Mcp, Exchange, Token, Mcp]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refusal_of_a_first_access_shows_no_second_page() {
    for (kind, last) in [(Exchange, &[Exchange][..]), (Token, &[Exchange, Token])] {
        let bench = Bench::new();
        let session = bench.managed(SERVER).await;
        bench.world.always(kind, DENIED);
        assert_eq!(code(&bench.send(&session, "").await), "policy_denied");
        let page = [Mcp, IdpMeta, IdpVisit, IdpKeys, IdpToken];
        let found = [Prm, Meta, Register];
        let expected = [&page[..], &found, last].concat();
        assert_eq!(bench.world.trace(), expected);
        // The sign-in is kept.
        assert_eq!(code(&bench.send(&session, "").await), "policy_denied");
        assert_eq!(bench.world.count(IdpVisit), 0);
        assert_eq!(bench.world.count(Visit), 0);
        bench.world.heal(kind);
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.host.prompts(), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn refusal_of_one_scope_is_none_of_another() {
    for refusal in ["access_denied", "invalid_scope"] {
        let bench = Bench::new();
        let session = employed(&bench).await;
        bench.world.servers(|s| s.idp.forbids.insert("a", refusal));
        let before = session.authorization();
        assert_eq!(code(&bench.send(&session, "a").await), "policy_denied");
        assert_eq!(bench.world.trace(), [Mcp, Exchange]);
        assert_eq!(session.authorization(), before);
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp]);
        assert_eq!(bench.send(&session, "b").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp, Exchange, Token, Mcp]);
        assert_eq!(bench.host.prompts(), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn scope_that_the_organization_takes_back_stands_in_nobodys_way_for_long() {
    let bench = Bench::new();
    let session = employed(&bench).await;
    assert_eq!(bench.send(&session, "a").await, Ok(200));
    bench.world.servers(|s| {
        s.idp.forbids.insert("a", "invalid_scope");
        s.revoke_access();
    });
    assert_eq!(code(&bench.send(&session, "").await), "policy_denied");
    assert_recovers(&bench, &session, &[Mcp, Exchange, Token, Mcp]).await;
}

#[tokio::test(start_paused = true)]
async fn id_token_that_is_refused_is_renewed_once() {
    let bench = Bench::new();
    let session = employed(&bench).await;
    bench.world.servers(|s| {
        s.revoke_access();
        s.idp.refuse_id_tokens();
    });
    let renewed = [Mcp, Exchange, IdpToken, Exchange, Token, Mcp];
    assert_recovers(&bench, &session, &renewed).await;
    // Refused for good: bounded, and reported.
    bench.world.always(Exchange, NO_GRANT);
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(code(&bench.send(&session, "").await), "policy_denied");
    let expected = [Mcp, Exchange, IdpToken, Exchange];
    assert_eq!(bench.world.trace(), expected);
    assert_eq!(bench.host.prompts(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn id_token_that_is_refused_and_cannot_be_renewed_is_told() {
    let bench = Bench::new();
    bench.world.servers(|s| s.idp.refresh_tokens = false);
    let session = employed(&bench).await;
    bench.world.servers(|s| {
        s.revoke_access();
        s.idp.refuse_id_tokens();
    });
    assert_eq!(code(&bench.send(&session, "").await), "policy_denied");
    assert_eq!(bench.world.trace(), [Mcp, Exchange]);
}

#[tokio::test(start_paused = true)]
async fn identity_provider_that_is_down_at_a_refresh_is_passing_trouble() {
    for fault in [DOWN, Fault::Connection, Fault::Body(200, "<html>")] {
        let bench = Bench::new();
        let session = employed(&bench).await;
        pass(3600).await;
        bench.world.servers(|s| s.revoke_access());
        bench.world.always(IdpToken, fault);
        assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
        let expected = [Mcp, IdpToken, IdpToken];
        assert_eq!(bench.world.trace(), expected);
        bench.world.heal(IdpToken);
        let renewed = [Mcp, IdpToken, Exchange, Token, Mcp];
        assert_recovers(&bench, &session, &renewed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_at_the_exchange_or_the_grant_is_passing_trouble() {
    for (kind, expected) in [
        (Exchange, &[Mcp, Exchange, Exchange][..]),
        // An assertion can be used for one grant.
        (Token, &[Mcp, Exchange, Token, Exchange, Token]),
    ] {
        let bench = Bench::new();
        let session = employed(&bench).await;
        bench.world.servers(|s| s.revoke_access());
        bench.world.always(kind, DOWN);
        assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
        assert_eq!(bench.world.trace(), expected);
        assert_eq!(
            code(&bench.send(&session, "a").await),
            "refresh_unavailable"
        );
        bench.world.heal(kind);
        assert_recovers(&bench, &session, &[Mcp, Exchange, Token, Mcp]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_while_the_server_is_found_is_passing_trouble() {
    for kind in [Prm, Meta] {
        let bench = Bench::new();
        drop(bench.employed().await);
        let second = bench.managed(crate::support::SECOND).await;
        bench.world.always(kind, DOWN);
        let result = bench.send(&second, "").await;
        assert_eq!(code(&result), "refresh_unavailable", "{kind:?}");
        bench.world.heal(kind);
        assert_eq!(bench.send(&second, "").await, Ok(200));
        assert_eq!(bench.host.prompts(), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn stream_does_not_hammer_an_identity_provider_that_is_down() {
    for (kind, expired) in [(IdpToken, true), (Exchange, false), (Token, false)] {
        let bench = Bench::new();
        let session = employed(&bench).await;
        if expired {
            pass(3600).await;
        }
        bench.world.servers(|s| s.revoke_access());
        bench.world.always(kind, DOWN);
        // An hour of a stream that reconnects every second.
        for _ in 0..3600 {
            let result = bench.send_as(&session, "", Ambient).await;
            assert_eq!(code(&result), "refresh_unavailable", "{kind:?}");
            pass(1).await;
        }
        let asked = bench.world.count(kind);
        assert!((9..=60).contains(&asked), "{kind:?}: {asked} times");
        bench.world.heal(kind);
        pass(300).await;
        assert_eq!(bench.send_as(&session, "", Ambient).await, Ok(200));
        assert_eq!(bench.host.prompts(), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_during_a_sign_in_is_told_and_leaves_nothing_behind() {
    for kind in [IdpMeta, IdpKeys, IdpToken] {
        let bench = Bench::new();
        let session = bench.managed(SERVER).await;
        bench.world.always(kind, DOWN);
        assert_eq!(code(&bench.send(&session, "").await), "http", "{kind:?}");
        let state = bench.idp_session().state().await.expect("a store");
        assert!(!state.signed_in, "{kind:?}");
        assert!(bench.world.count(kind) <= 3, "{kind:?}");
        bench.world.heal(kind);
        assert_eq!(bench.send(&session, "").await, Ok(200), "{kind:?}");
        let state = session.connection_state().await.expect("a store");
        assert_eq!(state.pending, 0, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answer_that_is_no_assertion_is_told_and_nothing_is_lost() {
    for body in [
        r#"{"access_token":"x","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"N_A"}"#,
        r#"{"access_token":"x","token_type":"N_A"}"#,
        r#"{"issued_token_type":"urn:ietf:params:oauth:token-type:id-jag","token_type":"N_A"}"#,
        r#"{"access_token":"","issued_token_type":"urn:ietf:params:oauth:token-type:id-jag","token_type":"N_A"}"#,
        r#"{"access_token":7,"issued_token_type":"urn:ietf:params:oauth:token-type:id-jag","token_type":"N_A"}"#,
    ] {
        let bench = Bench::new();
        let session = employed(&bench).await;
        bench.world.servers(|s| s.revoke_access());
        bench.world.next(Exchange, Fault::Body(200, body));
        let result = bench.send(&session, "").await;
        assert_eq!(code(&result), "authorization_denied", "{body}");
        assert_eq!(bench.world.trace(), [Mcp, Exchange], "{body}");
        assert_recovers(&bench, &session, &[Mcp, Exchange, Token, Mcp]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn id_token_that_is_not_true_at_a_sign_in_is_not_used() {
    for untrue in [
        Untrue::Issuer,
        Untrue::Audience,
        Untrue::Nonce,
        Untrue::Expired,
        Untrue::Unsigned,
        Untrue::UnknownKey,
        Untrue::Missing,
    ] {
        let bench = Bench::new();
        let session = bench.managed(SERVER).await;
        bench.world.servers(|s| s.idp.untrue = Some(untrue));
        let result = bench.send(&session, "").await;
        assert_eq!(code(&result), "id_token_invalid", "{untrue:?}");
        let kinds = bench.world.trace();
        let expected = [Mcp, IdpMeta, IdpVisit, IdpKeys, IdpToken];
        assert_eq!(kinds, expected, "{untrue:?}");
        assert!(!kinds.contains(&Exchange), "{untrue:?}");
        let state = bench.idp_session().state().await.expect("a store");
        assert!(!state.signed_in && state.servers.is_empty(), "{state:?}");
        assert!(session.authorization().is_none());
        bench.world.servers(|s| s.idp.untrue = None);
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.host.prompts(), (0, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn id_token_that_is_not_true_at_a_refresh_is_not_used() {
    for untrue in [
        Untrue::Issuer,
        Untrue::Audience,
        Untrue::Expired,
        Untrue::Unsigned,
        Untrue::UnknownKey,
        Untrue::Subject,
        Untrue::Missing,
    ] {
        let bench = Bench::new();
        // The refresh token can be used again.
        bench.world.servers(|s| s.idp.rotates = false);
        let session = employed(&bench).await;
        pass(3600).await;
        bench.world.servers(|s| {
            s.revoke_access();
            s.idp.untrue = Some(untrue);
        });
        let before = bench.idp_session().state().await.expect("a store");
        let ambient = bench.send_as(&session, "", Ambient).await;
        assert_eq!(code(&ambient), "interaction_required", "{untrue:?}");
        let kinds = bench.world.trace();
        assert_eq!(kinds[..2], [Mcp, IdpToken], "{untrue:?}");
        assert!(!kinds.contains(&Exchange), "{untrue:?}");
        let after = bench.idp_session().state().await.expect("a store");
        assert_eq!(before, after, "nothing of it was kept");
        let untrusted = |event: &Event| match event {
            Event::RenewalFailed { code, .. } => *code == ErrorCode::IdTokenInvalid,
            _ => false,
        };
        let events = bench.host.events();
        assert!(events.iter().any(untrusted), "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn changed_keys_are_read_again_once() {
    let bench = Bench::new();
    let session = employed(&bench).await;
    pass(3600).await;
    bench.world.servers(|s| {
        s.revoke_access();
        s.idp.change_key();
    });
    let with_keys = [Mcp, IdpToken, IdpKeys, Exchange, Token, Mcp];
    assert_recovers(&bench, &session, &with_keys).await;
    pass(3600).await;
    bench.world.servers(|s| s.revoke_access());
    let without = [Mcp, IdpToken, Exchange, Token, Mcp];
    assert_recovers(&bench, &session, &without).await;
}

#[tokio::test(start_paused = true)]
async fn changed_keys_that_cannot_be_read_now_are_passing_trouble() {
    let bench = Bench::new();
    bench.world.servers(|s| s.idp.rotates = false);
    let session = employed(&bench).await;
    pass(3600).await;
    bench.world.servers(|s| {
        s.revoke_access();
        s.idp.change_key();
    });
    bench.world.always(IdpKeys, DOWN);
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    assert_eq!(bench.world.trace(), [Mcp, IdpToken, IdpKeys]);
    bench.world.heal(IdpKeys);
    let expected = [Mcp, IdpToken, IdpKeys, Exchange, Token, Mcp];
    assert_recovers(&bench, &session, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn rotated_refresh_token_outlives_keys_that_cannot_be_read() {
    let bench = Bench::new();
    let session = employed(&bench).await;
    pass(3600).await;
    bench.world.servers(|s| {
        s.revoke_access();
        s.idp.change_key();
    });
    bench.world.always(IdpKeys, DOWN);
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    bench.world.heal(IdpKeys);
    let expected = [Mcp, IdpToken, IdpKeys, Exchange, Token, Mcp];
    assert_recovers(&bench, &session, &expected).await;
}

#[tokio::test(start_paused = true)]
async fn rotated_refresh_token_is_stored_when_it_can_be_and_not_used_before() {
    let bench = Bench::new();
    let session = employed(&bench).await;
    pass(3600).await;
    bench.world.servers(|s| s.revoke_access());
    bench.disk_full(true);
    assert_eq!(code(&bench.send(&session, "").await), "store");
    assert_eq!(bench.world.trace(), [Mcp, IdpToken]);
    // Only the used refresh token is stored.
    let call = bench.spawn(&session, "");
    pass(20).await;
    bench.disk_full(false);
    assert_eq!(call.await.expect("it ran"), Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, IdpToken, Exchange, Token, Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_nothing_reused();
}

#[tokio::test(start_paused = true)]
async fn registration_that_the_server_forgot_is_made_again_next_time() {
    let bench = Bench::new();
    let session = employed(&bench).await;
    bench.world.servers(|s| {
        s.revoke_access();
        s.forget_clients();
    });
    drop(bench.provider());
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "registration_rejected");
    assert_eq!(bench.world.trace(), [Mcp, Exchange, Token]);
    let expected = [Mcp, Prm, Meta, Register, Exchange, Token, Mcp];
    assert_recovers(&bench, &session, &expected).await;
}
