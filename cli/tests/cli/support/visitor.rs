//! The person with a browser: visits every authorization address that is printed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Visits authorization addresses, if it is there at all, and counts them.
#[derive(Clone)]
pub(super) struct Visitor {
    /// `None`: nobody is there.
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

    /// Sees a line of standard error.
    pub(super) fn sees(&self, line: &str) {
        if !is_authorization_address(line) {
            return;
        }
        self.pages.fetch_add(1, Ordering::Relaxed);
        if let Some(browser) = &self.browser {
            let visit = browser.get(line).send();
            // How it went shows in what the program does next.
            tokio::spawn(async move { drop(visit.await) });
        }
    }

    /// How many sign-in pages there were.
    pub(super) fn pages(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }
}

/// Whether a line is an authorization address and nothing else.
pub(super) fn is_authorization_address(line: &str) -> bool {
    line.starts_with("http") && line.contains("/authorize?") && !line.contains(char::is_whitespace)
}

/// Visits an address, follows where it leads, and returns the status and the page at the end.
pub(crate) async fn visit(address: &str) -> (u16, String) {
    let response = browser().get(address).send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.text().await.expect("a page"))
}

fn browser() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy();
    builder.build().expect("a browser")
}
