//! The default [`HttpClient`]: reqwest with rustls.

use crate::limits::CALL_TIMEOUT;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use crate::threads::BoxFuture;
use futures_util::StreamExt;
use futures_util::future::ready;
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, ClientBuilder};
use url::Url;

use super::network::Network;
use super::{Egress, HttpClient, HttpError, Request, Response, is_loopback};
use super::{connecting, trust};

/// Sends requests with reqwest. All clones share their connections. It uses the environment's proxies, except for
/// loopback, and connects to no address that a request's [`Egress`] does not permit; behind a proxy, that is up to the
/// proxy. The server chooses HTTP/1.1 or HTTP/2.
#[derive(Debug, Clone)]
pub struct ReqwestClient {
    clients: Arc<Clients>,
}

/// Each client is built when it is first needed: TLS takes a while to set up, and may fail where it is not needed.
struct Clients {
    set: Set,
    proxies: Proxies,
    by_proxy: OnceLock<reqwest::Client>,
    /// For plain http, which goes to this machine only.
    plain: [OnceLock<reqwest::Client>; Network::COUNT],
    /// One for each limit, so that no request uses a connection that its own limit does not permit.
    direct: [OnceLock<reqwest::Client>; Network::COUNT],
}

type Set = Box<dyn Fn(ClientBuilder) -> ClientBuilder + Send + Sync>;

/// The proxies that the environment names.
enum Proxies {
    Unused,
    Used(Box<Matcher>),
    /// One of them is invalid.
    Wrong(HttpError),
}

impl Default for ReqwestClient {
    fn default() -> Self {
        Self::new()
    }
}

impl ReqwestClient {
    /// Creates a client that follows no redirects and keeps no cookies.
    #[must_use]
    pub fn new() -> Self {
        Self::with_settings(|builder| builder)
    }

    /// Creates a client with further settings, such as certificate authorities or a client certificate. `set` is called
    /// for each of the few underlying clients. Proxies, redirects and name resolution stay as they are here.
    #[must_use]
    pub fn with_settings(
        set: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        let proxies = match trust::check_proxies() {
            Ok(()) => Proxies::Used(Box::new(Matcher::from_env())),
            Err(error) => Proxies::Wrong(error),
        };
        Self::with(set, proxies)
    }

    /// Creates a client that trusts these certificate authorities (PEM, any number in each string) instead of the
    /// system's, and uses the environment's proxies only if `env_proxies` is set. Skips what is not a certificate; if
    /// no certificate is left, the system's authorities are trusted.
    #[must_use]
    pub fn with_authorities(pem: &[String], env_proxies: bool) -> Self {
        let read = pem
            .iter()
            .map(|pem| Certificate::from_pem_bundle(pem.as_bytes()));
        let authorities = usable(read.flatten().flatten().collect());
        let set = move |builder: ClientBuilder| match authorities.is_empty() {
            true => builder,
            false => builder.tls_certs_only(authorities.iter().cloned()),
        };
        match env_proxies {
            true => Self::with_settings(set),
            false => Self::with(set, Proxies::Unused),
        }
    }

    /// Returns the reqwest client for `url`, for your own transport: it follows no redirects, and shares settings,
    /// connections and proxies.
    ///
    /// # Errors
    /// If TLS could not be set up, or an environment variable names no valid proxy.
    pub fn client_to(&self, url: &str) -> Result<reqwest::Client, HttpError> {
        let uri = Url::parse(url)
            .ok()
            .and_then(|url| url.as_str().parse().ok());
        let uri: Uri = uri.ok_or_else(|| HttpError::unreachable("the address is not valid"))?;
        Ok(self.clients.to(&uri, Egress::ANYWHERE)?.0)
    }

    fn with(
        set: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
        proxies: Proxies,
    ) -> Self {
        Self {
            clients: Arc::new(Clients {
                set: Box::new(set),
                proxies,
                by_proxy: OnceLock::new(),
                plain: Default::default(),
                direct: Default::default(),
            }),
        }
    }
}

