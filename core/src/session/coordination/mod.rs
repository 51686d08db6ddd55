//! Coordination of concurrent callers and sessions. Nothing here calls a server.

pub(crate) mod backoff;
pub(crate) mod flight;
pub(crate) mod queue;
pub(crate) mod rejected;
pub(crate) mod users_turn;
