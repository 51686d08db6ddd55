//! `mcp-reauth login`

use std::process::ExitCode;

use mcp_reauth::enterprise::IdpState;
use mcp_reauth::rmcp::find_error;
use mcp_reauth::{AuthSession, Outcome, ScopeSet, wording};

use crate::args::LoginArgs;
use crate::connection::interruptible;
use crate::failure::Failure;
use crate::output;
use crate::state::ServerState;

pub(crate) async fn run(args: LoginArgs) -> Result<ExitCode, Failure> {
    let session = args.connect.session(&args.url).await?;
    interruptible(&session, sign_in(&session, &args)).await?;
    let state = ServerState::of(&session, &args.connect.store).await?;
    if state.connection.signed_in {
        output::say(format_args!(
            "{}",
            wording::success(&args.url, &ScopeSet::new())
        ));
        if let Some(idp) = &state.idp_session {
            say_who(idp);
        }
    } else {
        output::say(format_args!("{} lets you in without signing in.", args.url));
    }
    if args.json {
        output::json(&state)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells on whose word one was let in.
fn say_who(idp: &IdpState) {
    let issuer = wording::displayable(&idp.issuer);
    let who = idp.subject.as_deref().map(wording::displayable);
    let who = who.unwrap_or_else(|| "somebody it no longer knows".to_owned());
    output::say(format_args!(
        "Your organization signed you in, at {issuer} as {who}."
    ));
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
