//! The event stream and the end of the MCP session: requests that no caller waits for.

use mcp_reauth_fixture::{Config, Faults};

use crate::support::{Front, Wire, World, connect_to, tests};

const STREAM_401: fn() -> Faults = || Faults {
    stream_401: true,
    ..Faults::default()
};

tests! {
    /// Rejected, renewed, opened; the user notices nothing.
    async fn the_stream_is_rejected_once() {
        let world = World::new().await;
        world.connected(Wire::Sessions).await.close().await;
        world.reset();
        world.fault(STREAM_401());
        let control = world.control().clone();
        world.user.on_event(move |event| {
            if event.to_string() == "challenged" {
                control.set_faults(Faults::default());
            }
        });
        let client = world.connect(Wire::Sessions).await;
        let counters = world.control().counters_when(|c| c.mcp_get == 2).await;
        world.works(&client).await;
        assert_eq!((counters.mcp_401, counters.token_refresh), (1, 1));
        assert_eq!(world.counters().mcp_get, 2);
        assert_eq!(world.prompts(), (0, 0));
        assert_eq!(world.user.events(), ["challenged", "renewed"]);
    }

    /// The stream breaks, and when it is reopened the token has expired.
    async fn the_token_expired_before_the_stream_is_opened_again() {
        let world = World::new().await;
        let front = Front::start(world.url()).await;
        let faults = Faults { metadata_resource: Some(front.url.clone()), ..Faults::default() };
        world.fault(faults);
        let session = world.another_session(&front.url, |b| b.send_resource(false)).await;
        let client = connect_to(&session, Wire::Sessions).await.unwrap();
        world.at_rest(Wire::Sessions).await;
        world.works(&client).await;
        for round in 1..=3 {
            world.reset();
            world.control().expire_access_tokens();
            front.cut();
            let counters = world.control().counters_when(|c| c.mcp_get == 2).await;
            world.user.hears("renewed").await;
            assert_eq!((counters.mcp_401, counters.token_refresh), (1, 1), "{round}");
            world.works(&client).await;
            assert_eq!(world.counters().mcp_401, 1);
            assert_eq!(world.prompts(), (0, 0));
        }
    }

    /// A stream that is always rejected is abandoned silently, and everything else works.
    async fn the_stream_is_always_rejected() {
        let world = World::new().await;
        world.fault(STREAM_401());
        let client = world.connect(Wire::Sessions).await;
        world.user.hears("interaction_required").await;
        world.works(&client).await;
        let counters = world.counters();
        assert_eq!((counters.mcp_get, counters.token_refresh), (2, 1), "{counters:?}");
        assert_eq!(world.prompts(), (0, 1), "the sign-in, and nothing for the stream");
    }

    /// There is no refresh token: the host receives an event, and no prompt is shown.
    async fn the_stream_is_rejected_without_a_refresh_token() {
        let world = World::with(Config { issue_refresh_tokens: false, ..Config::default() }).await;
        world.fault(STREAM_401());
        let client = world.connect(Wire::Sessions).await;
        world.user.hears("interaction_required").await;
        assert_eq!(world.prompts(), (0, 1), "the sign-in, and nothing for the stream");
        assert_eq!(world.counters().mcp_get, 1);
        world.works(&client).await;
        world.control().expire_access_tokens();
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 2), "a call does ask");
    }

    /// A stream that waits for a sign-in is opened once the user has signed in for a call.
    async fn the_stream_comes_up_once_somebody_signed_in() {
        let world = World::with(Config { issue_refresh_tokens: false, ..Config::default() }).await;
        world.fault(STREAM_401());
        let client = world.connect(Wire::Sessions).await;
        world.user.hears("interaction_required").await;
        assert_eq!(world.counters().mcp_get, 1);
        world.mend();
        world.control().expire_access_tokens();
        world.works(&client).await;
        let counters = world.control().counters_when(|c| c.mcp_get == 2).await;
        assert_eq!(counters.authorize_visits, 2);
        world.works(&client).await;
    }

    /// The authorization server is down when the stream is opened.
    async fn the_stream_is_rejected_while_the_authorization_server_is_down() {
        let world = World::new().await;
        world.connected(Wire::Sessions).await.close().await;
        world.reset();
        world.control().set_authorization_server_up(false);
        world.fault(STREAM_401());
        let client = world.connect(Wire::Sessions).await;
        world.user.hears("renewal_failed").await;
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 0));
        let before = world.counters().mcp_get;
        world.mend();
        world.control().set_authorization_server_up(true);
        world.control().expire_access_tokens();
        world.works(&client).await;
        assert_eq!(world.prompts(), (0, 0));
        // The stream uses the call's new token.
        world.control().counters_when(|c| c.mcp_get > before).await;
    }

    /// The MCP session is ended even if the token has expired meanwhile.
    async fn the_end_of_the_session_with_an_expired_token() {
        let world = World::new().await;
        let client = world.connected(Wire::Sessions).await;
        world.control().expire_access_tokens();
        client.close().await;
        let counters = world.control().counters_when(|c| c.mcp_delete == 2).await;
        assert_eq!((counters.mcp_401, counters.token_refresh), (1, 1));
        assert_eq!(counters.total(), 3);
        assert_eq!(world.prompts(), (0, 0));
    }

    /// The end of the session is always rejected: two tries, and no prompt.
    async fn the_end_of_the_session_is_rejected() {
        let world = World::new().await;
        let client = world.connected(Wire::Sessions).await;
        world.fault(Faults { delete_401: true, ..Faults::default() });
        client.close().await;
        world.user.hears("interaction_required").await;
        assert_eq!(world.counters().mcp_delete, 2);
        assert_eq!(world.prompts(), (0, 0));
        world.mend();
        let client = world.connected(Wire::Sessions).await;
        world.works(&client).await;
    }

    /// Without a refresh token the end of the session does not prompt either.
    async fn the_end_of_the_session_without_a_refresh_token() {
        let world = World::with(Config { issue_refresh_tokens: false, ..Config::default() }).await;
        let client = world.connected(Wire::Sessions).await;
        world.control().expire_access_tokens();
        client.close().await;
        world.user.hears("interaction_required").await;
        assert_eq!(world.counters().mcp_delete, 1);
        assert_eq!(world.prompts(), (0, 0));
    }
}
