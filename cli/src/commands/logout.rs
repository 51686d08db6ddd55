//! `mcp-reauth logout`

use std::process::ExitCode;

use mcp_reauth::{Revocation, wording};

use crate::args::LogoutArgs;
use crate::failure::Failure;
use crate::output;
use crate::shutdown::interruptible;
use crate::signal::wait_for_signal;

pub(crate) async fn run(args: LogoutArgs) -> Result<ExitCode, Failure> {
    match &args.idp {
        Some(issuer) => {
            tokio::select! {
                biased;
                ended = wait_for_signal() => return Err(ended),
                signed_out = of_idp(&args, issuer) => signed_out?,
            }
        }
        None => of_server(&args, args.url.as_deref().unwrap_or_default()).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn of_server(args: &LogoutArgs, url: &str) -> Result<(), Failure> {
    let builder = args.reach.apply(args.store.builder(url)?)?;
    let session = builder.open().await.map_err(Failure::of_setup)?;
    let work = async { Ok(session.sign_out().await?) };
    let finish = async |revocation| {
        tell(url, revocation);
        Ok(())
    };
    interruptible(&session, work, finish).await
}

fn tell(url: &str, revocation: Revocation) {
    match revocation {
        Revocation::Done => output::say(format_args!("Signed out of {url}.")),
        Revocation::Nothing => output::say(format_args!("You were not signed in to {url}.")),
        Revocation::NotOffered => output::say(format_args!(
            "Signed out of {url} here. Its authorization server does not support revocation: the access token is valid until it expires."
        )),
        Revocation::Failed => output::say(format_args!(
            "Signed out of {url} here. Its authorization server could not be reached, or refused: the tokens may be valid until they expire."
        )),
    }
}

async fn of_idp(args: &LogoutArgs, issuer: &str) -> Result<(), Failure> {
    let builder = args.store.idp_builder(issuer)?;
    let idp = args.reach.apply_to_idp(builder)?.open()?;
    let was = idp.state().await?;
    let mut servers = Vec::new();
    for server in was.servers {
        let state = args.store.state(&server).await?.connection;
        // Leaves out servers that were signed in to in another way since.
        if state.identity_provider.as_deref() == Some(issuer) {
            servers.push(server);
        }
    }
    let revocation = idp.sign_out().await?;
    let shown = wording::displayable(issuer);
    if !was.signed_in && servers.is_empty() {
        output::say(format_args!("You were not signed in at {shown}."));
        return Ok(());
    }
    output::say(format_args!("Signed out at {shown}."));
    for server in servers {
        output::say(format_args!("Signed out of {server}."));
    }
    if let Some(told) = told(revocation) {
        output::say(format_args!("{told}"));
    }
    Ok(())
}

/// Describes what happened to the tokens.
fn told(revocation: Revocation) -> Option<&'static str> {
    match revocation {
        Revocation::Done => Some("All tokens were revoked."),
        Revocation::Nothing => None,
        Revocation::NotOffered => Some(
            "Not all of these servers support revocation: without it, the access token is valid until it expires.",
        ),
        Revocation::Failed => Some(
            "Not all of these servers could be reached, or some refused: their tokens may be valid until they expire.",
        ),
    }
}
