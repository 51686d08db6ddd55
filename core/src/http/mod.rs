//! Outgoing calls of the authorization protocol, and all security limits on them.

#[cfg(feature = "reqwest")]
mod connecting;
mod egress;
mod network;
#[cfg(feature = "reqwest")]
mod reqwest_client;
#[cfg(feature = "reqwest")]
mod shared;
#[cfg(feature = "reqwest")]
mod trust;

use std::error::Error as StdError;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::threads::{BoxFuture, MaybeSend, MaybeSync};
use futures_util::future::ready;
use http::{HeaderValue, header};
use url::{Host, Url};

use crate::error::{Cause, Delivery, Error, TransientError};
use crate::limits::CALL_TIMEOUT;
use crate::runtime::{Runtime, timeout};
use crate::text;
/// Types of the `http` crate that are part of this crate's API.
pub use ::http::{HeaderMap, Method, StatusCode};
pub use egress::Egress;
pub(crate) use egress::{Guard, check_allowed};
#[cfg(feature = "reqwest")]
pub use reqwest_client::ReqwestClient;
#[cfg(feature = "reqwest")]
pub(crate) use shared::SharedClient;

/// The maximum length of a response body, in bytes.
const MAX_BODY: usize = 1024 * 1024;
/// How many redirects within one origin a metadata request follows.
const MAX_REDIRECTS: usize = 3;

/// An HTTP request with its whole body.
pub type Request = http::Request<Vec<u8>>;
/// An HTTP response with its whole body.
pub type Response = http::Response<Vec<u8>>;

/// Sends one HTTP request. The default is [`ReqwestClient`]; a host with its own HTTP stack implements its own.
///
/// An implementation must not follow redirects, must not add credentials or cookies, must stop
/// reading when a body grows past `max_body` bytes, and should connect to no address that the request's [`Egress`]
/// (an extension) does not permit.
#[auto_impl::auto_impl(Arc)]
pub trait HttpClient: MaybeSend + MaybeSync + 'static {
    /// Sends `request` and reads the whole response.
    ///
    /// # Errors
    /// [`HttpError`] if no complete response was received.
    fn send(
        &self,
        request: Request,
        max_body: usize,
    ) -> BoxFuture<'static, Result<Response, HttpError>>;

    /// Returns the addresses that this client connects to at all, whichever server leads there and wherever the MCP
    /// server itself is. Only endpoints that are allowed by name are exempt. The default is any address.
    fn reach(&self) -> Egress {
        Egress::ANYWHERE
    }

    /// Resolves a host to its addresses; `None` if this client does not resolve names itself (behind a proxy), or found
    /// none. With the default, which returns `None`, only literal IP addresses are checked for their network.
    fn resolve(&self, host: &str) -> BoxFuture<'static, Option<Vec<IpAddr>>> {
        let _ = host;
        Box::pin(ready(None))
    }
}

/// Why an HTTP exchange failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No connection could be made, or it broke before the response was complete: see
    /// [`unreachable`](Self::unreachable) and [`broken`](Self::broken).
    #[error("{detail}")]
    #[non_exhaustive]
    Connection {
        /// What happened, in words for a user.
        detail: String,
        /// Nothing was sent, so that any request can be sent again.
        unsent: bool,
        /// The underlying error.
        #[source]
        cause: Option<Cause>,
    },
    /// The body is too long.
    #[error("the response is longer than {MAX_BODY} bytes")]
    BodyTooLarge,
    /// No response arrived within this time.
    #[error("no response within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The URL is neither https nor loopback.
    #[error("the address is not protected by https")]
    Insecure,
    /// The URL contains a user name or password.
    #[error("the address has a user name or password in it")]
    UserInfo,
    /// The address is in a narrower network than the server that leads there: see [`Egress`].
    #[error("the address is in a narrower network than the server that named it")]
    Blocked,
    /// The server redirects to another origin, in a circle, or with a status other than 307 and 308.
    #[error("it redirects to {0}, which is not followed")]
    Redirect(String),
}

impl HttpError {
    /// No connection could be made: nothing was sent.
    #[must_use]
    pub fn unreachable(detail: impl Into<String>) -> Self {
        Self::connection(detail.into(), true)
    }

