//! `mcp-reauth logout`

use std::process::ExitCode;

use crate::args::LogoutArgs;
use crate::connection::interruptible;
use crate::failure::Failure;
use crate::output;

pub(crate) async fn run(args: LogoutArgs) -> Result<ExitCode, Failure> {
    let session = args.store.session(&args.url).await?;
    let was_signed_in = session.connection_state().await?.signed_in;
    interruptible(&session, async { Ok(session.sign_out().await?) }).await?;
    if was_signed_in {
        output::say(format_args!("Signed out of {}.", args.url));
    } else {
        output::say(format_args!("You were not signed in to {}.", args.url));
    }
    Ok(ExitCode::SUCCESS)
}
