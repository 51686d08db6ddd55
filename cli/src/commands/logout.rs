//! `mcp-reauth logout`

use std::process::ExitCode;

use mcp_reauth::Revocation;

use crate::args::LogoutArgs;
use crate::connection::interruptible;
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(args: LogoutArgs) -> Result<ExitCode, Failure> {
    let session = args.store.session(&args.url).await?;
    let revocation = interruptible(&session, async { Ok(session.sign_out().await?) }).await?;
    let url = &args.url;
    match revocation {
        Revocation::Done => output::say(format_args!("Signed out of {url}.")),
        Revocation::Nothing => output::say(format_args!("You were not signed in to {url}.")),
        Revocation::NotOffered => output::say(format_args!(
            "Signed out of {url} here. Its authorization server does not revoke tokens: the last one is good there until it expires."
        )),
        Revocation::Failed => output::say(format_args!(
            "Signed out of {url} here. Its authorization server could not be told: the tokens may be good there until they expire."
        )),
    }
    Ok(ExitCode::SUCCESS)
}
