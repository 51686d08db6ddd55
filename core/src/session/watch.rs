//! Noticing what other processes write to the store, before a server rejects an old credential.
//!
//! A session that is in use looks at most once a second whether its store has changed; an idle one does nothing. A
//! request between two looks reads the clock once more, and does no I/O.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use crate::host::Event;
use crate::runtime::timeout;
use crate::session::Inner;
use crate::session::credential::Authorization;
use crate::store::Stamp;

/// How long what was seen is taken to hold.
const PERIOD: Duration = Duration::from_secs(1);

/// What a session has seen of its store.
pub(crate) struct Watch {
    /// `None`: the store cannot tell. Locked by the request that looks, for which the others wait.
    seen: Option<Mutex<Stamp>>,
    /// When it was looked at last, in milliseconds since 1970.
    looked: AtomicU64,
}

impl Watch {
    pub(super) fn new(stamp: Option<Stamp>, now: SystemTime) -> Self {
        Self {
            seen: stamp.map(Mutex::new),
            looked: AtomicU64::new(milliseconds(now)),
        }
    }

    fn is_due(&self, now: u64) -> bool {
        let looked = self.looked.load(Ordering::Relaxed);
        // A clock that was set back must not keep a session from looking.
        u128::from(now.abs_diff(looked)) >= PERIOD.as_millis()
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.map_or(0, |since| since.as_millis());
    u64::try_from(since).unwrap_or(u64::MAX)
}

impl Inner {
    /// Whether the next request is to [`look`](Self::look) at the store first.
    pub(super) fn is_look_due(&self) -> bool {
        self.watch.seen.is_some() && self.watch.is_due(milliseconds(self.runtime.now()))
    }

    /// Takes over what other processes have stored, unless the store was looked at within a second. A record that
    /// cannot be read is an error for the request that needs it, and not for this one.
    pub(super) async fn look(&self) {
        if !self.is_look_due() {
            return;
        }
        let Some(seen) = &self.watch.seen else {
            return;
        };
        let mut seen = seen.lock().await;
        // Another request may have looked meanwhile.
        if !self.is_look_due() {
            return;
        }
        let stamp = self.store.stamp(&self.key).await;
        if let Some(stamp) = stamp.filter(|stamp| *stamp != *seen) {
            let before = self.current.get();
            if self.reload().await.is_ok() {
                *seen = stamp;
            }
            let now = self.current.get();
            if now.is_some() && now != before {
                self.event(Event::Adopted);
            }
        }
        let now = milliseconds(self.runtime.now());
        self.watch.looked.store(now, Ordering::Relaxed);
    }

    /// Waits until the current credential is another than `from`, be it by another process.
    pub(super) async fn changed(&self, from: Option<&Authorization>) {
        if self.watch.seen.is_none() {
            return self.current.changed(from).await;
        }
        let runtime = &*self.runtime;
        while timeout(runtime, PERIOD, self.current.changed(from))
            .await
            .is_none()
        {
            self.look().await;
        }
    }
}
