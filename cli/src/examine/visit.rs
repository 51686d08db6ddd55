//! The person's browser: a program that visits a page and follows its redirects to the client's callback.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use reqwest::header::LOCATION;
use url::Url;

use crate::failure::Failure;

/// Longer than the longest wait of a slow person.
const LIMIT: Duration = Duration::from_secs(120);
/// How often a connection that is refused is tried again: a person takes longer to sign in than a client to listen for the
/// callback, which some only do once the browser is open.
const RETRY_AFTER: Duration = Duration::from_millis(100);
const MAX_RETRIES: u32 = 100;
/// More than a page and its callback need.
const MAX_REDIRECTS: usize = 10;

/// Visits a page, as `mcp-reauth examine --visit URL`.
pub(super) async fn visit(url: &str) -> Result<ExitCode, Failure> {
    // Follows redirects by itself, so that a refused callback is tried again, but not the page.
    let browser = reqwest::Client::builder().no_proxy().timeout(LIMIT);
    let browser = browser.redirect(reqwest::redirect::Policy::none()).build();
    let browser = browser.map_err(|error| Failure::Other(error.to_string()))?;
    let failed = |what: &str| Failure::Other(format!("the page: {what}"));
    let mut url = Url::parse(url).map_err(|error| failed(&error.to_string()))?;
    for _ in 0..MAX_REDIRECTS {
        let page = open(&browser, &url).await;
        // The address has the authorization request in it.
        let page = page.map_err(|error| failed(&error.without_url().to_string()))?;
        let Some(target) = page
            .headers()
            .get(LOCATION)
            .filter(|_| page.status().is_redirection())
        else {
            return Ok(ExitCode::SUCCESS);
        };
        let target = target
            .to_str()
            .map_err(|error| failed(&error.to_string()))?;
        url = url
            .join(target)
            .map_err(|error| failed(&error.to_string()))?;
    }
    Err(failed("too many redirects"))
}

async fn open(browser: &reqwest::Client, url: &Url) -> reqwest::Result<reqwest::Response> {
    let mut retries = 0;
    loop {
        match browser.get(url.clone()).send().await {
            Err(error) if error.is_connect() && retries < MAX_RETRIES => {
                retries += 1;
                tokio::time::sleep(RETRY_AFTER).await;
            }
            opened => return opened,
        }
    }
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
