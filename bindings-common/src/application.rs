//! The way to the application's own code.

use zeroize::Zeroizing;

/// The number of a call that has no answer.
pub const UNANSWERED: u32 = 0;

/// How a binding calls the application: one for each runtime of its language, shared by its sessions. It does not keep
/// the process alive.
pub trait Application: Send + Sync + 'static {
    /// Passes a message on, from any thread, without waiting for what becomes of it; messages stay in order. `false`
    /// when there is no application any more.
    fn call(&self, message: Message) -> bool;
}

/// What the application is asked or told.
pub struct Message {
    /// Whose part is meant: the number that a session, a loopback host or a store was opened with.
    pub session: u32,
    /// The number to answer by ([`Bridge::settle`](crate::Bridge::settle)), or [`UNANSWERED`]. For the method `cancel`,
    /// the number of the call whose answer is not waited for any more.
    pub call: u32,
    /// What it is to do (`docs/bindings.md`).
    pub method: &'static str,
    /// What that comes with, in JSON.
    pub input: String,
    /// A record or the body of a request. It may hold secrets: the side that copies it wipes the copy.
    pub body: Option<Zeroizing<Vec<u8>>>,
}
