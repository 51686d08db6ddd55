//! The user with a browser: visits every authorization address that is printed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Visits authorization addresses, if a user is present, and counts them.
#[derive(Clone)]
pub(super) struct Visitor {
    /// `None`: no user is present.
    browser: Option<reqwest::Client>,
    pages: Arc<AtomicUsize>,
}

impl Visitor {
    pub(super) fn new(is_there: bool) -> Self {
        Self {
            browser: is_there.then(browser),
            pages: Arc::default(),
        }
    }

    /// Processes a line of standard error.
    pub(super) fn sees(&self, line: &str) {
        if !is_authorization_address(line) {
            return;
        }
        self.pages.fetch_add(1, Ordering::Relaxed);
        if let Some(browser) = &self.browser {
            let visit = browser.get(line).send();
            // The result shows in what the program does next.
            tokio::spawn(async move { drop(visit.await) });
        }
    }

    /// The number of sign-in pages.
    pub(super) fn pages(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }
}

/// Whether a line is only an authorization address.
pub(super) fn is_authorization_address(line: &str) -> bool {
    line.starts_with("http") && line.contains("/authorize?") && !line.contains(char::is_whitespace)
}

/// Visits an address, follows redirects, and returns the final status and page.
pub(crate) async fn visit(address: &str) -> (u16, String) {
    let response = browser().get(address).send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.text().await.expect("a page"))
}

fn browser() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    builder.build().expect("a browser")
}
