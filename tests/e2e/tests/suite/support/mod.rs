//! Support for all tests: servers, a user, a client, and the captured logs.

pub(crate) mod browser;
mod canary;
mod client;
mod clock;
mod elsewhere;
pub(crate) mod enterprise;
mod front;
mod hand;
pub(crate) mod log;
mod scripted;
mod server;
mod user;
mod wire;
mod world;

pub(crate) use client::{Client, Failure};
pub(crate) use clock::Clock;
pub(crate) use elsewhere::Elsewhere;
pub(crate) use front::Front;
pub(crate) use hand::{Speaker, send};
pub(crate) use scripted::Scripted;
pub(crate) use server::Servers;
pub(crate) use user::User;
pub(crate) use wire::{Wire, connect_to, reauth_client};
pub(crate) use world::World;

use std::time::Duration;

/// Other spellings of an issuer with a path, which are equal only after normalization.
pub(crate) fn spellings(issuer: &str) -> Vec<String> {
    let (origin, path) = issuer.rsplit_once('/').expect("it has a path");
    let (host, port) = origin.rsplit_once(':').expect("it has a port");
    let encoded = format!("%{:02X}{}", path.as_bytes()[0], &path[1..]);
    vec![
        format!("{issuer}/"),
        format!("{issuer}?"),
        format!("{issuer}#"),
        format!("{issuer} "),
        format!(" {issuer}"),
        format!("{origin}//{path}"),
        format!("{origin}/./{path}"),
        format!("{origin}/x/../{path}"),
        format!("{origin}/x/%2e%2e/{path}"),
        format!("{origin}/{encoded}"),
        format!("{origin}/{}", path.to_uppercase()),
        format!("{host}:0{port}/{path}"),
        issuer.replacen("http", "HTTP", 1),
        issuer.replacen("http", "https", 1),
        issuer.replacen("127.0.0.1", "localhost", 1),
        issuer.replacen("127.0.0.1", "2130706433", 1),
        issuer.replacen("http://", "http://user@", 1),
        issuer.replace('/', "%2F"),
        origin.to_owned(),
        String::new(),
    ]
}

/// The time limit of a test.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs a test with a time limit.
pub(crate) async fn bounded(test: impl Future<Output = ()>) {
    tokio::time::timeout(LIMIT, test)
        .await
        .expect("the test ends");
}

/// Tests that run with both protocol generations.
macro_rules! at_both_wires {
    ($($(#[doc = $doc:literal])* async fn $name:ident($wire:ident: Wire) $body:block)*) => {
        $(
            $(#[doc = $doc])*
            mod $name {
                use super::*;

                async fn run($wire: Wire) $body

                #[tokio::test]
                async fn sessions() {
                    $crate::support::bounded(run(Wire::Sessions)).await;
                }

                #[tokio::test]
                async fn stateless() {
                    $crate::support::bounded(run(Wire::Stateless)).await;
                }
            }
        )*
    };
}

/// Tests that run with one protocol generation.
macro_rules! tests {
    ($($(#[doc = $doc:literal])* async fn $name:ident() $body:block)*) => {
        $(
            $(#[doc = $doc])*
            #[tokio::test]
            async fn $name() {
                $crate::support::bounded(async $body).await;
            }
        )*
    };
}

pub(crate) use {at_both_wires, tests};
