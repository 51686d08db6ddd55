//! The native counterpart of an `AbortSignal`.

use mcp_reauth_bindings as bindings;
use napi_derive::napi;

/// Cancels one operation.
#[napi]
pub struct Cancel(pub(crate) bindings::Cancel);

#[napi]
impl Cancel {
    /// Creates a handle that has cancelled nothing yet.
    #[napi(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(bindings::Cancel::new())
    }

    /// Ends the operation as `cancelled`. Work that other callers wait for goes on.
    #[napi]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// The handle inside, if there is one.
pub(crate) fn stop(cancel: Option<&Cancel>) -> Option<&bindings::Cancel> {
    cancel.map(|cancel| &cancel.0)
}
