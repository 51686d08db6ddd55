//! The demo's user: answers questions, and visits pages with an HTTP client or the real browser.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::loopback::CallbackListener;
use mcp_reauth::{AuthHost, Error};
use tokio::sync::Mutex;

use crate::output;

/// Port 0: the demo does not take the default port of the command.
const REDIRECT_URI: &str = "http://127.0.0.1:0/oauth/callback";

/// A user who gives the answer that the step sets, with counters of questions and pages.
pub(super) struct User {
    real_browser: bool,
    says_yes: AtomicBool,
    questions: AtomicU64,
    pages: AtomicU64,
    /// One redirect URI for the whole demo, as a real program has.
    listener: Mutex<Option<CallbackListener>>,
}

impl User {
    pub(super) fn new(real_browser: bool) -> Self {
        Self {
            real_browser,
            says_yes: AtomicBool::new(true),
            questions: AtomicU64::new(0),
            pages: AtomicU64::new(0),
            listener: Mutex::default(),
        }
    }

    /// Sets the answer to later questions.
    pub(super) fn says(&self, yes: bool) {
        self.says_yes.store(yes, Ordering::Relaxed);
    }

    pub(super) fn reset(&self) {
        self.questions.store(0, Ordering::Relaxed);
        self.pages.store(0, Ordering::Relaxed);
    }

    pub(super) fn questions(&self) -> u64 {
        self.questions.load(Ordering::Relaxed)
    }

    pub(super) fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    async fn visit(&self, url: &str) -> Result<(), Error> {
        if self.real_browser {
            output::say(format_args!("{url}"));
            let url = url.to_owned();
            std::thread::spawn(move || {
                if let Err(error) = webbrowser::open(&url) {
                    output::say(format_args!(
                        "The browser could not be opened ({error}). Open the URL above yourself."
                    ));
                }
            });
            return Ok(());
        }
        // An HTTP client that follows the redirects, up to the callback.
        let page = reqwest::get(url)
            .await
            .and_then(reqwest::Response::error_for_status);
        page.map(drop)
            .map_err(|error| Error::host(error.without_url().to_string()))
    }
}

impl AuthHost for User {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async {
            let mut open = self.listener.lock().await;
            if open.is_none() {
                *open = Some(CallbackListener::bind(REDIRECT_URI).await?);
            }
            let uri = open
                .as_ref()
                .map(|listener| listener.redirect_uri().to_owned());
            uri.ok_or_else(|| Error::host("there is no listener"))
        })
    }

    fn confirm_step_up(&self, _: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(self
            .says_yes
            .load(Ordering::Relaxed))))
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        self.pages.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let open = self.listener.lock().await;
            let listener = open
                .as_ref()
                .ok_or_else(|| Error::host("there is no listener"))?;
            let (callback, ()) =
                tokio::try_join!(listener.wait(&request.state), self.visit(&request.url))?;
            Ok(Authorized::Callback(callback))
        })
    }
}