    /// The connection broke. The server may still have acted on the request.
    #[must_use]
    pub fn broken(detail: impl Into<String>) -> Self {
        Self::connection(detail.into(), false)
    }

    fn connection(detail: String, unsent: bool) -> Self {
        Self::Connection {
            detail,
            unsent,
            cause: None,
        }
    }

    /// Attaches the underlying error of a failed connection. Leaves any other error as it is.
    #[must_use]
    pub fn caused_by(mut self, error: impl StdError + Send + Sync + 'static) -> Self {
        if let Self::Connection { cause, .. } = &mut self {
            *cause = Some(Cause::new(error));
        }
        self
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::Redirect(text::without_password(text::without_query(to)).into_owned())
    }

    /// Whether nothing was sent, and sending again would fail in the same way.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::UserInfo | Self::Blocked)
    }

    pub(crate) fn at(self, url: &str) -> Error {
        match self {
            Self::Insecure => Error::insecure(url),
            Self::UserInfo => Error::metadata(url, self.to_string()),
            Self::Blocked => Error::blocked(url),
            other => Error::http(url, other),
        }
    }
}

/// The HTTP client of all of core: the caller's [`HttpClient`] within the limits.
#[derive(Clone)]
pub(crate) struct GuardedClient {
    client: Arc<dyn HttpClient>,
    runtime: Arc<dyn Runtime>,
    guard: Arc<Guard>,
}

impl GuardedClient {
    pub(crate) fn new(
        client: Arc<dyn HttpClient>,
        runtime: Arc<dyn Runtime>,
        guard: Guard,
    ) -> Self {
        Self {
            client,
            runtime,
            guard: Arc::new(guard),
        }
    }

    /// Returns the same client for a chain that starts at another server.
    pub(crate) fn starting_at(&self, server: &str) -> Self {
        Self {
            guard: Arc::new(self.guard.starting_at(server)),
            ..self.clone()
        }
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.runtime.now()
    }

    /// Runs `work` for at most `limit`.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        timeout(&*self.runtime, limit, work).await
    }

    /// Checks that a request or the user may be sent to a URL.
    ///
    /// # Errors
    /// [`HttpError::Insecure`], [`HttpError::UserInfo`], [`HttpError::Blocked`].
    pub(crate) async fn check(&self, url: &str) -> Result<Egress, HttpError> {
        if !is_secure(url) {
            return Err(HttpError::Insecure);
        }
        if has_userinfo(url) {
            return Err(HttpError::UserInfo);
        }
        self.guard.check(url, &*self.client).await
    }

    /// As [`check`](Self::check), before a sign-in that needs the URL.
    pub(crate) async fn check_reach(&self, url: &str) -> Result<(), Error> {
        let checked = self.check(url).await;
        checked.map(drop).map_err(|error| error.at(url))
    }

    /// Sends one request and follows no redirects, as for registration endpoints.
    pub(crate) async fn send(&self, request: Request) -> Result<Response, HttpError> {
        self.send_within(CALL_TIMEOUT, request).await
    }

    /// As [`send`](Self::send), with a time limit for the response.
    pub(crate) async fn send_within(
        &self,
        limit: Duration,
        mut request: Request,
    ) -> Result<Response, HttpError> {
        let answer = async {
            let url = request.uri().to_string();
            let egress = self.check(&url).await?;
            request.extensions_mut().insert(egress);
            self.client.send(request, MAX_BODY).await
        };
        let response = timeout(&*self.runtime, limit, answer)
            .await
            .ok_or(HttpError::Timeout(limit))??;
        if response.body().len() > MAX_BODY {
            return Err(HttpError::BodyTooLarge);
        }
        Ok(response)
    }

    /// Reads a document. Follows a few redirects by 307 and 308 within one origin; any redirect to another origin is an
    /// error. Other redirects are returned as the response: gateways redirect unknown paths to a page of their own.
    pub(crate) async fn get_json(&self, url: &str) -> Result<Response, HttpError> {
        let mut at = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let request = request(Method::GET, &at, Vec::new())?;
            let response = self.send(request).await?;
            let status = response.status();
            let target = location(&at, response.headers());
            let Some(target) = target.filter(|_| is_redirect(status)) else {
                return Ok(response);
            };
            if !same_origin(&at, &target) || has_userinfo(&target) {
                return Err(HttpError::redirect(&target));
            }
            if !keeps_method(status) {
                return Ok(response);
            }
            at = target;
        }
        Err(HttpError::redirect(&at))
    }

    /// Posts a JSON document.
    pub(crate) async fn post_json(&self, url: &str, body: Vec<u8>) -> Result<Response, HttpError> {
        let mut request = request(Method::POST, url, body)?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        self.send(request).await
    }
}

