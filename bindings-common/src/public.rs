//! Sends authorization requests to public addresses only, with core's own client. It checks each address when it
//! connects, which the application's client cannot do.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::future::BoxFuture;
use mcp_reauth::http::{Egress, HttpClient, HttpError, Request, ReqwestClient, Response};
use serde::Deserialize;
use tokio::runtime::{Handle, Id};
use tokio::sync::OnceCell;

use crate::bridge::Caller;
use crate::call::Call;
use crate::refused::CallFailure;

/// Sends requests to public addresses only. The first request asks the application for its network settings.
#[derive(Clone)]
pub(crate) struct PublicClient {
    caller: Caller,
    client: Arc<OnceCell<Arc<ReqwestClient>>>,
}

/// The network settings of the application's runtime.
#[derive(PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Network {
    /// Certificate authorities in PEM; empty: those of the system.
    authorities: Vec<String>,
    env_proxies: bool,
}

/// A client that sessions with the same network settings and runtime share.
struct InUse {
    network: Network,
    runtime: Id,
    client: Weak<ReqwestClient>,
}

static IN_USE: Mutex<Vec<InUse>> = Mutex::new(Vec::new());

impl PublicClient {
    pub(crate) fn new(caller: Caller) -> Self {
        Self {
            caller,
            client: Arc::default(),
        }
    }

    async fn client(&self) -> Result<Arc<ReqwestClient>, HttpError> {
        let made = self.client.get_or_try_init(async || {
            let network = self.caller.ask(Call::Network).await;
            client_of(network.map_err(CallFailure::http)?)
        });
        made.await.cloned()
    }
}

fn client_of(network: Network) -> Result<Arc<ReqwestClient>, HttpError> {
    let runtime = Handle::current().id();
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    in_use.retain(|used| used.client.strong_count() > 0);
    let known = in_use
        .iter()
        .find(|used| used.runtime == runtime && used.network == network);
    if let Some(client) = known.and_then(|used| used.client.upgrade()) {
        return Ok(client);
    }
    let client = ReqwestClient::with_authorities(&network.authorities, network.env_proxies);
    let client = Arc::new(client);
    in_use.push(InUse {
        network,
        runtime,
        client: Arc::downgrade(&client),
    });
    Ok(client)
}

impl HttpClient for PublicClient {
    fn send(
        &self,
        request: Request,
        max_body: usize,
    ) -> BoxFuture<'static, Result<Response, HttpError>> {
        let this = self.clone();
        Box::pin(async move { this.client().await?.send(request, max_body).await })
    }

    fn reach(&self) -> Egress {
        Egress::PUBLIC
    }

    fn resolve(&self, host: &str) -> BoxFuture<'static, Option<Vec<IpAddr>>> {
        let (this, host) = (self.clone(), host.to_owned());
        Box::pin(async move { this.client().await.ok()?.resolve(&host).await })
    }
}
