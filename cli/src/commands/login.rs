//! `mcp-reauth login`

use std::process::ExitCode;

use mcp_reauth::{AuthSession, Outcome, ScopeSet, wording};

use crate::args::LoginArgs;
use crate::connection::interruptible;
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(args: LoginArgs) -> Result<ExitCode, Failure> {
    let session = args.connect.session(&args.url).await?;
    interruptible(&session, sign_in(&session, &args)).await?;
    let state = session.connection_state().await?;
    eprintln!("{}", wording::success(&args.url, &ScopeSet::new()));
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
    let state = session.connection_state().await?;
    let signed_in = state.authorized || state.renewable;
    if signed_in && !args.force && state.granted_scopes.covers(&wanted) {
        // Whether it still holds, only the server knows: ask it.
        let client = args.connect.connect(session).await?;
        let _ = client.cancel().await;
        return Ok(());
    }
    if args.force {
        session.sign_out().await?;
    }
    if !state.signed_in || args.force {
        // What the server answers says where to sign in, and for what.
        let client = args.connect.connect(session).await?;
        let _ = client.cancel().await;
        let covered = session
            .authorization()
            .is_some_and(|a| a.scopes().covers(&wanted));
        if covered {
            return Ok(());
        }
    }
    match session.sign_in(wanted).await {
        Outcome::Satisfied => Ok(()),
        Outcome::Failed { error } => Err(error.into()),
        Outcome::Interactive { .. } | Outcome::StepUpConfirm { .. } => {
            Err(Failure::Other("the sign-in was not finished".to_owned()))
        }
    }
}
