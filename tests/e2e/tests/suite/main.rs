//! A real MCP client that recovers, against real servers over sockets, in both protocol generations.

#![allow(clippy::unwrap_used)]

mod assertions;
mod authentication;
mod callback;
mod challenges;
mod clients;
mod dpop;
mod endpoints;
mod enterprise;
mod enterprise_trouble;
mod limits;
mod metadata;
mod parallel;
mod pushed;
mod redirects;
mod requests;
mod reqwest_client;
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
mod workload;
