//! The default [`HttpClient`], by reqwest with rustls.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, ready};
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, ClientBuilder};
use url::Url;

use super::network::Network;
use super::{CALL_TIMEOUT, Egress, HttpClient, HttpError, Request, Response, is_loopback};

/// Sends requests by reqwest. Connections are kept and shared by all clones. It uses the environment's proxies, but not
/// to reach this machine itself, and connects to no address that a request's [`Egress`] does not permit; behind a
/// proxy, that is for the proxy.
#[derive(Debug, Clone)]
pub struct ReqwestClient {
    clients: Arc<Clients>,
}

/// Each is made when it is first needed.
#[derive(Debug)]
struct Clients {
    /// The only certificate authorities that are trusted; `None`: those of the system.
    authorities: Option<Vec<Certificate>>,
    proxies: Matcher,
    by_proxy: OnceLock<reqwest::Client>,
    /// One for each limit, so that no connection is used beyond the limit under which it was made.
    direct: [OnceLock<reqwest::Client>; Network::COUNT],
}

impl ReqwestClient {
    /// A client that follows no redirects and keeps no cookies.
    ///
    /// # Errors
    /// [`HttpError::Connection`] when TLS could not be set up.
    pub fn new() -> Result<Self, HttpError> {
        Self::with(None, Matcher::from_env())
    }

    /// A client that trusts these certificate authorities (PEM, any number in each) and not those of the system, and
    /// uses the environment's proxies only where that is said. What is no certificate is passed over; where none is
    /// left, the system's are trusted.
    ///
    /// # Errors
    /// [`HttpError::Connection`] when TLS could not be set up.
    pub fn with_authorities(pem: &[String], env_proxies: bool) -> Result<Self, HttpError> {
        let proxies = match env_proxies {
            true => Matcher::from_env(),
            false => Matcher::builder().build(),
        };
        let read = pem
            .iter()
            .map(|pem| Certificate::from_pem_bundle(pem.as_bytes()));
        let authorities = usable(read.flatten().flatten().collect());
        Self::with(Some(authorities).filter(|some| !some.is_empty()), proxies)
    }

    fn with(authorities: Option<Vec<Certificate>>, proxies: Matcher) -> Result<Self, HttpError> {
        let clients = Clients {
            authorities,
            proxies,
            by_proxy: OnceLock::new(),
            direct: Default::default(),
        };
        clients.direct(Egress::ANYWHERE)?;
        Ok(Self {
            clients: Arc::new(clients),
        })
    }
}

impl Clients {
    fn of(&self, request: &Request) -> Result<reqwest::Client, HttpError> {
        // What is sent to this machine in the clear is not for a proxy to see.
        let here = Url::parse(&request.uri().to_string()).is_ok_and(|url| is_loopback(&url));
        if !here && self.proxies.intercept(request.uri()).is_some() {
            return build(&self.by_proxy, self.builder());
        }
        let egress = request.extensions().get::<Egress>();
        self.direct(egress.copied().unwrap_or(Egress::ANYWHERE))
    }

    fn builder(&self) -> ClientBuilder {
        let builder = client_builder();
        match &self.authorities {
            Some(authorities) => builder.tls_certs_only(authorities.iter().cloned()),
            None => builder,
        }
    }

    fn direct(&self, egress: Egress) -> Result<reqwest::Client, HttpError> {
        let builder = self.builder().no_proxy().dns_resolver(Vetted(egress));
        build(&self.direct[egress.narrowest as usize], builder)
    }
}

/// Those that can be trusted at all: somebody else's list may have one of an old form, which is no reason to trust none.
fn usable(authorities: Vec<Certificate>) -> Vec<Certificate> {
    let builds = |authorities: &[Certificate]| {
        let builder = reqwest::Client::builder().tls_certs_only(authorities.iter().cloned());
        builder.build().is_ok()
    };
    match builds(&authorities) {
        true => authorities,
        false => authorities
            .into_iter()
            .filter(|authority| builds(std::slice::from_ref(authority)))
            .collect(),
    }
}

fn build(
    made: &OnceLock<reqwest::Client>,
    builder: ClientBuilder,
) -> Result<reqwest::Client, HttpError> {
    if let Some(client) = made.get() {
        return Ok(client.clone());
    }
    let client = builder.redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|error| HttpError::unreachable(cause(&error)))?;
    Ok(made.get_or_init(|| client).clone())
}

/// Looks names up, and gives only the addresses that may be connected to.
struct Vetted(Egress);

/// A name has no address that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address that may be connected to")]
struct Outside;

impl Resolve for Vetted {
    fn resolve(&self, name: Name) -> Resolving {
        let Self(egress) = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let mut permitted = found
                .filter(move |found| egress.permits(found.ip()))
                .peekable();
            if permitted.peek().is_none() {
                return Err(Outside.into());
            }
            let permitted: Vec<SocketAddr> = permitted.collect();
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// What all of this crate's clients have in common.
pub(crate) fn client_builder() -> ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("mcp-reauth/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CALL_TIMEOUT)
}

impl HttpClient for ReqwestClient {
    fn send(
        &self,
        request: Request,
        max_body: usize,
    ) -> BoxFuture<'static, Result<Response, HttpError>> {
        let client = self.clients.of(&request);
        Box::pin(async move {
            let client = client?;
            let request = reqwest::Request::try_from(request).map_err(connection)?;
            let answer = client.execute(request).await.map_err(connection)?;
            let mut response = http::Response::new(Vec::new());
            *response.status_mut() = answer.status();
            *response.headers_mut() = answer.headers().clone();
            let mut chunks = answer.bytes_stream();
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(connection)?;
                if response.body().len() + chunk.len() > max_body {
                    return Err(HttpError::BodyTooLarge);
                }
                response.body_mut().extend_from_slice(&chunk);
            }
            Ok(response)
        })
    }

    fn resolve(&self, host: &str) -> BoxFuture<'static, Option<Vec<IpAddr>>> {
        let url = format!("https://{host}").parse();
        if url.is_ok_and(|url| self.clients.proxies.intercept(&url).is_some()) {
            return Box::pin(ready(None));
        }
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 443)).await.ok()?;
            Some(found.map(|found| found.ip()).collect())
        })
    }
}

fn connection(error: reqwest::Error) -> HttpError {
    let mut inner: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = inner {
        if error.is::<Outside>() {
            return HttpError::Blocked;
        }
        inner = error.source();
    }
    // A request that could not be built was not sent either.
    let told = match error.is_connect() || error.is_builder() {
        true => HttpError::unreachable,
        false => HttpError::broken,
    };
    told(cause(&error))
}

/// The innermost cause says what happened ("connection refused"); the outer ones repeat the address,
/// whose query nobody should see.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if std::ptr::addr_eq(cause, error) {
        "the connection failed".to_owned()
    } else {
        cause.to_string()
    }
}
