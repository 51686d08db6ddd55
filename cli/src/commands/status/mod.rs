//! `mcp-reauth status`

mod rows;

use std::process::ExitCode;

use mcp_reauth::enterprise::IdpState;

use crate::args::StatusArgs;
use crate::failure::Failure;
use crate::output;
use crate::state::can_issue_tokens;
use rows::{Rows, of_idp, of_server};

/// Exits with 1 if a server or identity provider was named and using it requires a new sign-in.
pub(crate) async fn run(args: StatusArgs) -> Result<ExitCode, Failure> {
    let usable_without_sign_in = match (&args.url, &args.idp) {
        (Some(url), _) => one_server(&args, url).await?,
        (None, Some(issuer)) => one_idp(&args, issuer).await?,
        (None, None) => {
            all(&args).await?;
            true
        }
    };
    Ok(ExitCode::from(u8::from(!usable_without_sign_in)))
}

async fn one_server(args: &StatusArgs, url: &str) -> Result<bool, Failure> {
    let state = args.store.state(url).await?;
    if args.json {
        output::json(&state)?;
    } else {
        let idp = state.idp_session.as_ref().map(of_idp);
        print(std::iter::once(of_server(&state)).chain(idp))?;
    }
    Ok(state.usable_without_sign_in())
}

async fn one_idp(args: &StatusArgs, issuer: &str) -> Result<bool, Failure> {
    let state = args.store.idp(issuer)?.state().await?;
    if args.json {
        output::json(&state)?;
    } else {
        print([of_idp(&state)])?;
    }
    Ok(can_issue_tokens(&state))
}

async fn all(args: &StatusArgs) -> Result<(), Failure> {
    let (mut servers, mut idps) = (Vec::new(), Vec::new());
    for key in args.store.open()?.keys()? {
        if key.profile != args.store.profile {
            continue;
        }
        match key.identity_provider() {
            None => servers.push(args.store.state(&key.server).await?),
            Some(issuer) => idps.push(args.store.idp(issuer)?.state().await?),
        }
    }
    // Drops what a sign-out leaves on record.
    idps.retain(|idp: &IdpState| idp.signed_in || !idp.servers.is_empty());
    if args.json {
        return output::json(&servers);
    }
    if servers.is_empty() && idps.is_empty() {
        output::say(format_args!("Nothing is stored."));
    }
    print(servers.iter().map(of_server).chain(idps.iter().map(of_idp)))
}

fn print(blocks: impl IntoIterator<Item = Rows>) -> Result<(), Failure> {
    for (n, rows) in blocks.into_iter().enumerate() {
        if n > 0 {
            output::line("")?;
        }
        for (name, value) in rows {
            output::line(&format!("{name:<12}{value}"))?;
        }
    }
    Ok(())
}
