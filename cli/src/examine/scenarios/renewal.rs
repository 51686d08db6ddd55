//! One process: it signs in, and its token stops to work.

use std::time::Duration;

use mcp_reauth_fixture::Faults;
use serde_json::json;

use crate::examine::scenario::{Kind, Limit, Played, Scenario};
use crate::examine::stage::Stage;

/// The lifetime that token responses state in scenarios with a known expiry.
pub(super) const SHORT_LIFE: Duration = Duration::from_secs(2);
/// How much later the token has certainly expired, also for a client that counts from the arrival of the response.
const MARGIN: Duration = Duration::from_millis(500);

/// How often a client may open an event stream that is rejected each time, during two calls.
const MAX_STREAMS: u64 = 10;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "first-sign-in",
        title: "first sign-in",
        limit: Limit::prompting(6, 1, 1),
        play: |stage| Box::pin(first_sign_in(stage)),
    },
    Scenario {
        name: "rejected",
        title: "the token is rejected (401)",
        limit: Limit::silent(2, 1),
        play: |stage| Box::pin(rejected(stage)),
    },
    Scenario {
        name: "expired",
        title: "the token has expired, and the client can know it",
        limit: Limit::silent(1, 1),
        play: |stage| Box::pin(expired(stage)),
    },
    Scenario {
        name: "revoked",
        title: "the grant is revoked",
        limit: Limit::prompting(5, 2, 1),
        play: |stage| Box::pin(revoked(stage)),
    },
    Scenario {
        name: "forgotten-client",
        title: "the authorization server has forgotten the client",
        limit: Limit::prompting(7, 2, 1),
        play: |stage| Box::pin(forgotten_client(stage)),
    },
    Scenario {
        name: "moved-issuer",
        title: "another authorization server takes over",
        limit: Limit::prompting(8, 2, 1),
        play: |stage| Box::pin(moved_issuer(stage)),
    },
    Scenario {
        name: "stream-rejected",
        title: "the event stream (GET) is rejected (401)",
        limit: Limit::silent(2, 2),
        play: |stage| Box::pin(stream_rejected(stage)),
    },
    Scenario {
        name: "end-rejected",
        title: "the end of the MCP session (DELETE) is rejected (401)",
        limit: Limit::silent(2, 1),
        play: |stage| Box::pin(end_rejected(stage)),
    },
];

async fn first_sign_in(stage: &mut Stage) -> Played {
    stage.measure();
    let client = stage.start()?;
    let answer = stage.client(client).connect().await;
    stage.should("connecting", answer);
    Ok(())
}

async fn rejected(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.control().expire_access_tokens();
    stage.measure();
    let answer = stage.client(client).call("echo").await;
    stage.should("the call", answer);
    Ok(())
}

/// Has token responses state a short lifetime.
pub(super) fn shorten_lives(stage: &Stage) {
    let seconds = json!({ "expires_in": SHORT_LIFE.as_secs() });
    stage.set_faults(Faults {
        token_members: seconds.as_object().cloned().unwrap_or_default(),
        ..Faults::default()
    });
}

/// Waits until the tokens so far have expired for client and server; later ones live long.
pub(super) async fn outlive(stage: &Stage) {
    tokio::time::sleep(SHORT_LIFE + MARGIN).await;
    stage.set_faults(Faults::default());
    stage.control().expire_access_tokens();
}

async fn expired(stage: &mut Stage) -> Played {
    shorten_lives(stage);
    let client = stage.signed_in().await?;
    outlive(stage).await;
    stage.measure();
    let answer = stage.client(client).call("echo").await;
    stage.should("the call", answer);
    Ok(())
}

async fn revoked(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.control().revoke_grants();
    stage.measure();
    let answer = stage.client(client).call("echo").await;
    stage.should("the call", answer);
    Ok(())
}

async fn forgotten_client(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.control().forget_clients();
    stage.control().revoke_grants();
    stage.measure();
    let answer = stage.client(client).call("echo").await;
    stage.should("the call", answer);
    Ok(())
}

async fn moved_issuer(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.set_faults(Faults {
        second_server_takes_over: true,
        ..Faults::default()
    });
    stage.measure();
    let answer = stage.client(client).call("echo").await;
    stage.should("the call", answer);
    Ok(())
}

async fn stream_rejected(stage: &mut Stage) -> Played {
    stage.set_faults(Faults {
        stream_401: true,
        ..Faults::default()
    });
    let client = stage.connected().await?;
    stage.measure();
    for _ in 0..2 {
        let answer = stage.client(client).call("echo").await;
        stage.should("the call", answer);
    }
    stage.stop_counting();
    let streams = stage.control().counters().mcp_get;
    stage.check(
        streams <= MAX_STREAMS,
        Kind::Looped,
        &format!("it tried {streams} times to open its event stream; {MAX_STREAMS} are enough"),
    );
    Ok(())
}

async fn end_rejected(stage: &mut Stage) -> Played {
    stage.signed_in().await?;
    stage.control().expire_access_tokens();
    stage.measure();
    stage.close_clients().await;
    let live = stage.control().counters().reuse_detected == 0;
    stage.check(live, Kind::Lost, "the grant was lost");
    Ok(())
}
