//! `mcp-reauth login`

use std::process::ExitCode;

use mcp_reauth::rmcp::find_error;
use mcp_reauth::{AuthSession, Outcome, ScopeSet, wording};

use crate::args::LoginArgs;
use crate::connection::interruptible;
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(args: LoginArgs) -> Result<ExitCode, Failure> {
    let session = args.connect.session(&args.url).await?;
    interruptible(&session, sign_in(&session, &args)).await?;
    let state = session.connection_state().await?;
    if state.signed_in {
        output::say(format_args!(
            "{}",
            wording::success(&args.url, &ScopeSet::new())
        ));
    } else {
        output::say(format_args!("{} lets you in without signing in.", args.url));
    }
    if args.json {
        output::json(&state)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn sign_in(session: &AuthSession, args: &LoginArgs) -> Result<(), Failure> {
    let wanted: ScopeSet = args
        .connect
        .scopes
        .iter()
        .flat_map(|s| s.split([' ', ',']))
        .collect();
    if args.force && session.authorization().is_some() {
        finished(session.sign_in_again().await)?;
    } else {
        ask_server(session, args).await?;
    }
    let covered = session
        .authorization()
        .is_some_and(|a| a.scopes().covers(&wanted));
    let let_in = session.authorization().is_some() || !args.force;
    if covered || (wanted.is_empty() && let_in) {
        return Ok(());
    }
    finished(session.sign_in(wanted).await)
}

/// Whether one is let in, and where to sign in for what, only the server knows.
async fn ask_server(session: &AuthSession, args: &LoginArgs) -> Result<(), Failure> {
    let client = args.connect.connect(session).await?;
    let listed = match session.authorization() {
        None => client.list_all_tools().await.map(drop),
        Some(_) => Ok(()),
    };
    let _ = client.cancel().await;
    match listed {
        // A server need not have tools; only whether it lets one in is asked.
        Err(error) if find_error(&error).is_some() => Err(error.into()),
        _ => Ok(()),
    }
}

fn finished(outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Satisfied => Ok(()),
        Outcome::Failed { error } => Err(error.into()),
        Outcome::Interactive { .. } | Outcome::StepUpConfirm { .. } => {
            Err(Failure::Other("the sign-in was not finished".to_owned()))
        }
    }
}
