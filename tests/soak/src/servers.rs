//! The servers: two fixtures, each behind two proxies.

use std::io;
use std::sync::Arc;

use mcp_reauth_fixture::config::{Dpop, DpopNonce};
use mcp_reauth_fixture::{Config, Fixture};

use crate::proxy::ledger::Ledger;
use crate::proxy::rules::Role;
use crate::proxy::{Proxy, listen};

/// The lifetime of access tokens in seconds: short, so that renewals happen all the time.
pub(crate) const TOKEN_LIFE: u32 = 20;
/// Another program may take a port between the search and its use.
const TRIES: usize = 10;

/// An MCP server with its authorization server, and the proxies in front of them.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) fixture: Fixture,
    pub(crate) mcp: Proxy,
    pub(crate) issuer: Proxy,
    pub(crate) ledger: Arc<Ledger>,
}

impl Server {
    /// Starts a server whose tokens are bound to keys, or one with bearer tokens.
    pub(crate) async fn start(bound: bool) -> io::Result<Self> {
        let from = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap_or_default();
        let mcp = listen(from).await?;
        let issuer = listen(from).await?;
        let mut failed = None;
        for _ in 0..TRIES {
            let [to_mcp, to_issuer] = free_ports(from).await?;
            let config = Config {
                mcp_port: to_mcp,
                issuer_port: to_issuer,
                mcp_public_port: mcp.local_addr()?.port(),
                issuer_public_port: issuer.local_addr()?.port(),
                access_token_ttl_seconds: TOKEN_LIFE,
                dpop: if bound { Dpop::Required } else { Dpop::Off },
                dpop_nonce: if bound {
                    DpopNonce::Demanded
                } else {
                    DpopNonce::Off
                },
                ..Config::default()
            };
            let ledger = Arc::new(Ledger::default());
            match Fixture::start(config).await {
                Ok(fixture) => {
                    return Ok(Self {
                        fixture,
                        mcp: Proxy::start(Role::Mcp, mcp, to_mcp, Arc::clone(&ledger))?,
                        issuer: Proxy::start(Role::Issuer, issuer, to_issuer, Arc::clone(&ledger))?,
                        ledger,
                    });
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(io::Error::other(format!(
            "the fixture does not start: {failed:?}"
        )))
    }

    /// The address for the step-up questions to its users.
    pub(crate) fn question(&self) -> String {
        format!("{}/question", self.fixture.issuer())
    }
}

/// Two ports that are not in use.
async fn free_ports(from: u16) -> io::Result<[u16; 2]> {
    let from = from.saturating_add(500);
    let (one, other) = (listen(from).await?, listen(from).await?);
    Ok([one.local_addr()?.port(), other.local_addr()?.port()])
}
