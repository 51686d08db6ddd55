//! Answers that an attacker can cause.

use std::time::Duration;

use mcp_reauth_fixture::Faults;

use crate::examine::scenario::{Kind, Limit, Played, Scenario};
use crate::examine::stage::Stage;

/// How long a client that waits for a genuine callback is watched.
const WATCH: Duration = Duration::from_secs(3);

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "wrong-state",
        title: "a callback with a state that was never sent",
        limit: Limit::prompting(6, 0, 1),
        play: |stage| Box::pin(wrong_state(stage)),
    },
    Scenario {
        name: "wrong-issuer",
        title: "a callback of another issuer (RFC 9207)",
        limit: Limit::prompting(6, 0, 1),
        play: |stage| Box::pin(wrong_issuer(stage)),
    },
    Scenario {
        name: "missing-issuer",
        title: "a callback without the promised issuer (RFC 9207)",
        limit: Limit::prompting(6, 0, 1),
        play: |stage| Box::pin(missing_issuer(stage)),
    },
    Scenario {
        name: "foreign-resource",
        title: "resource metadata for another server (RFC 9728)",
        limit: Limit::silent(6, 0),
        play: |stage| Box::pin(foreign_resource(stage)),
    },
    Scenario {
        name: "foreign-metadata",
        title: "authorization server metadata of another issuer (RFC 8414)",
        limit: Limit::silent(8, 0),
        play: |stage| Box::pin(foreign_metadata(stage)),
    },
    Scenario {
        name: "no-pkce",
        title: "an authorization server without PKCE",
        limit: Limit::silent(8, 0),
        play: |stage| Box::pin(no_pkce(stage)),
    },
    Scenario {
        name: "redirected-call",
        title: "a call is redirected to another origin",
        limit: Limit::silent(1, 0),
        play: |stage| Box::pin(redirected_call(stage)),
    },
    Scenario {
        name: "redirected-refresh",
        title: "a refresh is redirected to another origin",
        limit: Limit::prompting(12, 6, 1),
        play: |stage| Box::pin(redirected_refresh(stage)),
    },
];

async fn wrong_state(stage: &mut Stage) -> Played {
    let faults = Faults {
        wrong_state: true,
        ..Faults::default()
    };
    deceive(stage, faults).await
}

async fn wrong_issuer(stage: &mut Stage) -> Played {
    let faults = Faults {
        wrong_iss: Some(stage.stranger.url("")),
        ..Faults::default()
    };
    deceive(stage, faults).await
}

async fn missing_issuer(stage: &mut Stage) -> Played {
    let faults = Faults {
        missing_iss: true,
        ..Faults::default()
    };
    deceive(stage, faults).await
}

async fn foreign_resource(stage: &mut Stage) -> Played {
    let faults = Faults {
        metadata_resource: Some(stage.stranger.url("/mcp")),
        ..Faults::default()
    };
    deceive(stage, faults).await
}

async fn foreign_metadata(stage: &mut Stage) -> Played {
    let faults = Faults {
        metadata_issuer: Some(stage.stranger.url("")),
        ..Faults::default()
    };
    deceive(stage, faults).await
}

async fn no_pkce(stage: &mut Stage) -> Played {
    let faults = Faults {
        no_pkce_in_metadata: true,
        ..Faults::default()
    };
    deceive(stage, faults).await
}

/// A first sign-in that must not end in a token. A client may report an error, or go on to wait for a genuine callback.
async fn deceive(stage: &mut Stage, faults: Faults) -> Played {
    stage.set_faults(faults);
    stage.measure();
    let client = stage.start()?;
    let connecting = stage.client(client).connect();
    let control = stage.control().clone();
    let watched = async {
        let visited = control.counters_when(|counters| counters.consents_approved > 0);
        visited.await;
        tokio::time::sleep(WATCH).await;
    };
    tokio::select! {
        answer = connecting => stage.should_fail("the sign-in", answer),
        () = watched => {}
    }
    stage.stop_counting();
    let redeemed = stage.control().counters().token_code > 0;
    stage.check(
        !redeemed,
        Kind::Fooled,
        "it exchanged the code of a response that it has to refuse",
    );
    stage.kill_clients();
    Ok(())
}

async fn redirected_call(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.set_faults(Faults {
        redirect_mcp_to: Some(stage.stranger.url("/mcp")),
        ..Faults::default()
    });
    stage.measure();
    let answer = stage.client(client).call("echo").await;
    stage.should_fail("the redirected call", answer);
    stage.stop_counting();
    stage.set_faults(Faults::default());
    Ok(())
}

async fn redirected_refresh(stage: &mut Stage) -> Played {
    let client = stage.signed_in().await?;
    stage.control().expire_access_tokens();
    stage.set_faults(Faults {
        redirect_token_to: Some(stage.stranger.url("/token")),
        ..Faults::default()
    });
    stage.measure();
    let answer = stage.client(client).call("echo").await;
    stage.should_fail("the call with the redirected refresh", answer);
    stage.set_faults(Faults::default());
    let answer = stage.client(client).call("echo").await;
    stage.should("the next call", answer);
    Ok(())
}
