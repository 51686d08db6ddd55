//! A session, and its calls.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use mcp_reauth::{AuthSession, Error, FileStore, Policy};

use super::user::{OpenPage, User, http_client};
use super::{Common, http, sdk, tell};
use crate::kinds::{BROKEN, UNSAID};
use crate::random::Random;
use crate::wire::{Call, SessionTask, Task, Told, Transport, now};

/// The tools, and their shares of the calls in percent. Every grant suffices for the first.
const TOOLS: [(&str, u64); 4] = [
    ("echo", 85),
    ("write_note", 7),
    ("delete_note", 4),
    ("transfer", 4),
];
/// A call that takes longer hangs.
const FOR_EVER: Duration = Duration::from_secs(300);

/// The error of a failed call.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) code: String,
    detail: String,
}

impl Failure {
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            detail: detail.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(error.code().as_str(), error.to_string())
    }
}

/// How a session sends its requests.
#[derive(Debug)]
enum Way {
    Http(reqwest::Client),
    Sdk(sdk::Client),
}

/// A session that makes calls.
#[derive(Debug)]
pub(crate) struct Caller {
    number: usize,
    seed: u64,
    /// Whether its first call hangs, or fails with an unexplained code.
    broken: Option<String>,
    session: AuthSession,
    way: Way,
    deliberate: Arc<AtomicBool>,
    common: Arc<Common>,
    under_way: AtomicUsize,
    ended: tokio::sync::Notify,
}

impl Caller {
    pub(crate) async fn open(
        task: &Task,
        of: &SessionTask,
        common: &Arc<Common>,
    ) -> io::Result<Self> {
        let http = http_client().map_err(io::Error::other)?;
        let deliberate = Arc::new(AtomicBool::new(false));
        let user = User {
            session: of.session,
            question: of.question.clone(),
            browser: http.clone(),
            deliberate: Arc::clone(&deliberate),
        };
        let policy = Policy {
            interaction_timeout: Duration::from_millis(task.interaction_timeout_ms),
            ..Policy::default()
        };
        let opened = AuthSession::builder(&of.url)
            .client_name("soak")
            .profile(&of.profile)
            .store(FileStore::new(&task.store))
            .policy(policy)
            .host(user)
            .open()
            .await;
        let session = opened.map_err(io::Error::other)?;
        let way = match of.transport {
            Transport::Request | Transport::Node => Way::Http(http),
            Transport::Stateless => Way::Sdk(sdk::Client::new(session.clone(), false)),
            Transport::Sessions => Way::Sdk(sdk::Client::new(session.clone(), true)),
        };
        Ok(Self {
            number: of.session,
            seed: task.seed ^ (of.session as u64) << 32,
            broken: task.broken.clone(),
            session,
            way,
            deliberate,
            common: Arc::clone(common),
            under_way: AtomicUsize::new(0),
            ended: tokio::sync::Notify::new(),
        })
    }

    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Makes calls until it is aborted, one after the other, and sometimes several at once.
    pub(crate) async fn go_on(&self) {
        let mut random = Random::new(self.seed);
        loop {
            let at_once = if random.chance(8) { 4 } else { 1 };
            let mut tool = random.below(100);
            let tool = TOOLS.iter().find(|(_, share)| {
                let found = tool < *share;
                tool = tool.saturating_sub(*share);
                found
            });
            let tool = tool.map_or("echo", |(tool, _)| tool);
            // Counted before the check, so that `quiet` after a pause misses no call.
            self.under_way.fetch_add(1, Ordering::SeqCst);
            if !self.common.paused.load(Ordering::SeqCst) {
                join_all((0..at_once).map(|_| self.call(tool, false))).await;
            }
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            self.ended.notify_waiters();
            if self.common.paused.load(Ordering::SeqCst) {
                self.common.resumed.notified().await;
            }
            tokio::time::sleep(Duration::from_millis(random.within(150, 750))).await;
        }
    }

    /// Waits until no call is pending.
    pub(crate) async fn quiet(&self) {
        loop {
            let ended = self.ended.notified();
            if self.under_way.load(Ordering::SeqCst) == 0 {
                return;
            }
            ended.await;
        }
    }

    /// Makes the first call after all faults are lifted.
    pub(crate) async fn check(&self) {
        self.call("echo", true).await;
    }

    /// Makes one call and reports the result.
    async fn call(&self, tool: &str, check: bool) {
        let began = now();
        let answer = tokio::select! {
            answer = self.answer(tool, check) => answer,
            () = self.common.cancelled.notified() => Err(Failure::new("given_up", "by the caller")),
            () = tokio::time::sleep(FOR_EVER) => Err(Failure::new("endless", "it never ended")),
        };
        let (code, detail) = match answer {
            Ok(()) => (None, None),
            Err(failure) => (Some(failure.code), Some(failure.detail)),
        };
        tell(&Told::Call(Call {
            session: self.number,
            what: tool.to_owned(),
            began,
            ended: now(),
            code,
            detail,
            check,
        }));
    }

    async fn answer(&self, tool: &str, check: bool) -> Result<(), Failure> {
        match self.broken.as_deref() {
            Some("code") => return Err(Failure::new("config", "on purpose")),
            Some("hang") => tokio::time::sleep(Duration::from_secs(45)).await,
            _ => {}
        }
        match &self.way {
            Way::Http(http) => http::call(&self.session, http, tool).await,
            Way::Sdk(client) => match client.call(tool).await {
                // The SDK does not notice that an idle connection broke.
                Err(failure) if check && [BROKEN, UNSAID].contains(&&*failure.code) => {
                    client.call(tool).await
                }
                answer => answer,
            },
        }
    }

    pub(crate) async fn sign_out(&self) {
        // The session forgets tokens that cannot be revoked.
        let _ = self.session.sign_out().await;
    }

    pub(crate) async fn sign_in(&self) {
        self.deliberate.store(true, Ordering::SeqCst);
        let _ = self.session.sign_in_again().await;
        self.deliberate.store(false, Ordering::SeqCst);
    }

    /// Closes the connection, and waits until pending tokens are stored.
    pub(crate) async fn end(&self) {
        if let Way::Sdk(client) = &self.way {
            client.close().await;
        }
        self.session.settle().await;
    }

    /// Breaks a promise on purpose: prints a secret.
    pub(crate) async fn tell_the_token(&self) {
        loop {
            if let Some(authorization) = self.session.authorization() {
                eprintln!("{}", authorization.header_value());
                return;
            }
            self.session.wait_for_change(None).await;
        }
    }

    /// Breaks a promise on purpose: two pages at once, or far too many.
    pub(crate) async fn pretend_pages(&self, many: bool) {
        if many {
            (0..5_000).for_each(|_| drop(OpenPage::new(self.number, false)));
            return;
        }
        let _first = OpenPage::new(self.number, false);
        let _second = OpenPage::new(self.number, false);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
