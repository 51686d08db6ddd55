//! A store that fails: the error says so, and what the servers issued is not lost.

use mcp_reauth::{AuthChallenge, Error, Outcome, ScopeSet};

use crate::support::{Bench, Journey, Mcp, Register, Token, code, pass};

#[tokio::test(start_paused = true)]
async fn renewed_credential_that_cannot_be_stored_is_used_all_the_same() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.disk_full(true);
    let result = bench.send(&session, "").await;
    assert_eq!(result, Ok(200), "the request at hand has its token");
    assert_eq!(bench.host.heard("renewal_failed"), 1, "and the host knows");
    assert_eq!(bench.world.count(Token), 1);
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    // Reading the record again does not restore the dead token.
    let state = session.connection_state().await.expect("it can be read");
    assert!(state.signed_in);
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn siblings_wait_for_a_credential_that_is_still_to_be_stored() {
    for seconds in [2, 20] {
        let bench = Bench::new();
        let (one, two) = (bench.signed_in("").await, bench.open().await);
        bench.world.servers(|s| s.revoke_access());
        bench.disk_full(true);
        assert_eq!(bench.send(&one, "").await, Ok(200));
        // Only the used refresh token is stored.
        let call = bench.spawn(&two, "");
        pass(seconds).await;
        bench.disk_full(false);
        assert_eq!(call.await.expect("it ran"), Ok(200));
        one.settle().await;
        assert_eq!(two.authorization(), one.authorization());
        assert_eq!(bench.world.count(Token), 1);
        assert_eq!(bench.host.prompts(), (0, 1));
        bench.assert_no_reuse();
    }
}

#[tokio::test(start_paused = true)]
async fn what_another_session_writes_meanwhile_is_not_taken_for_newer() {
    let bench = Bench::new();
    let (one, two) = (bench.signed_in("").await, bench.open().await);
    bench.world.servers(|s| s.revoke_access());
    bench.disk_full(true);
    assert_eq!(bench.send(&one, "").await, Ok(200));
    bench.disk_full(false);
    // Before it is stored, another session adds a pending page to the record, which still has the used refresh token.
    bench.host.journeys(Journey::Elsewhere);
    let outcome = two.sign_in(ScopeSet::from("a")).await;
    assert!(
        matches!(outcome, Outcome::Interactive { .. }),
        "{outcome:?}"
    );
    let renewed = one.authorization();
    // The session reads the record again.
    let challenge = AuthChallenge::unauthenticated();
    let satisfied = one.check_auth_challenge_satisfied(&challenge, None).await;
    assert_eq!(
        satisfied,
        Ok(false),
        "the credential itself is taken for rejected"
    );
    assert_eq!(one.authorization(), renewed);
    one.settle().await;
    bench.world.take();
    assert_eq!(bench.send(&one, "").await, Ok(200));
    assert_eq!(bench.send(&two, "").await, Ok(200));
    assert_eq!(bench.world.count(Token), 0);
    bench.assert_no_reuse();
}

#[tokio::test(start_paused = true)]
async fn renewals_go_on_by_the_newest_refresh_token_until_it_can_be_stored() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.disk_full(true);
    for _ in 0..3 {
        pass(3601).await;
        let _ = bench.send(&session, "").await;
        assert_eq!(bench.send(&session, "").await, Ok(200));
    }
    assert_eq!(bench.world.count(Token), 3);
    bench.disk_full(false);
    pass(3601).await;
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.host.prompts(), (0, 1));
    bench.assert_no_reuse();
    // The token is stored now.
    let next = bench.open().await;
    bench.world.take();
    assert_eq!(bench.send(&next, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp]);
}

#[tokio::test(start_paused = true)]
async fn sign_in_on_a_full_disk_is_told_as_that_and_bothers_nobody() {
    let bench = Bench::new();
    let session = bench.open().await;
    bench.disk_full(true);
    let result = bench.send(&session, "").await;
    assert_eq!(code(&result), "store");
    assert_eq!(bench.host.prompts(), (0, 0));
    assert_eq!(bench.world.count(Register), 1);
    bench.disk_full(false);
    assert_eq!(bench.send(&session, "").await, Ok(200));
}

#[tokio::test(start_paused = true)]
async fn sign_out_on_a_full_disk_says_that_it_failed() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.disk_full(true);
    assert_eq!(code(&session.sign_out().await), "store");
    bench.disk_full(false);
    assert!(session.sign_out().await.is_ok());
    assert!(session.authorization().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_stored_is_stored_with_the_next_write_whatever_it_is() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.world.servers(|s| s.revoke_access());
    bench.disk_full(true);
    let _ = bench.send(&session, "").await;
    bench.disk_full(false);
    // A step-up starts, which writes the record, and is declined.
    bench
        .host
        .journeys(Journey::Fails(Error::Cancelled { what: "The page" }));
    assert_eq!(code(&bench.send(&session, "a").await), "cancelled");
    bench.world.servers(|s| s.revoke_access());
    bench.world.take();
    assert_eq!(bench.send(&session, "").await, Ok(200));
    assert_eq!(bench.world.trace(), [Mcp, Token, Mcp]);
    bench.assert_no_reuse();
}

/// Another process may reserve the record's space under the next lease: it must not be freed after that.
#[tokio::test(start_paused = true)]
async fn space_is_given_back_before_the_lease() {
    let bench = Bench::new();
    let session = bench.signed_in("").await;
    bench.given_back.lock().expect("no panic").clear();
    bench.world.servers(|s| s.revoke_access());
    assert_eq!(bench.send(&session, "").await, Ok(200));
    let given_back = bench.given_back.lock().expect("no panic").clone();
    assert_eq!(given_back, ["space", "lease"]);
}
