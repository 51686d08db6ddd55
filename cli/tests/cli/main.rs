//! The program as users run it: a process with a command line, standard streams, signals and a terminal, against real
//! servers in the test's process.

mod answers;
#[path = "../common/authority.rs"]
mod authority;
mod call;
mod challenge;
mod clients;
mod demo;
mod enterprise;
mod help;
mod keys;
mod list;
mod login;
mod logout;
mod networks;
mod parity;
mod patience;
mod protocol;
mod requests;
mod scopes;
mod serve_fixture;
mod siblings;
mod status;
mod store;
mod streams;
mod support;
#[path = "../common/tested.rs"]
mod tested;
mod trouble;

#[cfg(unix)]
mod browser;
#[cfg(unix)]
mod examine;
#[cfg(unix)]
mod harmless;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod terminal;
