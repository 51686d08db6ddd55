//! What the bindings to all languages have in common: everything but the annotations of a language, its way to call the
//! application, and its way to return.
//!
//! Data crosses in its JSON form, as text, which is the same in every language (`tests/vectors/forms.json`). A binding
//!
//! - implements [`Application`]: how a [`Message`] reaches the application's own code, which answers it by
//!   [`Bridge::settle`];
//! - hands each operation's future to its language. It comes to an answer in JSON, `{"ok": value}` or
//!   `{"error": {"code", "message", ...}}`, and never to an error or a panic: only the other side can throw errors with a
//!   code and a class of their own. Dropping it ends the waiting.
//!
//! `docs/bindings.md` tells the shape that all bindings have.

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
pub use exchange::{EventWatch, Exchange, Part, Sent};
pub use loopback::Loopback;
pub use request::{Fields, Request};
pub use session::{Ready, Session};
pub use store::{Leases, Store, check_store};
