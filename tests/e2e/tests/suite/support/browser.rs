//! A browser, on its own thread, because its logs must not count as the library's.

use http::header::LOCATION;
use mcp_reauth::Error;

use super::log;

/// Visits a page and follows redirects to the callback.
pub(crate) async fn visit(url: &str) -> Result<(), Error> {
    let status = open(url, true).await.0;
    if status < 400 {
        return Ok(());
    }
    Err(Error::host(format!("the page says {status}")))
}

/// Visits a page with any result, and returns the final status.
pub(crate) async fn look_at(url: &str) -> u16 {
    open(url, true).await.0
}

/// The address to which an authorization page redirects the browser.
pub(crate) async fn callback_of(url: &str) -> String {
    open(url, false).await.1.expect("it redirects")
}

async fn open(url: &str, follow: bool) -> (u16, Option<String>) {
    let url = url.to_owned();
    let work = move || {
        let _silence = log::off();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async move {
            let policy = match follow {
                true => reqwest::redirect::Policy::default(),
                false => reqwest::redirect::Policy::none(),
            };
            let browser = reqwest::Client::builder().redirect(policy).build();
            let answer = browser.expect("a browser").get(url).send().await;
            let answer = answer.expect("the page is there");
            let target = answer.headers().get(LOCATION);
            let target = target.map(|target| target.to_str().expect("an address").to_owned());
            (answer.status().as_u16(), target)
        })
    };
    tokio::task::spawn_blocking(work).await.expect("it browses")
}
