//! The steps of the first act, in order.

use std::process::Stdio;

use futures_util::future::join_all;
use mcp_reauth_fixture::Faults;

use super::Demo;
use super::stage::{self, Ended, Step, call, check, prompting, silent};

/// How many parallel calls are rejected at once.
const PARALLEL: u64 = 50;

pub(super) const STEPS: &[Step<Demo>] = &[
    Step {
        title: "first sign-in",
        expect: prompting(6, 6, 0, 1),
        play: |demo| Box::pin(first_sign_in(demo)),
    },
    Step {
        title: "a tool call",
        expect: silent(1, 1),
        play: |demo| Box::pin(tool_call(demo)),
    },
    Step {
        title: "the token expires",
        expect: silent(3, 3),
        play: |demo| Box::pin(expired(demo)),
    },
    Step {
        title: "the grant is revoked",
        expect: prompting(5, 5, 0, 1),
        play: |demo| Box::pin(revoked(demo)),
    },
    Step {
        title: "50 parallel calls, token expired",
        expect: silent(PARALLEL + 2, 2 * PARALLEL + 1),
        play: |demo| Box::pin(parallel(demo)),
    },
    Step {
        title: "a tool needs more scope",
        expect: prompting(3, 3, 1, 1),
        play: |demo| Box::pin(more_scope(demo)),
    },
    Step {
        title: "consent is declined",
        expect: prompting(2, 2, 1, 0),
        play: |demo| Box::pin(declined(demo)),
    },
    Step {
        title: "a tool needs a stronger sign-in",
        expect: prompting(3, 3, 1, 1),
        play: |demo| Box::pin(stronger_sign_in(demo)),
    },
    Step {
        title: "authorization server down, then up",
        expect: silent(6, 6),
        play: |demo| Box::pin(outage(demo)),
    },
    Step {
        title: "the process restarts",
        // The first process may notice the new token by itself, or only after a rejection.
        expect: silent(5, 6),
        play: |demo| Box::pin(restart(demo)),
    },
    Step {
        title: "a server that always refuses",
        expect: prompting(6, 6, 0, 1),
        play: |demo| Box::pin(always_refused(demo)),
    },
];

async fn succeeds(demo: &mut Demo, tool: &'static str) -> Result<(), String> {
    stage::succeeds(demo.client().await?, tool).await
}

async fn fails(demo: &mut Demo, tool: &'static str, code: &str) -> Result<(), String> {
    stage::fails(demo.client().await?, tool, code).await
}

async fn first_sign_in(demo: &mut Demo) -> Ended {
    demo.client().await?;
    let scopes = demo.session.authorization().map(|a| a.scopes().to_string());
    let scopes = scopes.ok_or("connected without a credential")?;
    Ok(format!(
        "rejected, discovered, registered, signed in for {scopes}, connected"
    ))
}

async fn tool_call(demo: &mut Demo) -> Ended {
    succeeds(demo, "echo").await?;
    Ok("answered at once".to_owned())
}

async fn expired(demo: &mut Demo) -> Ended {
    demo.control().expire_access_tokens();
    succeeds(demo, "echo").await?;
    Ok("rejected, renewed silently, answered".to_owned())
}

async fn revoked(demo: &mut Demo) -> Ended {
    demo.control().revoke_grants();
    succeeds(demo, "echo").await?;
    Ok("rejected, renewal refused for good, signed in again, answered".to_owned())
}

async fn parallel(demo: &mut Demo) -> Ended {
    demo.control().expire_access_tokens();
    let client = demo.client().await?;
    let calls = join_all((0..PARALLEL).map(|_| call(client, "echo"))).await;
    let failed = calls.iter().filter(|call| call.is_err()).count();
    let counters = demo.counters();
    check(failed == 0, &format!("{failed} of {PARALLEL} calls failed"))?;
    check(
        counters.token_refresh == 1 && counters.reuse_detected == 0,
        &format!(
            "{} refreshes, {} of a used token",
            counters.token_refresh, counters.reuse_detected
        ),
    )?;
    Ok(format!(
        "{PARALLEL} answered after one renewal; the refresh token was used once"
    ))
}

async fn more_scope(demo: &mut Demo) -> Ended {
    succeeds(demo, "write_note").await?;
    let scopes = demo
        .session
        .authorization()
        .map(|a| a.scopes().clone())
        .unwrap_or_default();
    check(
        scopes.contains("mcp:read") && scopes.contains("mcp:write"),
        &format!("granted {scopes}"),
    )?;
    Ok(format!("asked, agreed, granted {scopes}, answered"))
}

async fn declined(demo: &mut Demo) -> Ended {
    demo.user.says(false);
    let refused = fails(demo, "delete_note", "consent_denied").await;
    demo.user.says(true);
    refused?;
    succeeds(demo, "echo").await?;
    Ok("asked, declined: that call failed, and the next one was answered".to_owned())
}

async fn stronger_sign_in(demo: &mut Demo) -> Ended {
    succeeds(demo, "transfer").await?;
    let scopes = demo
        .session
        .authorization()
        .map(|a| a.scopes().clone())
        .unwrap_or_default();
    check(
        scopes.contains("mcp:write"),
        &format!("scopes were lost: {scopes}"),
    )?;
    Ok(
        "asked, signed in again with a stronger method (RFC 9470), scopes kept, answered"
            .to_owned(),
    )
}

async fn outage(demo: &mut Demo) -> Ended {
    demo.control().expire_access_tokens();
    demo.control().set_authorization_server_up(false);
    let refused = fails(demo, "echo", "refresh_unavailable").await;
    demo.control().set_authorization_server_up(true);
    refused?;
    succeeds(demo, "echo").await?;
    Ok("down: the call failed, nothing was lost; up: renewed silently, answered".to_owned())
}

/// Renews in a second process with the same store; this process then uses the new token.
async fn restart(demo: &mut Demo) -> Ended {
    demo.control().expire_access_tokens();
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = tokio::process::Command::new(program)
        .args([
            "call",
            demo.fixture.mcp_url(),
            "echo",
            "--arg",
            "text=hello",
        ])
        .args([
            "--no-browser",
            "--callback-url",
            "http://127.0.0.1:0/oauth/callback",
        ])
        .arg("--store")
        .arg(demo.folder.path().join("credentials.json"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    check(output.status.success(), &said)?;
    succeeds(demo, "echo").await?;
    check(
        demo.counters().token_refresh == 1,
        "the two processes did not share one renewal",
    )?;
    Ok("a new process renewed silently; this one took over its token".to_owned())
}

async fn always_refused(demo: &mut Demo) -> Ended {
    demo.control().set_faults(Faults {
        always_401: true,
        ..Faults::default()
    });
    let refused = fails(demo, "echo", "unauthorized").await;
    demo.control().set_faults(Faults::default());
    refused?;
    Ok("one renewal, one sign-in, then a typed error: no loop".to_owned())
}
