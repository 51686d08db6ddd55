//! The interface to the application's own code.

use zeroize::Zeroizing;

/// The call number of a message that expects no answer.
pub const UNANSWERED: u32 = 0;

/// Calls the application: one for each runtime of its language, shared by its sessions. It must not keep the process
/// alive.
pub trait Application: Send + Sync + 'static {
    /// Passes a message on, from any thread, without waiting for the result; keeps messages in order. Returns `false`
    /// if the application has exited.
    fn call(&self, message: Message) -> bool;
}

/// A call or a notification for the application.
pub struct Message {
    /// The number that the session, loopback host or store was opened with.
    pub session: u32,
    /// The number for the answer ([`Bridge::settle`](crate::Bridge::settle)), or [`UNANSWERED`]. For the method
    /// `cancel`, the number of the call to cancel.
    pub call: u32,
    /// The method to run (`docs/bindings.md`).
    pub method: &'static str,
    /// Its input as JSON.
    pub input: String,
    /// A record or the body of a request. It may hold secrets: code that copies it must wipe the copy.
    pub body: Option<Zeroizing<Vec<u8>>>,
}
