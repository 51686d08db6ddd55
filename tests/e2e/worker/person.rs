//! A user who agrees to everything, with counters.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::{AuthHost, CallbackParams, Error, Event};
use serde_json::{Value, json};

/// The user, and the events of the session.
#[derive(Default)]
pub(crate) struct Person {
    pages: AtomicU64,
    events: Mutex<Vec<Value>>,
}

impl Person {
    pub(crate) fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.events.lock().expect("nobody panics").clone()
    }
}

impl AuthHost for Person {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        // No listener is there: the callback is read from the page's redirect.
        Box::pin(async { Ok("http://127.0.0.1:9/callback".to_owned()) })
    }

    fn confirm_step_up(&self, _request: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async { Ok(true) })
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        self.pages.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            let browser = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                .build();
            let page = browser.expect("a browser").get(&request.url).send().await;
            let page = page.map_err(|error| Error::host(error.to_string()))?;
            let back = page.headers().get(reqwest::header::LOCATION);
            let back = back.and_then(|back| back.to_str().ok()).unwrap_or_default();
            Ok(Authorized::Callback(CallbackParams::parse(back)))
        })
    }

    fn event(&self, event: Event) {
        let told = match &event {
            Event::RenewalFailed { code, message, .. } => json!([event.to_string(), code, message]),
            _ => json!([event.to_string()]),
        };
        self.events.lock().expect("nobody panics").push(told);
    }
}
