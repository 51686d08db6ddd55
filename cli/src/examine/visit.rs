//! The person's browser: a program that visits a page and follows its redirects to the client's callback.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::failure::Failure;

/// Longer than the longest wait of a slow person.
const LIMIT: Duration = Duration::from_secs(120);

/// Visits a page, as `mcp-reauth examine --visit URL`.
pub(super) async fn visit(url: &str) -> Result<ExitCode, Failure> {
    let browser = reqwest::Client::builder().no_proxy().timeout(LIMIT).build();
    let browser = browser.map_err(|error| Failure::Other(error.to_string()))?;
    let page = browser.get(url).send().await;
    // The address has the authorization request in it.
    page.map_err(|error| Failure::Other(format!("the page: {}", error.without_url())))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the program that clients find as `BROWSER`: a script, because the variable names a program without arguments.
#[cfg(unix)]
pub(super) fn browser(folder: &Path) -> Result<Option<PathBuf>, Failure> {
    use std::os::unix::fs::PermissionsExt;

    let wrong =
        |error: std::io::Error| Failure::Other(format!("a program that visits pages: {error}"));
    let program = std::env::current_exe().map_err(wrong)?;
    let program = program.display().to_string().replace('\'', r"'\''");
    let script = folder.join("browser");
    // In the background, as browsers are: some clients wait for the program, and serve the callback only then.
    let text = format!("#!/bin/sh\n'{program}' examine --visit \"$1\" >/dev/null 2>&1 &\n");
    std::fs::write(&script, text).map_err(wrong)?;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).map_err(wrong)?;
    Ok(Some(script))
}

/// There is none on this platform: clients visit pages themselves.
#[cfg(not(unix))]
pub(super) fn browser(_folder: &Path) -> Result<Option<PathBuf>, Failure> {
    Ok(None)
}
