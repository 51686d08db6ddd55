//! The world that sessions are tested in.

mod bench;
mod gate;
mod host;
mod log;
mod runtime;
mod schedule;
mod servers;
mod store;
mod trace;
mod world;

pub(crate) use bench::{Bench, all};
pub(crate) use gate::Gate;
pub(crate) use host::{Answer, Journey, TestHost};
pub(crate) use log::Kind::{self, Mcp, Meta, Prm, Register, Revoke, Token, Visit};
pub(crate) use runtime::{pass, settle};
pub(crate) use servers::{CANARY, Servers};
pub(crate) use trace::Capture;
pub(crate) use world::{Fault, ISSUER, OTHER, SERVER};

use mcp_reauth::Error;

/// The code of the error that something ended with.
pub(crate) fn code<T: std::fmt::Debug>(result: &Result<T, Error>) -> &'static str {
    result.as_ref().map_or_else(Error::code, |_| "no error")
}
