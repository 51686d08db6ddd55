//! An unavailable token endpoint during a renewal: nothing is lost.

use std::time::Duration;

use mcp_reauth_fixture::{Config, Faults};

use crate::support::{Elsewhere, Wire, World, at_both_wires};

/// The renewal is tried a few times, then fails with a typed error and without a prompt; later it works.
async fn passes(wire: Wire, faults: Faults, tries: u64) {
    let world = World::new().await;
    let client = world.connected(wire).await;
    world.control().expire_access_tokens();
    world.fault(faults);
    client.fails("echo", "refresh_unavailable").await;
    let counters = world.counters();
    assert_eq!(
        (counters.token_requests, counters.mcp_post),
        (tries, 1),
        "{counters:?}"
    );
    assert_eq!(counters.token_code, 0);
    assert_eq!(world.prompts(), (0, 0));
    world.mend();
    world.works(&client).await;
    assert_eq!(world.prompts(), (0, 0));
    assert_eq!(world.counters().reuse_detected, 0);
}

/// The token endpoint sends `Retry-After`. Its clock is a day ahead of the client's, which must not matter.
async fn waits(wire: Wire, faults: Faults) {
    let world = World::new().await;
    world.control().advance(Duration::from_secs(86400));
    let client = world.connected(wire).await;
    world.control().expire_access_tokens();
    let faults = Faults {
        token_status: Some(429),
        token_retry_after: Some(120),
        ..faults
    };
    world.fault(faults);
    client.fails("echo", "refresh_unavailable").await;
    assert_eq!(world.counters().token_requests, 1);
    world.mend();
    let failure = client.fails("echo", "refresh_unavailable").await;
    assert!(failure.text.contains("120"), "{failure:?}");
    assert_eq!(world.counters().token_requests, 1);
    world.clock.advance(121);
    world.works(&client).await;
    assert_eq!(world.counters().token_requests, 2);
    assert_eq!(world.prompts(), (0, 0));
}

