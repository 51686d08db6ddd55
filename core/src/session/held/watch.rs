//! Detects what other processes write to the store, before a server rejects the old credential.
//!
//! A session in use checks at most once a second whether its store has changed; an idle one does nothing. A request
//! between two checks only reads the clock and does no I/O.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use crate::host::Event;
use crate::runtime::timeout;
use crate::session::held::Held;
use crate::session::held::credential::Authorization;
use crate::store::Stamp;

/// How long a check of the store is valid.
const PERIOD: Duration = Duration::from_secs(1);

/// The state of the store that the session has seen.
pub(super) struct Watch {
    /// `None`: the store does not support it. Locked by the request that checks; other requests wait for it.
    seen: Option<Mutex<Stamp>>,
    /// When the store was last checked, in milliseconds since 1970.
    looked: AtomicU64,
}

impl Watch {
    pub(super) fn new(stamp: Option<Stamp>, now: SystemTime) -> Self {
        Self {
            seen: stamp.map(Mutex::new),
            looked: AtomicU64::new(milliseconds(now)),
        }
    }

    pub(super) fn is_look_due(&self, now: SystemTime) -> bool {
        self.look_due_in(now).is_some_and(|left| left.is_zero())
    }

    /// How long until the next check is due; `None` if the store does not support it.
    pub(super) fn look_due_in(&self, now: SystemTime) -> Option<Duration> {
        self.seen.as_ref()?;
        // A clock that was set back must not prevent checks.
        let since = milliseconds(now).abs_diff(self.looked.load(Ordering::Relaxed));
        Some(PERIOD.saturating_sub(Duration::from_millis(since)))
    }

    /// See [`Held::look`]. Ignores a record that cannot be read; a request that needs it gets the error.
    pub(super) async fn look(&self, held: &Held) {
        if !held.is_look_due() {
            return;
        }
        let Some(seen) = &self.seen else {
            return;
        };
        let mut seen = seen.lock().await;
        // Another request may have checked in the meantime.
        if !held.is_look_due() {
            return;
        }
        let stamp = held.store.stamp(&held.key).await;
        if let Some(stamp) = stamp.filter(|stamp| *stamp != *seen) {
            let before = held.current();
            if held.reload().await.is_ok() {
                *seen = stamp;
            }
            let now = held.current();
            if now.is_some() && now != before {
                held.tell(Event::Adopted);
            }
        }
        let now = milliseconds(held.runtime.now());
        self.looked.store(now, Ordering::Relaxed);
    }

    /// See [`Held::changed`].
    pub(super) async fn changed(&self, held: &Held, from: Option<&Authorization>) {
        if self.seen.is_none() {
            return held.changed_here(from).await;
        }
        while timeout(&*held.runtime, PERIOD, held.changed_here(from))
            .await
            .is_none()
        {
            self.look(held).await;
        }
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.map_or(0, |since| since.as_millis());
    u64::try_from(since).unwrap_or(u64::MAX)
}