fn request(method: Method, url: &str, body: Vec<u8>) -> Result<Request, HttpError> {
    http::Request::builder()
        .method(method)
        .uri(url)
        .header(header::ACCEPT, "application/json")
        .body(body)
        .map_err(|_| HttpError::unreachable("the address is not valid"))
}

/// Whether it is a redirect that has a location (RFC 9110 section 15.4).
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Whether it is a redirect that keeps method and body (RFC 9110 sections 15.4.8 and 15.4.9).
pub(crate) fn keeps_method(status: StatusCode) -> bool {
    matches!(status.as_u16(), 307 | 308)
}

/// Returns the URL that a response points to, relative to the requested URL.
pub(crate) fn location(from: &str, headers: &HeaderMap) -> Option<String> {
    let location = headers.get(header::LOCATION)?;
    let location = String::from_utf8_lossy(location.as_bytes());
    Some(Url::parse(from).ok()?.join(&location).ok()?.into())
}

/// Whether two URLs share scheme, host and port.
pub(crate) fn same_origin(a: &str, b: &str) -> bool {
    match (Url::parse(a), Url::parse(b)) {
        (Ok(a), Ok(b)) => a.origin().is_tuple() && a.origin() == b.origin(),
        _ => false,
    }
}

/// Whether a URL contains a user name or password.
pub(crate) fn has_userinfo(url: &str) -> bool {
    let authority = url.split_once("//").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#', '\\']).next();
    // Also read by hand, in case this parser sees none where another parser sees one.
    authority.is_some_and(|authority| authority.contains('@'))
        || Url::parse(url).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

/// Whether credentials may be sent there: https, or plain http to this machine. Only literal loopback addresses and the
/// name `localhost` itself count; a name that merely looks like one does not.
pub(crate) fn is_secure(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url),
        _ => false,
    }
}

/// Whether the host of a URL is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

impl From<HttpError> for TransientError {
    fn from(error: HttpError) -> Self {
        let detail = error.to_string();
        let delivery = match &error {
            HttpError::Connection { unsent: true, .. } => Delivery::Unsent,
            HttpError::Connection { .. } => Delivery::Broken,
            HttpError::Timeout(_) => Delivery::Late,
            _ => Delivery::Answered,
        };
        let cause = match error {
            HttpError::Connection { cause, .. } => cause,
            _ => None,
        };
        Self {
            cause,
            delivery,
            ..detail.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secure_means_https_or_this_machine() {
        for url in [
            "https://as.example/token",
            "http://127.0.0.1:3000",
            "http://127.9.8.7/",
            "http://[::1]:80/",
            "http://localhost:6276/cb",
            "http://LOCALHOST/",
            // Other spellings of 127.0.0.1, which a client connects to.
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://127.0.0.1./",
        ] {
            assert!(is_secure(url), "{url}");
        }
        for url in [
            "http://as.example/",
            "http://localhost.evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://evil.example/?127.0.0.1",
            "http://localhost@evil.example/",
            "http://localhost./",
            "http://0.0.0.0/",
            "http://0/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::127.0.0.1]/",
            "http://2886794753/",
            "http://127.0.0.1:80@evil.example/",
            "http://evil.example#@localhost/",
            "http://10.0.0.1/",
            "http://a.localhost/",
            "ftp://localhost/",
            "javascript:alert(1)",
            "localhost",
            "",
        ] {
            assert!(!is_secure(url), "{url}");
        }
    }

    #[test]
    fn origins() {
        assert!(same_origin(
            "https://a.example/x",
            "https://A.example:443/y"
        ));
        assert!(!same_origin("https://a.example/", "http://a.example/"));
        assert!(!same_origin("http://127.0.0.1:1/", "http://127.0.0.1:2/"));
        assert!(!same_origin("data:a", "data:a"));
    }
}
