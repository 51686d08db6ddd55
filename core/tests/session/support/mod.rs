//! The environment that sessions are tested in.

mod bench;
mod gate;
mod host;
mod log;
mod runtime;
mod schedule;
mod servers;
#[cfg_attr(not(feature = "jwt"), path = "unsigned.rs")]
mod signed;
mod store;
mod trace;
mod world;

pub(crate) use bench::{Bench, all, key, recover};
pub(crate) use gate::Gate;
pub(crate) use host::{Answer, Journey, TestHost};
pub(crate) use log::Kind::{
    self, Exchange, IdpKeys, IdpMeta, IdpRevoke, IdpToken, IdpVisit, Mcp, Meta, Prm, Push,
    Register, Revoke, Token, Visit,
};
pub(crate) use log::Seen;
pub(crate) use runtime::{TestRuntime, pass, settle};
pub(crate) use servers::{CANARY, Servers};
#[cfg(feature = "jwt")]
pub(crate) use signed::{CLIENT, IdentityProvider as TestIdp, Key, Untrue, claims};
pub(crate) use trace::Capture;
pub(crate) use world::{Broken, Fault, IDP, ISSUER, OTHER, SECOND, SERVER};

use mcp_reauth::Error;

/// Returns the code of a result's error.
pub(crate) fn code<T: std::fmt::Debug>(result: &Result<T, Error>) -> &'static str {
    result
        .as_ref()
        .map_or_else(|error| error.code().as_str(), |_| "no error")
}