impl Clients {
    /// Returns the client for requests to a URL, and the proxy that they go through.
    fn to(
        &self,
        uri: &Uri,
        egress: Egress,
    ) -> Result<(reqwest::Client, Option<String>), HttpError> {
        let url = Url::parse(&uri.to_string()).ok();
        // A proxy must not see what is sent to this machine in the clear.
        let here = url.as_ref().is_some_and(is_loopback);
        if !here && let Some(proxy) = self.proxy(uri)? {
            let client = build(&self.by_proxy, || self.builder())?;
            return Ok((client, Some(proxy)));
        }
        let builder = || self.builder().no_proxy().dns_resolver(Vetted(egress));
        let client = match here && url.is_some_and(|url| url.scheme() == "http") {
            // It works without certificate authorities on this machine.
            true => build(&self.plain[egress.narrowest as usize], || {
                builder().tls_certs_only([])
            }),
            false => build(&self.direct[egress.narrowest as usize], builder),
        };
        Ok((client?, None))
    }

    fn builder(&self) -> ClientBuilder {
        (self.set)(client_builder())
    }

    fn proxy(&self, uri: &Uri) -> Result<Option<String>, HttpError> {
        match &self.proxies {
            Proxies::Unused => Ok(None),
            Proxies::Used(proxies) => Ok(proxy(proxies, uri)),
            Proxies::Wrong(error) => Err(error.clone()),
        }
    }
}

/// Returns the proxy for a URL, without user name and password.
fn proxy(proxies: &Matcher, uri: &Uri) -> Option<String> {
    let found = proxies.intercept(uri)?;
    let address = found.uri();
    let host = address.authority().map_or("", |a| a.as_str());
    let host = host.rsplit('@').next().unwrap_or_default();
    Some(format!(
        "{}://{host}",
        address.scheme_str().unwrap_or("http")
    ))
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

/// Returns the authorities that rustls accepts: one of an old form in the list is no reason to trust none.
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
    builder: impl FnOnce() -> ClientBuilder,
) -> Result<reqwest::Client, HttpError> {
    if let Some(client) = made.get() {
        return Ok(client.clone());
    }
    let client = builder()
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let client = client.map_err(|error| connecting::failed(error, None))?;
    Ok(made.get_or_init(|| client).clone())
}

/// Converts the error of a client that uses the environment's proxies, such as [`ReqwestClient::client_to`] returns.
impl From<reqwest::Error> for HttpError {
    fn from(error: reqwest::Error) -> Self {
        let url = error.url().filter(|url| !is_loopback(url));
        let uri = url.and_then(|url| url.as_str().parse().ok());
        let proxy = uri.and_then(|uri| proxy(&Matcher::from_env(), &uri));
        connecting::failed(error, proxy.as_deref())
    }
}

/// Resolves names, and returns only the addresses that may be connected to.
struct Vetted(Egress);

/// A name has no address that may be connected to.
#[derive(Debug, thiserror::Error)]
#[error("the name has no address that is allowed")]
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

/// The settings that all of this crate's clients share.
fn client_builder() -> ClientBuilder {
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
        let egress = request.extensions().get::<Egress>();
        let egress = egress.copied().unwrap_or(Egress::ANYWHERE);
        let client = self.clients.to(request.uri(), egress);
        Box::pin(async move {
            let (client, proxy) = client?;
            let connection = |error| connection(error, proxy.as_deref());
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
        if url.is_ok_and(|url| matches!(self.clients.proxy(&url), Ok(Some(_)))) {
            return Box::pin(ready(None));
        }
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 443)).await.ok()?;
            Some(found.map(|found| found.ip()).collect())
        })
    }
}

fn connection(error: reqwest::Error, proxy: Option<&str>) -> HttpError {
    let mut inner: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = inner {
        if error.is::<Outside>() {
            return HttpError::Blocked;
        }
        inner = error.source();
    }
    connecting::failed(error, proxy)
}
