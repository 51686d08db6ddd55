//! How long the command waits for a server, and what it says meanwhile.

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

/// How long a server may take to answer `server/discover` and `initialize`, in seconds.
pub(crate) const GREETING_LIMIT: u64 = 60;
/// How long a server may take to list what it offers, in seconds.
pub(crate) const LIST_LIMIT: u64 = 60;
/// After how many seconds the command says what it waits for.
const NOTICE_AFTER: u64 = 3;
/// Waiting is counted in parts of a second, so that the time in which the machine slept counts as one of them.
const PARTS: u64 = 4;
/// How many characters the notice has at the most, so that it stays on one line of a terminal.
const NOTICE_LENGTH: usize = 76;
/// How many milliseconds a second of these limits lasts. For tests, which cannot wait for so long.
const SECOND: &str = "MCP_REAUTH_TEST_SECOND_MS";

/// The waiting of one command for one server. Time in which the user is asked something does not count.
#[derive(Clone)]
pub(crate) struct Waiting(Arc<Inner>);

struct Inner {
    /// Where the server is, for the notice.
    place: String,
    part: Duration,
    /// How many questions and sign-in pages are open.
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

    /// Waits for `work`, in which the server is to do `what`, but not longer than `limit` seconds.
    pub(crate) async fn within<T>(
        &self,
        limit: Option<u64>,
        what: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let mut work = pin!(work);
        // However this ends, also by being dropped, the notice goes.
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

    /// Says what it waits for, on a terminal alone.
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

    /// Takes the notice off the screen.
    fn clear(&self) {
        if self.0.notice.swap(false, Ordering::SeqCst) && can_erase() {
            // Back to the start of the line, and erase it.
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

/// Whether the terminal knows how to erase a line.
fn can_erase() -> bool {
    match std::env::var_os("TERM") {
        Some(name) => name != "dumb",
        None => cfg!(windows),
    }
}

/// The notice, which goes with this.
struct Notice<'a>(&'a Waiting);

impl Drop for Notice<'_> {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// Something that the user is asked, while it is open.
struct Asking<'a>(&'a Waiting);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.0.asking.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The terminal as host. While it asks the user, the server is not waited for.
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
