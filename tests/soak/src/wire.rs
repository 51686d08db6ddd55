//! What the program and its workers tell each other, line by line.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// How long a user may take.
pub(crate) const INTERACTION_TIMEOUT: Duration = Duration::from_secs(8);

/// Milliseconds since 1970, by the clock that all processes share.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// What a worker is started with: the first line it reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Task {
    pub(crate) worker: usize,
    pub(crate) seed: u64,
    pub(crate) store: PathBuf,
    pub(crate) interaction_timeout_ms: u64,
    pub(crate) sessions: Vec<SessionTask>,
    /// What is broken on purpose, if anything.
    pub(crate) broken: Option<String>,
}

/// One session of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionTask {
    /// Its number among all sessions.
    pub(crate) session: usize,
    pub(crate) profile: String,
    pub(crate) url: String,
    /// Where the user is asked whether to extend access.
    pub(crate) question: String,
    pub(crate) transport: Transport,
}

/// How a session's requests get to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Transport {
    /// `AuthSession::request` around an HTTP client.
    Request,
    /// `ReauthClient` in the official SDK, 2026-07-28.
    Stateless,
    /// `ReauthClient` in the official SDK, with sessions and event streams.
    Sessions,
    /// The Node package's `session.fetch`.
    Node,
}

/// What a worker is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Begin no call any more, and say `quiet` when the last one has ended.
    Pause,
    /// Make one call by each session, and say `checked`.
    Check,
    /// Give up the calls that are under way.
    Cancel,
    /// Sign a session out.
    SignOut { session: usize },
    /// Have the user of a session sign in, whatever there is.
    SignIn { session: usize },
    /// Let everything go and end.
    End,
}

/// What a worker tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub(crate) enum Told {
    Ready,
    Quiet,
    Checked,
    Call(Call),
    PageOpened(Page),
    PageClosed(Page),
    /// What the host heard.
    Event {
        session: usize,
        name: String,
    },
}

/// A call that has ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) session: usize,
    pub(crate) what: String,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// The product's code, or one of the worker's own; `None` if it succeeded.
    pub(crate) code: Option<String>,
    pub(crate) detail: Option<String>,
    /// Whether it is the first after everything has been mended.
    #[serde(default)]
    pub(crate) check: bool,
}

/// A page that a user has before them.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) session: usize,
    /// Its number in the worker.
    pub(crate) page: u64,
    pub(crate) at: u64,
    /// Whether somebody signs in on purpose.
    #[serde(default)]
    pub(crate) deliberate: bool,
}
