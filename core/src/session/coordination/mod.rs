//! Who goes first, and who waits: nothing here knows a protocol.

pub(crate) mod backoff;
pub(crate) mod flight;
pub(crate) mod queue;
pub(crate) mod rejected;
pub(crate) mod users_turn;
