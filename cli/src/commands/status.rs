//! `mcp-reauth status`

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use mcp_reauth::{ConnectionState, ScopeSet, wording};

use crate::args::StatusArgs;
use crate::failure::Failure;
use crate::output;

/// Exits with 1 when a server was named and nothing would let you in there without signing in.
pub(crate) async fn run(args: StatusArgs) -> Result<ExitCode, Failure> {
    if let Some(url) = &args.url {
        let state = state(&args, url).await?;
        let signed_in = state.authorized || state.renewable;
        match args.json {
            true => output::json(&state)?,
            false => print(&[state], false)?,
        }
        return Ok(ExitCode::from(u8::from(!signed_in)));
    }
    let mut states = Vec::new();
    for key in args.store.open()?.keys()? {
        if key.profile == args.store.profile {
            states.push(state(&args, &key.server).await?);
        }
    }
    if states.is_empty() && !args.json {
        output::say(format_args!("Nothing is on record."));
    }
    print(&states, args.json)?;
    Ok(ExitCode::SUCCESS)
}

async fn state(args: &StatusArgs, url: &str) -> Result<ConnectionState, Failure> {
    let session = args.store.session(url).await?;
    Ok(session.connection_state().await?)
}

fn print(states: &[ConnectionState], json: bool) -> Result<(), Failure> {
    if json {
        return output::json(&states);
    }
    for (n, state) in states.iter().enumerate() {
        if n > 0 {
            output::line("")?;
        }
        for (name, value) in rows(state) {
            output::line(&format!("{name:<12}{value}"))?;
        }
    }
    Ok(())
}

fn rows(state: &ConnectionState) -> Vec<(&'static str, String)> {
    let mut rows = vec![("server", state.server.clone())];
    if !state.signed_in {
        rows.push(("signed in", "no".to_owned()));
        return rows;
    }
    let list = |scopes: &ScopeSet| match scopes.is_empty() {
        true => "(the server names none)".to_owned(),
        false => scopes.to_string(),
    };
    rows.push((
        "signed in",
        if state.authorized { "yes" } else { "expired" }.to_owned(),
    ));
    rows.push(("issuer", state.issuer.clone().unwrap_or_default()));
    let client_id = state.client_id.as_deref().unwrap_or_default();
    rows.push(("client id", wording::displayable(client_id)));
    rows.push(("scopes", list(&state.granted_scopes)));
    if state.requested_scopes != state.granted_scopes {
        rows.push(("asked for", list(&state.requested_scopes)));
    }
    rows.push((
        "expires",
        state
            .expires_at
            .map_or_else(|| "not known".to_owned(), expiry),
    ));
    let renewal = if state.renewable {
        "silently"
    } else {
        "only by signing in again"
    };
    rows.push(("renewed", renewal.to_owned()));
    rows
}

fn expiry(at: u64) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    let (span, when) = match at.checked_sub(now) {
        Some(left) => (left, "from now"),
        None => (now - at, "ago"),
    };
    let (days, hours, minutes, seconds) =
        (span / 86_400, span / 3600 % 24, span / 60 % 60, span % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s {when}"),
        (0, 0, _) => format!("{minutes} min {seconds} s {when}"),
        (0, _, _) => format!("{hours} h {minutes} min {when}"),
        _ => format!("{days} d {hours} h {when}"),
    }
}
