//! A server that refuses whatever it gets: a client has to give up.

use mcp_reauth_fixture::Faults;

use crate::examine::scenario::{Limit, Played, Scenario};
use crate::examine::stage::Stage;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "always-401",
        title: "every request is rejected (401)",
        limit: Limit::prompting(8, 2, 1).or_it_loops(),
        play: |stage| Box::pin(always_401(stage)),
    },
    Scenario {
        name: "always-403",
        title: "every request is rejected (403), whatever was granted",
        limit: Limit::prompting(5, 2, 1).or_it_loops(),
        play: |stage| Box::pin(always_403(stage)),
    },
    Scenario {
        name: "ever-more-scope",
        title: "every request needs one more scope (403)",
        limit: Limit::prompting(9, 3, 3).or_it_loops(),
        play: |stage| Box::pin(ever_more_scope(stage)),
    },
    Scenario {
        name: "plain-403",
        title: "a tool is forbidden (403 without a challenge)",
        limit: Limit::silent(1, 0).or_it_loops(),
        play: |stage| Box::pin(plain_403(stage)),
    },
];

async fn always_401(stage: &mut Stage) -> Played {
    let faults = Faults {
        always_401: true,
        ..Faults::default()
    };
    refuse(stage, faults).await
}

async fn always_403(stage: &mut Stage) -> Played {
    let faults = Faults {
        always_403_scope: true,
        ..Faults::default()
    };
    refuse(stage, faults).await
}

async fn ever_more_scope(stage: &mut Stage) -> Played {
    let faults = Faults {
        ever_new_scope: true,
        ..Faults::default()
    };
    refuse(stage, faults).await
}

async fn plain_403(stage: &mut Stage) -> Played {
    let faults = Faults {
        plain_403: true,
        ..Faults::default()
    };
    refuse(stage, faults).await
}

/// A call that cannot succeed.
async fn refuse(stage: &mut Stage, faults: Faults) -> Played {
    let client = stage.signed_in().await?;
    stage.set_faults(faults);
    stage.measure();
    let answer = stage.client(client).call("echo").await;
    stage.should_fail("the call", answer);
    stage.stop_counting();
    stage.set_faults(Faults::default());
    Ok(())
}
