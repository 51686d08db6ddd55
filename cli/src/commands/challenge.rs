//! `mcp-reauth challenge`

use std::process::ExitCode;

use mcp_reauth::AuthChallenge;

use crate::args::ChallengeArgs;
use crate::failure::Failure;
use crate::output;

/// Prints the challenge. A response without one prints `null` and exits with 1.
pub(crate) fn run(args: &ChallengeArgs) -> Result<ExitCode, Failure> {
    let mut lines = Vec::new();
    for header in &args.headers {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            Failure::Usage(format!("--header {header:?}: write it as 'Name: value'"))
        })?;
        if name.trim().eq_ignore_ascii_case("www-authenticate") {
            lines.push(value.trim());
        }
    }
    let challenge = AuthChallenge::from_response(args.status, lines);
    output::json(&challenge)?;
    Ok(ExitCode::from(u8::from(challenge.is_none())))
}
