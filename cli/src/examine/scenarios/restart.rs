//! A new process with the store of an earlier one.

use super::renewal::{outlive, shorten_lives};
use crate::examine::scenario::{Limit, Played, Scenario};
use crate::examine::stage::Stage;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "restart",
        title: "restart, the token is valid",
        limit: Limit::silent(0, 0),
        play: |stage| Box::pin(restart(stage)),
    },
    Scenario {
        name: "restart-expired",
        title: "restart, the token has expired, and the client can know it",
        limit: Limit::silent(1, 1),
        play: |stage| Box::pin(restart_expired(stage)),
    },
    Scenario {
        name: "restart-rejected",
        title: "restart, the token is rejected (401)",
        limit: Limit::silent(2, 1),
        play: |stage| Box::pin(restart_rejected(stage)),
    },
    Scenario {
        name: "restart-revoked",
        title: "restart, the grant is revoked",
        limit: Limit::prompting(5, 2, 1),
        play: |stage| Box::pin(restart_revoked(stage)),
    },
];

async fn restart(stage: &mut Stage) -> Played {
    stage.signed_in_earlier().await?;
    again(stage).await
}

/// Measures a new process that connects and calls a tool.
async fn again(stage: &mut Stage) -> Played {
    stage.measure();
    let client = stage.connected().await?;
    let answer = stage.client(client).call("echo").await;
    stage.should("the call", answer);
    Ok(())
}

async fn restart_expired(stage: &mut Stage) -> Played {
    shorten_lives(stage);
    stage.signed_in_earlier().await?;
    outlive(stage).await;
    again(stage).await
}

async fn restart_rejected(stage: &mut Stage) -> Played {
    stage.signed_in_earlier().await?;
    stage.control().expire_access_tokens();
    again(stage).await
}

async fn restart_revoked(stage: &mut Stage) -> Played {
    stage.signed_in_earlier().await?;
    stage.control().revoke_grants();
    again(stage).await
}
