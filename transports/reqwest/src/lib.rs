//! Sends requests to an MCP server through reqwest with a session's credential. When the server rejects the credential,
//! the session recovers and the request is sent again. For MCP clients without an SDK, and for transports of SDKs.
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
//! For [`reqwest_middleware`] there is [`ReauthMiddleware`].

mod error;
#[cfg(feature = "middleware")]
mod middleware;
mod recovering;
mod stream;

use mcp_reauth::http::ReqwestClient;
use mcp_reauth::mcp::MAX_ANSWER;
use mcp_reauth::{AuthSession, Error};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use reqwest::{ClientBuilder, Method, Request, Response, Url};

pub use error::{TransportError, find_error};
#[cfg(feature = "middleware")]
pub use middleware::ReauthMiddleware;

use recovering::RecoveringRequest;

/// A reqwest client that attaches the session's credential to requests for its server, recovers when the server rejects
/// it, and sends the request again.
///
/// JSON-RPC messages recover as commands: the user may be asked. The idle event stream of an MCP session, the
/// resumption of a response stream, and the end of the session never ask the user; the idle stream waits until it can
/// be authorized. Redirects are followed within the server's origin only, and only those that keep method and body (307
/// and 308). Tool results are inspected for challenges, both as JSON and in event streams.
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
    /// Creates a client for `session`. It uses the environment's proxies, except for loopback addresses, and HTTP/1.1
    /// or HTTP/2, as the server chooses.
    ///
    /// # Errors
    /// [`Error::Config`] when TLS cannot be set up, or an environment variable contains an invalid proxy.
    pub fn new(session: AuthSession) -> Result<Self, Error> {
        Self::with_settings(session, |builder| builder)
    }

    /// Creates a client with additional settings, such as certificate authorities or a client certificate. They cannot
    /// change how redirects and proxies are handled.
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

    /// Creates a client that sends through the given reqwest client, for example one with a proxy. It must not follow
    /// redirects ([`Policy::none`](reqwest::redirect::Policy::none)): a response from another address is an error.
    /// [`ReqwestClient::client_to`] returns the client that the session itself uses.
    #[must_use]
    pub fn with_http_client(session: AuthSession, http: reqwest::Client) -> Self {
        Self {
            session,
            http,
            max_answer: MAX_ANSWER,
            max_event: MAX_ANSWER,
        }
    }

    /// Sets the limit for a JSON response that is inspected, in bytes; the default is [`MAX_ANSWER`].
    #[must_use]
    pub fn with_max_answer(mut self, max: usize) -> Self {
        self.max_answer = max;
        self
    }

    /// Sets the limit for one event of a stream, in bytes; the default is [`MAX_ANSWER`].
    #[must_use]
    pub fn with_max_event(mut self, max: usize) -> Self {
        self.max_event = max;
        self
    }

    /// The session whose credential it sends.
    #[must_use]
    pub fn session(&self) -> &AuthSession {
        &self.session
    }

    /// Builds a request that sends a JSON-RPC message to the server.
    ///
    /// # Errors
    /// [`Error::Config`] when the server's address is invalid.
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

    /// Sends a request, and recovers when it is rejected. A request to another server is sent unchanged, without a
    /// credential. The response's extensions contain the credential it was last sent with
    /// ([`Authorization`](mcp_reauth::Authorization)).
    ///
    /// # Errors
    /// [`TransportError::Auth`] when authorization could not be recovered; [`TransportError::Connection`] when the
    /// server could not be reached.
    pub async fn execute(&self, request: Request) -> Result<Response, TransportError> {
        if !self.session.applies_to(request.url().as_str()) {
            return Ok(self.http.execute(request).await?);
        }
        let mut http = self.http.clone();
        RecoveringRequest::new(self, request).send(&mut http).await
    }
}
