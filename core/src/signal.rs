//! Waiting for a condition that others bring about.

use tokio::sync::Notify;

/// Wakes the tasks that wait for a condition. What the condition is about is kept elsewhere; the code that changes
/// that reports it here. (A `watch` channel would do too, and takes ten times the memory.)
#[derive(Default)]
pub(crate) struct Signal(Notify);

impl Signal {
    /// Something changed: the tasks that wait look again.
    pub(crate) fn tell(&self) {
        self.0.notify_waiters();
    }

    /// Waits until `holds`, which is asked now and whenever something is told to have changed.
    pub(crate) async fn until(&self, holds: impl Fn() -> bool) {
        loop {
            let mut told = std::pin::pin!(self.0.notified());
            // From here on nothing is missed.
            told.as_mut().enable();
            if holds() {
                return;
            }
            told.await;
        }
    }
}
