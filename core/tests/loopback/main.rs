//! Receives callbacks over real sockets.

#![cfg(feature = "loopback")]

mod addresses;
mod questions;
mod support;
mod turns;
