//! Functions for all tests.

mod organization;
mod plain_server;
mod program;
#[cfg(unix)]
mod pseudo_terminal;
pub(crate) mod secured;
mod visitor;
mod world;

use std::time::Duration;

pub(crate) use organization::{Organization, own_idp};
pub(crate) use plain_server::PlainServer;
pub(crate) use program::{Ended, Program, Running};
#[cfg(unix)]
pub(crate) use pseudo_terminal::PseudoTerminal;
pub(crate) use visitor::visit;
pub(crate) use world::World;

/// The limit for any wait. Only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for something that must happen.
#[track_caller]
pub(crate) fn soon<T>(what: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        tokio::time::timeout(PATIENCE, what)
            .await
            .unwrap_or_else(|_| panic!("{place}: waited for too long"))
    }
}

/// A port without a listener.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
