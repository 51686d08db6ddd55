//! `mcp-reauth login`

use std::process::ExitCode;

use mcp_reauth::enterprise::IdpState;
use mcp_reauth::{AuthSession, Outcome, ScopeSet, wording};

use crate::args::LoginArgs;
use crate::connection::close;
use crate::failure::Failure;
use crate::output;
use crate::shutdown::interruptible;
use crate::state::ServerState;
use crate::waiting::{LIST_LIMIT, Waiting};

pub(crate) async fn run(args: LoginArgs) -> Result<ExitCode, Failure> {
    let waiting = Waiting::new(&args.url);
    let session = args.connect.session(&args.url, &waiting).await?;
    let work = sign_in(&session, &args, &waiting);
    let finish = async |()| tell(&session, &args).await;
    interruptible(&session, work, finish).await?;
    Ok(ExitCode::SUCCESS)
}

async fn tell(session: &AuthSession, args: &LoginArgs) -> Result<(), Failure> {
    let state = ServerState::of(session, &args.connect.store).await?;
    if state.connection.signed_in {
        output::say(format_args!(
            "{}",
            wording::success(&args.url, &ScopeSet::new())
        ));
        if let Some(idp) = &state.idp_session {
            say_who(idp);
        }
    } else {
        output::say(format_args!("{} needs no sign-in.", args.url));
    }
    if args.json {
        output::json(&state)?;
    }
    Ok(())
}

/// Prints who signed the user in, and as whom.
fn say_who(idp: &IdpState) {
    let issuer = wording::displayable(&idp.issuer);
    let who = idp.subject.as_deref().map(wording::displayable);
    let who = who.unwrap_or_else(|| "an unknown user".to_owned());
    output::say(format_args!(
        "Your organization signed you in, at {issuer} as {who}."
    ));
}

async fn sign_in(
    session: &AuthSession,
    args: &LoginArgs,
    waiting: &Waiting,
) -> Result<(), Failure> {
    let wanted: ScopeSet = args
        .connect
        .scopes
        .iter()
        .flat_map(|s| s.split([' ', ',']))
        .collect();
    if args.force && session.authorization().is_some() {
        finished(session.sign_in_again().await)?;
    } else {
        ask_server(session, args, waiting).await?;
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

/// Connects, because only the server knows whether a sign-in is needed, where, and for which scopes.
async fn ask_server(
    session: &AuthSession,
    args: &LoginArgs,
    waiting: &Waiting,
) -> Result<(), Failure> {
    let client = args.connect.connect(session, waiting).await?;
    let listed = match session.authorization() {
        None => {
            let listed = async { Ok(client.list_tools(None).await?) };
            waiting
                .within(Some(LIST_LIMIT), "list its tools", listed)
                .await
                .map(drop)
        }
        Some(_) => Ok(()),
    };
    close(client).await;
    match listed {
        // A server may have no tools. Only the authorization counts here.
        Err(Failure::Other(_)) => Ok(()),
        other => other,
    }
}

fn finished(outcome: Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Satisfied => Ok(()),
        Outcome::Failed { error } => Err(error.into()),
        Outcome::Interactive { .. } | Outcome::StepUpConfirm { .. } => {
            Err(Failure::Other("the sign-in was not completed".to_owned()))
        }
    }
}
