//! Waiting for a condition that another task fulfils.

use tokio::sync::Notify;

/// Wakes the tasks that wait for a condition. The data of the condition is kept elsewhere; the code that changes it
/// reports the change here. (A `watch` channel would also do, but takes ten times the memory.)
#[derive(Default)]
pub(crate) struct Signal(Notify);

impl Signal {
    /// Wakes the waiting tasks, which then check their conditions again.
    pub(crate) fn notify(&self) {
        self.0.notify_waiters();
    }

    /// Waits until `holds` returns true; it is called now and after each reported change.
    pub(crate) async fn until(&self, holds: impl Fn() -> bool) {
        loop {
            let mut told = std::pin::pin!(self.0.notified());
            // From here on no change is missed.
            told.as_mut().enable();
            if holds() {
                return;
            }
            told.await;
        }
    }
}
