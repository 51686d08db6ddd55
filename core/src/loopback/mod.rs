//! For programs at a terminal: the callback listener and a ready-made host (RFC 8252 section 7.3).

mod away;
mod browser;
mod listener;
mod page;
mod prompt;
mod sockets;
mod terminal;
mod turns;

pub use listener::CallbackListener;
pub use prompt::Prompt;
pub use terminal::{TerminalHost, TerminalOptions};

/// The default redirect URI of programs at a terminal. If another program holds its port, which is also the MCP
/// Inspector's, they use any free port instead, unless the client is registered for this very URI.
pub const DEFAULT_REDIRECT_URI: &str = "http://127.0.0.1:6276/oauth/callback";
