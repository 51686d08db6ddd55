//! Time limits for a server's responses, and the notice shown meanwhile.

use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::loopback::TerminalHost;
use mcp_reauth::{AuthHost, Error, Event, wording};
use url::Url;

use crate::failure::Failure;

/// The time limit for `server/discover` and `initialize`, in seconds.
pub(crate) const GREETING_LIMIT: u64 = 60;
/// The time limit for listing tools, resources or prompts, in seconds.
pub(crate) const LIST_LIMIT: u64 = 60;
/// The delay before the command prints what it waits for, in seconds.
const NOTICE_AFTER: u64 = 3;
/// Waiting is counted in slices of a second, so that time in which the machine slept counts as one slice.
const PARTS: u64 = 4;
/// The longest notice in characters, so that it fits one terminal line.
const NOTICE_LENGTH: usize = 76;
/// The length of a second of these limits in milliseconds, set by tests that cannot wait that long.
const SECOND: &str = "MCP_REAUTH_TEST_SECOND_MS";

/// Limits how long one command waits for one server. Time in which the user is asked something does not count.
#[derive(Clone)]
pub(crate) struct Waiting(Arc<Inner>);

struct Inner {
    /// The server's host name, for the notice.
    place: String,
    part: Duration,
    /// The number of open questions and sign-in pages.
    asking: AtomicUsize,
    notice: AtomicBool,
}

impl Waiting {
    pub(crate) fn new(url: &str) -> Self {
        let place = Url::parse(url).ok();
        let place = place.as_ref().and_then(Url::host_str).unwrap_or(url);
        let second = std::env::var(SECOND).ok().and_then(|ms| ms.parse().ok());
        let second = second.map_or(Duration::from_secs(1), Duration::from_millis);
        Self(Arc::new(Inner {
            place: wording::displayable(place),
            part: second / PARTS as u32,
            asking: AtomicUsize::new(0),
            notice: AtomicBool::new(false),
        }))
    }

    /// Runs `work`, in which the server should do `what`, for at most `limit` seconds.
    pub(crate) async fn within<T>(
        &self,
        limit: Option<u64>,
        what: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut work = pin!(work);
        // Removes the notice on every exit, also when this future is dropped.
        let _notice = Notice(self);
        let mut parts = 0;
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(self.0.part) => {}
            }
            if self.0.asking.load(Ordering::SeqCst) > 0 {
                continue;
            }
            parts += 1;
            if let Some(seconds) = limit.filter(|limit| parts >= limit.saturating_mul(PARTS)) {
                let what = format!("Waiting for the server to {what}");
                return Err(Error::Timeout { what, seconds }.into());
            }
            if parts >= NOTICE_AFTER * PARTS {
                self.show(what);
            }
        }
    }

    /// Prints the notice, on a terminal only.
    fn show(&self, what: &str) {
        if !io::stderr().is_terminal() || self.0.notice.swap(true, Ordering::SeqCst) {
            return;
        }
        let text = format!("Waiting for {} to {what} (Ctrl-C ends it)", self.0.place);
        let text: String = text.chars().take(NOTICE_LENGTH).collect();
        let _ = match can_erase() {
            true => write!(io::stderr(), "{text}"),
            false => writeln!(io::stderr(), "{text}"),
        };
        let _ = io::stderr().flush();
    }

    /// Erases the notice.
    fn clear(&self) {
        if self.0.notice.swap(false, Ordering::SeqCst) && can_erase() {
            // \r returns to the start of the line, ESC [K erases it.
            let _ = write!(io::stderr(), "\r\u{1b}[K");
            let _ = io::stderr().flush();
        }
    }

    fn ask(&self) -> Asking<'_> {
        self.0.asking.fetch_add(1, Ordering::SeqCst);
        self.clear();
        Asking(self)
    }
}

/// Whether the terminal can erase a line.
fn can_erase() -> bool {
    match std::env::var_os("TERM") {
        Some(name) => name != "dumb",
        None => cfg!(windows),
    }
}

/// Erases the notice on drop.
struct Notice<'a>(&'a Waiting);

impl Drop for Notice<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// An open question or sign-in page.
struct Asking<'a>(&'a Waiting);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.0.asking.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The terminal host. Time in which it asks the user does not count as waiting for the server.
pub(crate) struct PatientHost {
    pub(crate) host: TerminalHost,
    pub(crate) waiting: Waiting,
}

impl AuthHost for PatientHost {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        self.host.redirect_uri()
    }

    fn registered_redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        self.host.registered_redirect_uri()
    }

    fn confirm_step_up(&self, request: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async move {
            let _asking = self.waiting.ask();
            self.host.confirm_step_up(request).await
        })
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        Box::pin(async move {
            let _asking = self.waiting.ask();
            self.host.authorize(request).await
        })
    }

    fn sign_in_elsewhere(&self, server: &str) -> BoxFuture<'_, ()> {
        let told = self.host.sign_in_elsewhere(server);
        Box::pin(async move {
            let _asking = self.waiting.ask();
            told.await;
            std::future::pending().await
        })
    }

    fn event(&self, event: Event) {
        self.host.event(event);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const URL: &str = "https://mcp.example/mcp";

    async fn never() -> Result<(), Failure> {
        std::future::pending().await
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_kept_and_without_one_there_is_none() {
        let waiting = Waiting::new(URL);
        let began = Instant::now();
        let ended = waiting.within(Some(60), "answer", never()).await;
        assert_eq!(began.elapsed().as_secs(), 60);
        let error = ended.expect_err("a limit").to_string();
        assert_eq!(
            error,
            "Waiting for the server to answer took longer than 60 s. Try again. [timeout]"
        );
        let long = async {
            sleep(Duration::from_secs(10_000)).await;
            Ok(7)
        };
        let done = waiting.within(None, "run the tool", long).await;
        assert_eq!(done.expect("no limit"), 7);
        let most = waiting.within(Some(u64::MAX), "run the tool", async { Ok(8) });
        assert_eq!(most.await.expect("no limit in practice"), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_user_is_asked_does_not_count() {
        let waiting = Waiting::new(URL);
        let asked = async {
            sleep(Duration::from_secs(59)).await;
            let asking = waiting.ask();
            sleep(Duration::from_secs(3600)).await;
            drop(asking);
            never().await
        };
        let began = Instant::now();
        let ended = waiting.within(Some(60), "answer", asked).await;
        assert!(ended.is_err());
        assert!(matches!(began.elapsed().as_secs(), 3659..=3661));
    }
}
