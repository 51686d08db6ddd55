//! Where callbacks come: over real sockets.

#![cfg(feature = "loopback")]

mod addresses;
mod support;
mod turns;
