//! A tool needs more scope than was granted (403 `insufficient_scope`).

use std::time::Duration;

use mcp_reauth_fixture::{Consent, Faults};

use crate::examine::scenario::{Kind, Limit, Played, Scenario};
use crate::examine::stage::Stage;

/// A tool that needs a scope which clients do not request at first.
const WRITES: &str = "write_note";
/// A tool whose challenge names no scope that was granted before.
const DELETES: &str = "delete_note";
/// The scopes after the first step-up.
const BOTH: [&str; 2] = ["mcp:read", "mcp:write"];
/// A call that needs no person has to be answered within this time while a person is slow.
const AT_ONCE: Duration = Duration::from_secs(2);

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "step-up",
        title: "a tool needs more scope",
        limit: Limit::prompting(2, 1, 1),
        play: |stage| Box::pin(step_up(stage)),
    },
    Scenario {
        name: "step-up-union",
        title: "a tool needs one scope that its challenge names alone",
        limit: Limit::prompting(2, 1, 1),
        play: |stage| Box::pin(step_up_union(stage)),
    },
    Scenario {
        name: "step-up-restarted",
        title: "a tool needs more scope, after a restart",
        limit: Limit::prompting(2, 1, 1),
        play: |stage| Box::pin(step_up_restarted(stage)),
    },
    Scenario {
        name: "step-up-rejected",
        title: "step-up, then the token is rejected (401)",
        limit: Limit::silent(2, 1),
        play: |stage| Box::pin(step_up_rejected(stage)),
    },
    Scenario {
        name: "step-up-declined",
        title: "the person declines a step-up",
        limit: Limit::prompting(1, 0, 1),
        play: |stage| Box::pin(step_up_declined(stage)),
    },
    Scenario {
        name: "slow-person",
        title: "another call while a person is slow",
        limit: Limit::prompting(2, 1, 1),
        play: |stage| Box::pin(slow_person(stage)),
    },
];

async fn step_up(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.measure();
    let answer = stage.client(client).call(WRITES).await;
    stage.should("the call", answer);
    stage.should_have_scopes(&BOTH);
    Ok(())
}

async fn step_up_union(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    let answer = stage.client(client).call(WRITES).await;
    stage.must("the first step-up", answer)?;
    stage.measure();
    let answer = stage.client(client).call(DELETES).await;
    stage.should("the call", answer);
    stage.should_have_scopes(&["mcp:read", "mcp:write", "mcp:admin"]);
    Ok(())
}

async fn step_up_restarted(stage: &mut Stage) -> Played {
    stage.signed_in_earlier().await?;
    let client = stage.connected().await?;
    stage.measure();
    let answer = stage.client(client).call(WRITES).await;
    stage.should("the call", answer);
    stage.should_have_scopes(&BOTH);
    Ok(())
}

async fn step_up_rejected(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    let answer = stage.client(client).call(WRITES).await;
    stage.must("the step-up", answer)?;
    stage.control().expire_access_tokens();
    stage.measure();
    let answer = stage.client(client).call(WRITES).await;
    stage.should("the call", answer);
    stage.should_have_scopes(&BOTH);
    Ok(())
}

async fn step_up_declined(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.control().consent(Consent::Deny);
    stage.measure();
    let answer = stage.client(client).call(WRITES).await;
    stage.should_fail("the declined call", answer);
    let answer = stage.client(client).call("echo").await;
    stage.should("the next call", answer);
    Ok(())
}

async fn slow_person(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.set_faults(Faults {
        authorize_hold: true,
        ..Faults::default()
    });
    stage.measure();
    let waits = stage.client(client).call(WRITES);
    let asked = stage.control().clone();
    let asked = asked.counters_when(|counters| counters.authorize_visits > 0);
    tokio::pin!(waits);
    tokio::select! {
        _ = asked => {}
        answer = &mut waits => {
            stage.should("the call that needs a person", answer);
            return Ok(());
        }
    }
    let other = tokio::time::timeout(AT_ONCE, stage.client(client).call("echo")).await;
    match other {
        Ok(answer) => stage.should("the other call", answer),
        Err(_) => stage.found(
            Kind::Unanswered,
            format!(
                "the other call waited longer than {} s for the person",
                AT_ONCE.as_secs()
            ),
        ),
    }
    stage.set_faults(Faults::default());
    let answer = waits.await;
    stage.should("the call that needs a person", answer);
    Ok(())
}
