//! What an `AbortSignal` becomes.

use mcp_reauth_bindings as bindings;
use napi_derive::napi;

/// Stops one operation.
#[napi]
pub struct Cancel(pub(crate) bindings::Cancel);

#[napi]
impl Cancel {
    /// Nothing is stopped yet.
    #[napi(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(bindings::Cancel::new())
    }

    /// Has the operation end as `cancelled`. What others wait for too goes on.
    #[napi]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// What can stop an operation, if anything can.
pub(crate) fn stop(cancel: Option<&Cancel>) -> Option<&bindings::Cancel> {
    cancel.map(|cancel| &cancel.0)
}
