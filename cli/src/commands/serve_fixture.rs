//! `mcp-reauth serve-fixture`

use std::fs;
use std::process::ExitCode;

use mcp_reauth_fixture::{Config, Fixture};
use serde_json::json;

use crate::args::FixtureArgs;
use crate::failure::Failure;
use crate::output;
use crate::signal::wait_for_signal;

pub(crate) async fn run(args: FixtureArgs) -> Result<ExitCode, Failure> {
    let config = match &args.config {
        None => Config::default(),
        Some(path) => {
            let wrong = |error: &dyn std::fmt::Display| {
                Failure::Usage(format!("{}: {error}", path.display()))
            };
            let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
            Config::from_json(&text).map_err(|error| wrong(&error))?
        }
    };
    let started = Fixture::start(config).await;
    let fixture = started.map_err(|error| Failure::Other(error.to_string()))?;
    tokio::select! {
        biased;
        // First, so that the signal handlers are installed before the caller reads the addresses.
        _ = wait_for_signal() => {}
        printed = async {
            print(&fixture, args.json)?;
            std::future::pending().await
        } => return printed,
    }
    fixture.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

fn print(fixture: &Fixture, json: bool) -> Result<(), Failure> {
    if json {
        return output::json_line(&json!({
            "mcpUrl": fixture.mcp_url(),
            "issuer": fixture.issuer(),
            "secondIssuer": fixture.second_issuer(),
            "idpIssuer": fixture.idp_issuer(),
            "controlUrl": fixture.control_url(),
        }));
    }
    output::line(&format!("MCP server            {}", fixture.mcp_url()))?;
    output::line(&format!("authorization server  {}", fixture.issuer()))?;
    if let Some(issuer) = fixture.idp_issuer() {
        output::line(&format!("identity provider     {issuer}"))?;
    }
    output::line(&format!("control               {}", fixture.control_url()))?;
    output::say(format_args!("GET the control URL to list its functions."));
    output::say(format_args!("Press Ctrl-C to stop."));
    Ok(())
}
