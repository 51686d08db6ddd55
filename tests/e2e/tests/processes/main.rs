//! Several real processes on one file store: what they share, and what is left when one of them dies.

#![allow(clippy::unwrap_used)]

mod durability;
mod killed;
mod renewal;
mod stage;
