//! The authorization server is unavailable, and then available again.

use mcp_reauth_fixture::Faults;

use crate::examine::scenario::{Limit, Played, Scenario};
use crate::examine::stage::Stage;

/// The attempts of a call while the server is unavailable: the failed request, and a few tries.
const DOWN: u64 = 4;
/// The recovery afterwards: a rejected request and one token request.
const UP: u64 = 2;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "one-503",
        title: "one 503 to a refresh",
        limit: Limit::silent(3, 2),
        play: |stage| Box::pin(one_503(stage)),
    },
    Scenario {
        name: "outage",
        title: "the authorization server drops connections, then is back",
        limit: Limit::silent(DOWN + UP, UP),
        play: |stage| Box::pin(outage(stage)),
    },
    Scenario {
        name: "refused",
        title: "the authorization server refuses connections, then is back",
        limit: Limit::silent(DOWN + UP, UP),
        play: |stage| Box::pin(refused(stage)),
    },
];

async fn one_503(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.control().expire_access_tokens();
    stage.set_faults(Faults {
        token_status: Some(503),
        token_status_once: true,
        ..Faults::default()
    });
    stage.measure();
    let answer = stage.client(client).call("echo").await;
    stage.should("the call", answer);
    Ok(())
}

async fn outage(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.control().expire_access_tokens();
    stage.control().set_authorization_server_up(false);
    stage.measure();
    let answer = stage.client(client).call("echo").await;
    stage.should_fail("the call during the outage", answer);
    stage.control().set_authorization_server_up(true);
    let answer = stage.client(client).call("echo").await;
    stage.should("the call after the outage", answer);
    Ok(())
}

async fn refused(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.control().expire_access_tokens();
    stage.refuse_connections(true).await?;
    stage.measure();
    let answer = stage.client(client).call("echo").await;
    stage.should_fail("the call while connections are refused", answer);
    stage.refuse_connections(false).await?;
    let answer = stage.client(client).call("echo").await;
    stage.should("the call afterwards", answer);
    Ok(())
}
