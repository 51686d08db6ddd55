//! The language-neutral part of all bindings: everything but a language's annotations, its way to call the application,
//! and its way to return results.
//!
//! Data crosses as JSON text in the form that every language shares (`tests/vectors/forms.json`). A binding
//!
//! - implements [`Application`], which passes a [`Message`] to the application's own code; the code answers it with
//!   [`Bridge::settle`];
//! - hands the future of each operation to its language. The future resolves to a JSON answer, `{"ok": value}` or
//!   `{"error": {"code", "message", ...}}`, and never fails or panics: only the language itself can throw errors with
//!   its own classes. Dropping the future stops the wait.
//!
//! `docs/bindings.md` describes the structure of all bindings.

mod answer;
mod application;
mod bridge;
mod call;
mod cancel;
mod exchange;
mod host;
mod http;
mod loopback;
mod options;
mod public;
mod refused;
mod request;
mod session;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;

pub use answer::PendingAnswer;
pub use application::{Application, Message, UNANSWERED};
pub use bridge::Bridge;
pub use cancel::Cancel;
pub use exchange::{EventWatch, Exchange, OutgoingRequest, Part};
pub use loopback::Loopback;
pub use request::{Fields, Request};
pub use session::{Ready, Session};
pub use store::{Leases, Store, check_store};