at_both_wires! {
    /// 503.
    async fn unavailable(wire: Wire) {
        passes(wire, Faults { token_status: Some(503), ..Faults::default() }, 2).await;
    }

    /// 500.
    async fn broken(wire: Wire) {
        passes(wire, Faults { token_status: Some(500), ..Faults::default() }, 2).await;
    }

    /// 429.
    async fn busy(wire: Wire) {
        passes(wire, Faults { token_status: Some(429), ..Faults::default() }, 2).await;
    }

    /// 408.
    async fn timed_out(wire: Wire) {
        passes(wire, Faults { token_status: Some(408), ..Faults::default() }, 2).await;
    }

    /// 200 with HTML.
    async fn not_json(wire: Wire) {
        passes(wire, Faults { token_not_json: true, ..Faults::default() }, 2).await;
    }

    /// The connection is closed without a response.
    async fn dropped(wire: Wire) {
        passes(wire, Faults { drop_token_connection: true, ..Faults::default() }, 2).await;
    }

    /// A transient OAuth error.
    async fn temporarily_unavailable(wire: Wire) {
        let code = Some("temporarily_unavailable".to_owned());
        passes(wire, Faults { token_error: code, ..Faults::default() }, 2).await;
    }

    /// A response that is too long.
    async fn oversized(wire: Wire) {
        passes(wire, Faults { oversized_body: true, ..Faults::default() }, 2).await;
    }

    /// A response without an end.
    async fn endless(wire: Wire) {
        passes(wire, Faults { endless_body: true, ..Faults::default() }, 2).await;
    }

    /// `Retry-After`: until then no call sends a token request.
    async fn told_to_wait(wire: Wire) {
        waits(wire, Faults::default()).await;
    }

    /// `Retry-After` as a date.
    async fn told_to_wait_until(wire: Wire) {
        waits(wire, Faults { token_retry_after_date: true, ..Faults::default() }).await;
    }

    /// The whole server is down.
    async fn down(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        world.control().set_authorization_server_up(false);
        client.fails("echo", "refresh_unavailable").await;
        client.fails("write_note", "refresh_unavailable").await;
        world.control().set_authorization_server_up(true);
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 0));
    }

    /// A step-up whose code cannot be exchanged fails, and the existing grant stays.
    async fn down_at_a_step_up(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let down = Faults { token_answer: Some(mcp_reauth_fixture::Answer::empty(503)), ..Faults::default() };
        world.fault(down);
        client.fails("write_note", "http").await;
        world.works(&client).await;
        world.mend();
        client.succeeds("write_note").await;
    }

    /// The response to a rotation is lost: the old token is used up, and only a sign-in helps.
    async fn the_answer_is_lost(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        world.fault(Faults { drop_after_rotation: true, ..Faults::default() });
        client.succeeds("echo").await;
        assert_eq!(world.prompts(), (0, 1));
        assert_eq!(world.counters().reuse_detected, 1);
        world.mend();
        world.reset();
        world.control().expire_access_tokens();
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 0));
    }

    /// A redirect of the token endpoint is not followed, discards nothing, and causes no prompt.
    async fn redirected(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        let elsewhere = Elsewhere::start().await;
        world.control().expire_access_tokens();
        world.fault(Faults { redirect_token_to: Some(elsewhere.url.clone()), ..Faults::default() });
        client.fails("echo", "refresh_unavailable").await;
        assert_eq!(elsewhere.hits().await, 0);
        assert_eq!(world.prompts(), (0, 0));
        world.mend();
        world.reset();
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 0), "the refresh token was kept");
    }

    /// The refresh token is rejected, and so are later codes.
    async fn invalid_grant(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        world.fault(Faults { token_error: Some("invalid_grant".into()), ..Faults::default() });
        client.fails("echo", "authorization_denied").await;
        assert_eq!(world.prompts(), (0, 1));
        world.mend();
        world.reset();
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 1), "the refresh token was discarded");
        assert_eq!(world.counters().token_refresh, 0);
    }

    /// The client is no longer registered.
    async fn invalid_client(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        world.fault(Faults { token_error: Some("invalid_client".into()), ..Faults::default() });
        client.fails("echo", "registration_rejected").await;
        assert_eq!(world.prompts(), (0, 1));
        world.mend();
        world.reset();
        world.works(&client).await;
        assert_eq!(world.counters().registrations, 1, "it registers anew");
    }

    /// The grant is revoked: one rejected refresh, and a sign-in.
    async fn revoked(wire: Wire) {
        let world = World::new().await;
        let client = world.connected(wire).await;
        world.control().revoke_grants();
        client.succeeds("echo").await;
        assert_eq!(world.counters().http_requests(), 5);
        assert_eq!(world.prompts(), (0, 1));
    }

    /// Without a refresh token, the user signs in.
    async fn without_a_refresh_token(wire: Wire) {
        let world = World::with(Config { issue_refresh_tokens: false, ..Config::default() }).await;
        let client = world.connected(wire).await;
        world.control().expire_access_tokens();
        client.succeeds("echo").await;
        assert_eq!(world.counters().http_requests(), 4);
        assert_eq!(world.prompts(), (0, 1));
    }

    /// Without rotation the same refresh token is used repeatedly, also if the server does not send `expires_in`.
    async fn without_rotation_and_lifetime(wire: Wire) {
        let world = World::with(Config {
            rotate_refresh_tokens: false,
            report_expires_in: false,
            ..Config::default()
        })
        .await;
        let client = world.connected(wire).await;
        for _ in 0..3 {
            world.control().expire_access_tokens();
            client.succeeds("echo").await;
        }
        assert_eq!(world.counters().token_refresh, 3);
        assert_eq!(world.counters().total(), 9);
        assert_eq!(world.prompts(), (0, 0));
    }
}
