//! Many calls at once, in one process and in several.

use futures_util::future::join_all;

use crate::examine::client::Answer;
use crate::examine::scenario::{Limit, Played, Scenario};
use crate::examine::stage::Stage;

const CALLS: u64 = 50;
const STEP_UPS: u64 = 10;
const PROCESSES: u64 = 8;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "parallel",
        title: "50 calls at once, the token is rejected",
        limit: Limit::silent(CALLS + 1, 1),
        play: |stage| Box::pin(parallel(stage)),
    },
    Scenario {
        name: "parallel-step-ups",
        title: "10 calls at once need more scope",
        limit: Limit::prompting(STEP_UPS + 1, 1, 1),
        play: |stage| Box::pin(parallel_step_ups(stage)),
    },
    Scenario {
        name: "processes-connected",
        title: "8 connected processes, the token is rejected",
        limit: Limit::silent(PROCESSES + 1, 1),
        play: |stage| Box::pin(processes_connected(stage)),
    },
    Scenario {
        name: "processes-started",
        title: "8 processes start at once, the token is rejected",
        limit: Limit::silent(PROCESSES + 1, 1),
        play: |stage| Box::pin(processes_started(stage)),
    },
];

async fn at_once(stage: &Stage, client: usize, tool: &str, calls: u64) -> Vec<Answer> {
    join_all((0..calls).map(|_| stage.client(client).call(tool))).await
}

async fn parallel(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.control().expire_access_tokens();
    stage.measure();
    let answers = at_once(stage, client, "echo", CALLS).await;
    stage.all_should("a call", answers);
    Ok(())
}

async fn parallel_step_ups(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.measure();
    let answers = at_once(stage, client, "write_note", STEP_UPS).await;
    stage.all_should("a call", answers);
    stage.should_have_scopes(&["mcp:read", "mcp:write"]);
    Ok(())
}

async fn processes_connected(stage: &mut Stage) -> Played {
    stage.signed_in_earlier().await?;
    let clients = started(stage)?;
    let connecting = clients.iter().map(|&client| stage.client(client).connect());
    for answer in join_all(connecting).await {
        stage.must("connecting", answer)?;
    }
    stage.control().expire_access_tokens();
    stage.measure();
    let calls = clients
        .iter()
        .map(|&client| stage.client(client).call("echo"));
    let answers = join_all(calls).await;
    stage.all_should("the call of a process", answers);
    Ok(())
}

async fn processes_started(stage: &mut Stage) -> Played {
    stage.signed_in_earlier().await?;
    stage.control().expire_access_tokens();
    stage.measure();
    let clients = started(stage)?;
    let calls = clients.iter().map(|&client| {
        let client = stage.client(client);
        async move {
            client.connect().await?;
            client.call("echo").await
        }
    });
    let answers = join_all(calls).await;
    stage.all_should("the call of a process", answers);
    Ok(())
}

fn started(stage: &mut Stage) -> Result<Vec<usize>, crate::failure::Failure> {
    (0..PROCESSES).map(|_| stage.start()).collect()
}
