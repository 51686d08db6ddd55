//! A real MCP client, recovering, against real servers over sockets, in both generations of the protocol.

#![allow(clippy::unwrap_used)]

mod authentication;
mod callback;
mod challenges;
mod clients;
mod endpoints;
mod metadata;
mod parallel;
mod redirects;
mod requests;
mod responses;
mod restart;
mod runtimes;
mod scopes;
mod secrets;
mod servers;
mod sign_out;
mod streams;
mod stubborn;
mod support;
mod swapped;
mod takeover;
mod token_trouble;
mod tokens;
mod tool_results;
