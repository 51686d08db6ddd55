//! The messages between the program and its workers, one a line.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// The time limit of a user.
pub(crate) const INTERACTION_TIMEOUT: Duration = Duration::from_secs(8);

/// Milliseconds since 1970, on the clock that all processes share.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// The task of a worker: the first line it reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Task {
    pub(crate) worker: usize,
    pub(crate) seed: u64,
    pub(crate) store: PathBuf,
    pub(crate) interaction_timeout_ms: u64,
    pub(crate) sessions: Vec<SessionTask>,
    /// What to break on purpose, if anything.
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
    /// The address for the step-up questions to its user.
    pub(crate) question: String,
    pub(crate) transport: Transport,
}

/// How a session sends its requests.
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

/// An order for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(crate) enum Order {
    /// Start no more calls, and send `quiet` when the last one has ended.
    Pause,
    /// Make one call with each session, and send `checked`.
    Check,
    /// Cancel the pending calls.
    Cancel,
    /// Sign a session out.
    SignOut { session: usize },
    /// Sign in again with a session.
    SignIn { session: usize },
    /// Close all sessions and exit.
    End,
}

/// A message from a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub(crate) enum Told {
    Ready,
    Quiet,
    Checked,
    Call(Call),
    PageOpened(Page),
    PageClosed(Page),
    /// An event that the host received.
    Event {
        session: usize,
        name: String,
    },
}

/// A completed call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) session: usize,
    pub(crate) what: String,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    /// The product's code, or one of the worker's own; `None` if it succeeded.
    pub(crate) code: Option<String>,
    pub(crate) detail: Option<String>,
    /// Whether it is the first call after all faults are lifted.
    #[serde(default)]
    pub(crate) check: bool,
}

/// A page that is open for a user.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) session: usize,
    /// Its number in the worker.
    pub(crate) page: u64,
    pub(crate) at: u64,
    /// Whether the sign-in is deliberate.
    #[serde(default)]
    pub(crate) deliberate: bool,
}
