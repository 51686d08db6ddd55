//! A user with a browser that keeps its cookies from one visit to the next.

use std::sync::{Arc, Mutex};

use reqwest::{Client, RequestBuilder};
use url::Url;

use super::page::{Form, Page};

/// The name the user signs in with.
pub(crate) const USER: &str = "alice";
/// The User-Agent of the browser.
const BROWSER: &str = "Mozilla/5.0";
/// The path of the redirect URI.
pub(super) const CALLBACK: &str = "/oauth/callback";
/// The limit of pages and redirects in one visit.
const LIMIT: usize = 20;

/// What the user does on a consent page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Agrees,
    Declines,
}

#[derive(Clone)]
pub(crate) struct Person {
    browser: Client,
    mood: Mood,
    /// The headings of the pages so far, in order.
    seen: Arc<Mutex<Vec<String>>>,
}

impl Person {
    pub(crate) fn new(mood: Mood) -> Self {
        let browser = super::http().cookie_store(true).user_agent(BROWSER);
        let browser = browser.build();
        Self {
            browser: browser.expect("a browser"),
            mood,
            seen: Arc::default(),
        }
    }

    /// The headings of the pages since the last call.
    pub(crate) fn saw(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().expect("nobody panics"))
    }

    /// Opens an address, and follows the pages' instructions up to the callback's page. Fails with the text of any
    /// other page without a form.
    pub(super) async fn visit(&self, address: &str) -> Result<(), String> {
        let mut request = self.browser.get(address);
        for _ in 0..LIMIT {
            match self.follow(request).await? {
                Some(next) => request = next,
                None => return Ok(()),
            }
        }
        panic!("{address}: a person loses patience after {LIMIT} pages and redirects");
    }

    /// Sends a request and returns the next one.
    async fn follow(&self, request: RequestBuilder) -> Result<Option<RequestBuilder>, String> {
        let response = request.send().await.expect("an answer");
        let (status, here) = (response.status(), response.url().clone());
        if status.is_redirection() {
            let to = response.headers().get("location").expect("a location");
            let to = to.to_str().expect("an address");
            return Ok(Some(self.browser.get(here.join(to).expect("an address"))));
        }
        let text = response.text().await.expect("a page");
        if !status.is_success() {
            return Err(format!("{here}: {status} {text}"));
        }
        let page = Page::read(&text);
        self.seen
            .lock()
            .expect("nobody panics")
            .push(page.heading.clone());
        let Some(form) = page.form else {
            let is_end = here.path() == CALLBACK;
            return if is_end {
                Ok(None)
            } else {
                Err(format!("{here}: {text}"))
            };
        };
        if self.mood == Mood::Declines && page.heading == "Authorize" {
            let cancel = page.links.iter().find(|(_, text)| text.contains("Cancel"));
            let (address, _) = cancel.expect("a way out");
            return Ok(Some(
                self.browser.get(here.join(address).expect("an address")),
            ));
        }
        Ok(Some(self.submit(&here, &form)))
    }

    fn submit(&self, here: &Url, form: &Form) -> RequestBuilder {
        let mut filled: Vec<(&str, &str)> = form
            .inputs
            .iter()
            .map(|input| match input.kind.as_str() {
                "hidden" => (input.name.as_str(), input.value.as_str()),
                "text" => (input.name.as_str(), USER),
                "password" => (input.name.as_str(), "correct horse"),
                other => panic!("{here}: what to put into a field of type {other}?"),
            })
            .collect();
        let agree = form.buttons.iter().find(|(name, _)| !name.is_empty());
        filled.extend(agree.map(|(name, value)| (name.as_str(), value.as_str())));
        let action = here.join(&form.action).expect("an address");
        self.browser.post(action).form(&filled)
    }
}
