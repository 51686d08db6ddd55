//! Requests to an MCP server by reqwest, with the credential of a session: they recover when it is rejected, and are sent
//! again. For clients that speak MCP themselves, and for transports of SDKs.
//!
//! ```no_run
//! # use mcp_reauth::AuthSession;
//! # use mcp_reauth_reqwest::Client;
//! # async fn run(session: AuthSession) -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(session)?;
//! let request = client.post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)?;
//! let answer = client.execute(request).await?.text().await?;
//! # Ok(()) }
//! ```
//!
//! For [`reqwest_middleware`] there is [`ReauthMiddleware`], which does the same below other middleware.

mod error;
mod exchange;
#[cfg(feature = "middleware")]
mod middleware;
mod stream;

use mcp_reauth::http::ReqwestClient;
use mcp_reauth::mcp::MAX_ANSWER;
use mcp_reauth::{AuthSession, Error};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{ClientBuilder, Method, Request, Response, Url};

pub use error::{TransportError, find_error};
#[cfg(feature = "middleware")]
pub use middleware::ReauthMiddleware;

use exchange::Sending;

/// A reqwest client that attaches the session's credential to requests for its server, recovers when it is rejected, and
/// sends the request again.
///
/// A message recovers as a command: the user may be asked. The idle event stream of an MCP session, the resumption of an
/// answer, and the end of the session never ask the user; the idle stream waits until it can be authorized. Redirects are
/// followed within the server's origin only, and only those that keep method and body (307 and 308). Results of tools are
/// looked into, as they may hold a challenge, whether they come as JSON or in an event stream.
///
/// Clones share the session and its connections.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) session: AuthSession,
    pub(crate) http: reqwest::Client,
    pub(crate) max_answer: usize,
    pub(crate) max_event: usize,
}

impl Client {
    /// A client on `session`. It uses the environment's proxies, but not to reach this machine itself, and speaks
    /// HTTP/1.1 or HTTP/2, as the server chooses.
    ///
    /// # Errors
    /// [`Error::Config`] when TLS could not be set up, or a variable of the environment names no proxy.
    pub fn new(session: AuthSession) -> Result<Self, Error> {
        Self::with_settings(session, |builder| builder)
    }

    /// The same with settings of one's own, such as further certificate authorities or a client certificate. Redirects and
    /// proxies stay as they are here.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_settings(
        session: AuthSession,
        set: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let http = ReqwestClient::with_settings(set).client_to(session.server());
        let http = http.map_err(|error| Error::config(error.to_string()))?;
        Ok(Self::with_http_client(session, http))
    }

    /// A client on `session` that sends by a reqwest client of one's own, such as one with a proxy. It must follow no
    /// redirects ([`Policy::none`](reqwest::redirect::Policy::none)): a response of another address is an error. [`ReqwestClient::client_to`] gives the one that the session's own requests
    /// go by.
    #[must_use]
    pub fn with_http_client(session: AuthSession, http: reqwest::Client) -> Self {
        Self {
            session,
            http,
            max_answer: MAX_ANSWER,
            max_event: MAX_ANSWER,
        }
    }

    /// With another limit for the length of an answer in JSON that is looked into, in bytes, than [`MAX_ANSWER`].
    #[must_use]
    pub fn with_max_answer(mut self, max: usize) -> Self {
        self.max_answer = max;
        self
    }

    /// With another limit for the length of an event of a stream, in bytes, than [`MAX_ANSWER`].
    #[must_use]
    pub fn with_max_event(mut self, max: usize) -> Self {
        self.max_event = max;
        self
    }

    /// The session it works on.
    #[must_use]
    pub fn session(&self) -> &AuthSession {
        &self.session
    }

    /// A request that sends a JSON-RPC message to the server.
    ///
    /// # Errors
    /// [`Error::Config`] when the server's address is none.
    pub fn post(&self, message: impl Into<reqwest::Body>) -> Result<Request, Error> {
        let url: Result<Url, _> = self.session.server().parse();
        let url = url.map_err(|_| Error::config("the server's address is not valid"))?;
        let mut request = Request::new(Method::POST, url);
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, accept);
        *request.body_mut() = Some(message.into());
        Ok(request)
    }

    /// Sends a request until its response is the caller's. One that is not for the server is sent as it is, without a
    /// credential. The credential that it was sent with last is among the response's extensions
    /// ([`Authorization`](mcp_reauth::Authorization)).
    ///
    /// # Errors
    /// [`TransportError::Auth`] when authorization could not be recovered; [`TransportError::Connection`] when the server
    /// could not be reached.
    pub async fn execute(&self, request: Request) -> Result<Response, TransportError> {
        if !self.session.applies_to(request.url().as_str()) {
            return Ok(self.http.execute(request).await?);
        }
        let mut http = self.http.clone();
        Sending::new(self, request).send(&mut http).await
    }
}
