//! The user: reads the pages they are sent to, and agrees to everything that the servers allow.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::{AuthHost, CallbackParams, Error, Event};

use super::tell;
use crate::wire::{Page, Told, now};

/// The number of the next page in this worker.
static PAGES: AtomicU64 = AtomicU64::new(1);

/// The user of one session.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) session: usize,
    /// The address for the step-up questions.
    pub(crate) question: String,
    pub(crate) browser: reqwest::Client,
    /// Whether the current sign-in is deliberate.
    pub(crate) deliberate: Arc<AtomicBool>,
}

/// An HTTP client for loopback, without the system's certificates, which are slow to load.
pub(crate) fn http_client() -> Result<reqwest::Client, Error> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .build();
    client.map_err(|error| Error::host(error.to_string()))
}

/// A page that is open until this is dropped.
pub(crate) struct OpenPage(Page);

impl OpenPage {
    pub(crate) fn new(session: usize, deliberate: bool) -> Self {
        let page = Page {
            session,
            page: PAGES.fetch_add(1, Ordering::Relaxed),
            at: now(),
            deliberate,
        };
        tell(&Told::PageOpened(page));
        Self(page)
    }
}

impl Drop for OpenPage {
    fn drop(&mut self) {
        let closed = Page {
            at: now(),
            ..self.0
        };
        tell(&Told::PageClosed(closed));
    }
}

impl AuthHost for User {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        // No listener is there: the callback is read from the page's redirect.
        Box::pin(async { Ok("http://127.0.0.1:9/callback".to_owned()) })
    }

    fn confirm_step_up(&self, _: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async {
            let answer = self.browser.get(&self.question).send().await;
            let answer = answer.map_err(|error| Error::host(error.without_url().to_string()))?;
            Ok(answer.status().is_success())
        })
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        Box::pin(async move {
            let _open = OpenPage::new(self.session, self.deliberate.load(Ordering::SeqCst));
            let page = self.browser.get(&request.url).send().await;
            let page = page.map_err(|error| Error::host(error.without_url().to_string()))?;
            if page.status().as_u16() == 410 {
                return Err(Error::Cancelled {
                    what: "The sign-in",
                });
            }
            let back = page.headers().get(reqwest::header::LOCATION);
            match back.and_then(|back| back.to_str().ok()) {
                Some(back) => Ok(Authorized::Callback(CallbackParams::parse(back))),
                None => Err(Error::host(format!("the page is a {}", page.status()))),
            }
        })
    }

    fn event(&self, event: Event) {
        tell(&Told::Event {
            session: self.session,
            name: event.to_string(),
        });
    }
}
