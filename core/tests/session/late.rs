//! Codes and refresh tokens may be usable only once: whether they are presented again, and what happens to a response
//! that arrives after all callers have given up.

use futures_util::FutureExt;
use mcp_reauth::{CallbackParams, Error};

use crate::support::{Bench, Fault, IdpToken, Journey, Mcp, Token, Visit, all, code, pass, settle};

/// Signs a user in with a server whose first token request meets `fault`, and returns the result.
async fn sign_in_with(fault: Fault) -> (Bench, Result<u16, Error>) {
    let bench = Bench::new();
    let session = bench.open().await;
    bench.world.next(Token, fault);
    let ended = bench.send(&session, "").await;
    // In any case, the next sign-in works normally.
    assert_eq!(bench.send(&session, "").await, Ok(200));
    (bench, ended)
}

#[tokio::test(start_paused = true)]
async fn code_is_presented_again_where_it_cannot_have_been_used() {
    for fault in [
        Fault::Connection,
        Fault::RetryAfter(0),
        Fault::RetryAfter(5),
        Fault::RetryAt(3),
    ] {
        let (bench, ended) = sign_in_with(fault.clone()).await;
        assert_eq!(ended, Ok(200), "{fault:?}");
        assert_eq!(bench.world.count(Token), 2, "{fault:?}");
        assert_eq!(bench.host.prompts(), (0, 1), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn code_is_presented_once_otherwise() {
    for fault in [
        Fault::Lost,
        Fault::Broken,
        Fault::Hang,
        Fault::Slowly(1000, 502),
        Fault::RetryAfter(6),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::Status(429),
        Fault::Body(200, "<html>Please stand by</html>"),
        Fault::Body(200, r#"{"access_tok"#),
    ] {
        let (bench, ended) = sign_in_with(fault.clone()).await;
        assert_eq!(code(&ended), "http", "{fault:?}");
        // The second one is another code, from another visit.
        let seen = bench.world.take();
        let codes: Vec<_> = seen.iter().filter(|s| s.kind == Token).collect();
        assert_eq!(codes.len(), 2, "{fault:?}");
        assert_ne!(codes[0].param("code"), codes[1].param("code"), "{fault:?}");
        assert_eq!(seen.iter().filter(|s| s.kind == Visit).count(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn lost_answer_to_a_code_is_told_as_that() {
    let (_, ended) = sign_in_with(Fault::Lost).await;
    assert_eq!(
        ended.expect_err("it was lost").to_string(),
        "The request to https://as.example/token failed: the sign-in response was lost (connection reset). \
         Sign in again"
    );
    let (_, ended) = sign_in_with(Fault::Hang).await;
    assert_eq!(
        ended.expect_err("it is late").to_string(),
        "The request to https://as.example/token failed: no response within 20 s. If one still arrives, it is used; otherwise sign in again"
    );
}

/// How a code comes back.
#[derive(Debug, Clone, Copy)]
enum Way {
    Page,
    Callback,
}

#[tokio::test(start_paused = true)]
async fn late_answer_to_a_code_is_kept() {
    for way in [Way::Page, Way::Callback] {
        let bench = Bench::new();
        let session = bench.open().await;
        let gate = bench.world.hold(Token);
        let before = bench.runtime.elapsed();
        let ended = match way {
            Way::Page => bench.send(&session, "").await.map(drop),
            Way::Callback => {
                bench.host.journeys(Journey::Elsewhere);
                assert!(bench.send(&session, "").await.is_err());
                let back = bench.world.visit(&bench.host.sign_ins()[0].url);
                let callback = CallbackParams::parse(&back);
                session.complete_authorization(callback).await
            }
        };
        assert_eq!(ended.expect_err("it is late").code(), "http", "{way:?}");
        let took = (bench.runtime.elapsed() - before).as_secs();
        assert_eq!(took, 20, "{way:?}");
        pass(100).await;
        assert!(session.authorization().is_none());
        bench.world.unhold(Token);
        gate.open();
        session.settle().await;
        assert!(session.authorization().is_some(), "{way:?}");
        bench.world.take();
        assert_eq!(bench.send(&session, "").await, Ok(200));
        assert_eq!(bench.world.trace(), [Mcp], "{way:?}");
        assert_eq!(bench.host.prompts(), (0, 1), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn late_answer_to_a_refresh_is_kept_though_its_callers_have_failed() {
    for late in [21, 60, 139] {
        let bench = Bench::new();
        let session = bench.signed_in("").await;
        let sibling = bench.open().await;
        bench.world.servers(|s| s.revoke_access());
        let gate = bench.world.hold(Token);
        let before = bench.runtime.elapsed();
        let calls = (0..5).map(|_| bench.spawn(&session, "")).collect();
        for ended in all(calls).await {
            assert_eq!(code(&ended), "refresh_unavailable");
        }
        let took = (bench.runtime.elapsed() - before).as_secs();
        assert_eq!(took, 20);
        let more = [bench.spawn(&session, ""), bench.spawn(&sibling, "")];
        pass(late - 20).await;
        bench.world.unhold(Token);
        gate.open();
        session.settle().await;
        for ended in all(more.into()).await {
            // Callers that still wait get it, and none waits for two minutes.
            match late {
                21 => assert_eq!(ended, Ok(200)),
                _ => assert_eq!(code(&ended), "refresh_unavailable"),
            }
        }
        assert_eq!(bench.world.count(Token), 1, "after {late} s");
        for session in [&session, &sibling] {
            assert_eq!(bench.send(session, "").await, Ok(200), "after {late} s");
        }
        assert_eq!(bench.world.count(Token), 1, "after {late} s");
        assert_eq!(bench.host.prompts(), (0, 1));
        assert_eq!(bench.host.heard("renewed"), 1);
        bench.assert_no_reuse();
    }
}

#[tokio::test(start_paused = true)]
async fn refresh_is_repeated_once_its_answer_cannot_come_any_more() {
    for (fault, patience) in [(Fault::Lost, 0), (Fault::Hang, 140)] {
        let bench = Bench::new();
        // A server that does not rotate refresh tokens, so that a lost response costs nothing.
        bench.world.servers(|s| s.rotates = false);
        let session = bench.signed_in("").await;
        bench.world.servers(|s| s.revoke_access());
        bench.world.next(Token, fault.clone());
        let before = bench.runtime.elapsed();
        while let Err(error) = bench.send(&session, "").await {
            assert_eq!(error.code(), "refresh_unavailable", "{fault:?}");
            assert_eq!(bench.world.count(Token), 1, "{fault:?}");
        }
        let waited = (bench.runtime.elapsed() - before).as_secs();
        assert_eq!(waited, patience, "{fault:?}");
        assert_eq!(bench.world.count(Token), 2, "{fault:?}");
        assert_eq!(bench.host.prompts(), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn program_that_settles_before_it_ends_has_what_came_late() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    let gate = bench.world.hold(Token);
    assert!(bench.send(&session, "").await.is_err());
    let mut settled = Box::pin(session.settle());
    assert!((&mut settled).now_or_never().is_none());
    gate.open();
    settled.await;
    let kept = bench.open().await;
    assert_eq!(kept.authorization(), session.authorization());
    bench.world.unhold(Token);
    assert_eq!(bench.send(&kept, "").await, Ok(200));
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn late_answer_of_an_identity_provider_is_kept() {
    let bench = Bench::new();
    let session = bench.employed().await;
    // The ID token has expired, and so has the access token.
    pass(7200).await;
    let gate = bench.world.hold(IdpToken);
    let before = bench.runtime.elapsed();
    assert_eq!(code(&bench.send(&session, "").await), "refresh_unavailable");
    let took = (bench.runtime.elapsed() - before).as_secs();
    // The renewal itself, and the wait for it as another session's.
    assert!(took <= 51, "{took} s");
    pass(60).await;
    assert_eq!(bench.world.count(IdpToken), 1);
    bench.world.unhold(IdpToken);
    gate.open();
    settle().await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.count(IdpToken), 1);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_nothing_reused();
}
