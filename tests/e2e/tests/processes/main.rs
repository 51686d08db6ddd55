//! Several processes with one file store: what they share, and what is left when one is killed.

#![allow(clippy::unwrap_used)]

mod durability;
#[cfg(unix)]
mod full;
#[cfg(unix)]
mod killed;
mod noticed;
mod renewal;
mod stage;
#[cfg(unix)]
mod unwritable;
