//! For programs at a terminal: the callback listener and a ready-made host (RFC 8252 section 7.3).

mod listener;
mod page;
mod terminal;

pub use listener::CallbackListener;
pub use terminal::{TerminalHost, TerminalOptions};

/// The redirect URI of programs at a terminal, unless they choose another.
pub const DEFAULT_REDIRECT_URI: &str = "http://127.0.0.1:6276/oauth/callback";
