//! The client transport for the official Rust SDK: an rmcp HTTP client that recovers.
//!
//! ```no_run
//! # use mcp_reauth::{AuthSession, rmcp::ReauthClient};
//! # use rmcp::{ServiceExt, transport::StreamableHttpClientTransport};
//! # use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
//! # async fn run(session: AuthSession) -> Result<(), Box<dyn std::error::Error>> {
//! let config = StreamableHttpClientTransportConfig::with_uri(session.server());
//! let transport = StreamableHttpClientTransport::with_client(ReauthClient::new(session)?, config);
//! let client = ().serve(transport).await?;
//! # Ok(()) }
//! ```

mod answer;
mod error;
mod exchange;
mod response;
mod tool_result;

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use reqwest::ClientBuilder;
use reqwest::redirect::Policy;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::Sse;
use url::Url;

pub use error::{TransportError, find_error, innermost};

use crate::challenge::Operation;
use crate::error::Error;
use crate::http::{check_proxies, client_builder, failed, is_loopback};
use crate::recovery::Trigger;
use crate::session::AuthSession;
use exchange::{Exchange, Outgoing};

type Failure = StreamableHttpError<TransportError>;
type Events = BoxStream<'static, Result<Sse, SseError>>;

/// The largest event that is read from a stream whose reader sets no limit, in bytes.
const MAX_EVENT: usize = 16 * 1024 * 1024;

/// An rmcp HTTP client that attaches the session's credential, recovers when it is rejected, and sends the
/// request again. Messages recover as commands; the idle event stream and the end of the MCP session as ambient
/// requests, which never prompt.
///
/// Redirects are followed within the server's origin only, and only those that keep method and body.
#[derive(Debug, Clone)]
pub struct ReauthClient {
    session: AuthSession,
    client: reqwest::Client,
    listens: bool,
}

impl ReauthClient {
    /// A client on `session`. It uses the environment's proxies, but not to reach this machine itself, and speaks
    /// HTTP/1.1 or HTTP/2, as the server chooses.
    ///
    /// # Errors
    /// [`Error::Config`] when TLS could not be set up, or a variable of the environment names no proxy.
    pub fn new(session: AuthSession) -> Result<Self, Error> {
        Self::with_settings(session, |builder| builder)
    }

    /// The same with settings of one's own, such as further certificate authorities, a client certificate or a proxy.
    /// Redirects stay as they are here.
    ///
    /// # Errors
    /// [`Error::Config`] when TLS could not be set up, or a variable of the environment names no proxy.
    pub fn with_settings(
        session: AuthSession,
        set: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, Error> {
        let mut builder = set(client_builder()).redirect(Policy::none());
        match Url::parse(session.server()) {
            // What is sent to this machine in the clear is not for a proxy to see, and needs no certificate.
            Ok(url) if is_loopback(&url) => {
                builder = builder.no_proxy();
                if url.scheme() == "http" {
                    builder = builder.tls_certs_only([]);
                }
            }
            _ => check_proxies().map_err(|error| Error::config(error.to_string()))?,
        }
        let client = builder
            .build()
            .map_err(|error| Error::config(failed(error).to_string()))?;
        Ok(Self {
            session,
            client,
            listens: true,
        })
    }

    /// The same client, but without the idle event stream, on which a server sends what answers no request: for a
    /// program that makes a call and ends, this is one request less.
    #[must_use]
    pub fn without_idle_stream(mut self) -> Self {
        self.listens = false;
        self
    }

    /// The session it works on.
    #[must_use]
    pub fn session(&self) -> &AuthSession {
        &self.session
    }

    fn exchange(&self, outgoing: Outgoing, operation: Operation, trigger: Trigger) -> Exchange {
        Exchange::new(self, outgoing, operation, trigger)
    }

    /// Opens an event stream. An idle one that cannot be authorized now waits for another credential, since rmcp
    /// opens its first stream once, and a stream must not bother the user. One that resumes an answer a
    /// caller waits for does not: its failure is reported.
    async fn open_stream(
        &self,
        outgoing: Outgoing,
        idle: bool,
    ) -> Result<(reqwest::Response, Exchange), Failure> {
        let mut stream = self.session.idle_stream();
        loop {
            let operation = Operation::default();
            let mut exchange = self.exchange(outgoing.clone(), operation, Trigger::Ambient);
            let error = match exchange.send().await {
                Err(StreamableHttpError::Client(TransportError::Auth(error))) => error,
                answer => return Ok((answer?, exchange)),
            };
            if !idle {
                return Err(match error.is_transient() {
                    true => StreamableHttpError::Client(error.into()),
                    // rmcp would try again and again.
                    false => StreamableHttpError::ServerDoesNotSupportSse,
                });
            }
            if !stream.outlast(error.code(), exchange.sent()).await {
                return Err(StreamableHttpError::Client(error.into()));
            }
        }
    }

    async fn post(
        &self,
        outgoing: Outgoing,
        message: ClientJsonRpcMessage,
        max_event: usize,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let body = serde_json::to_vec(&message)?;
        let operation = Operation::of_json(&body);
        let calls_tool = operation.tool_name.is_some();
        let outgoing = outgoing.with_body(body);
        let mut exchange = self.exchange(outgoing, operation, Trigger::Command);
        let answer = exchange.send().await?;
        let answer = response::read(answer, &message, &exchange, max_event).await?;
        if calls_tool {
            return tool_result::recover(exchange, message, answer, max_event).await;
        }
        Ok(answer)
    }
}

impl StreamableHttpClient for ReauthClient {
    type Error = TransportError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let outgoing = Outgoing::new(Method::POST, &uri, session_id, custom_headers)?;
        self.post(outgoing, message, MAX_EVENT).await
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        max_sse_event_size: usize,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let outgoing = Outgoing::new(Method::POST, &uri, session_id, custom_headers)?;
        self.post(outgoing, message, max_sse_event_size).await
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failure> {
        let outgoing = Outgoing::new(Method::DELETE, &uri, Some(session_id), custom_headers)?;
        let mut exchange = self.exchange(outgoing, Operation::default(), Trigger::Ambient);
        let answer = exchange.send().await?;
        // A server may refuse to end sessions on request.
        if answer.status() == StatusCode::METHOD_NOT_ALLOWED || answer.status().is_success() {
            return Ok(());
        }
        Err(response::unexpected(answer, &exchange).await)
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Events, Failure> {
        self.get_stream_with_max_sse_event_size(
            uri,
            session_id,
            last_event_id,
            auth_header,
            custom_headers,
            MAX_EVENT,
        )
        .await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        max_sse_event_size: usize,
    ) -> Result<Events, Failure> {
        let idle = last_event_id.is_none();
        if idle && !self.listens {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        let outgoing = Outgoing::new(Method::GET, &uri, session_id, custom_headers)?
            .with_last_event_id(last_event_id)?;
        let (answer, exchange) = self.open_stream(outgoing, idle).await?;
        match answer.status() {
            StatusCode::METHOD_NOT_ALLOWED => Err(StreamableHttpError::ServerDoesNotSupportSse),
            // rmcp opens the stream of an answer again and again, until it hears that there will be none.
            status if !idle && response::refuses(status) => {
                Err(StreamableHttpError::ServerDoesNotSupportSse)
            }
            StatusCode::NOT_FOUND if exchange.in_session() => {
                Err(StreamableHttpError::SessionExpired)
            }
            status if !status.is_success() => Err(response::unexpected(answer, &exchange).await),
            _ if response::is_event_stream(&answer) => {
                Ok(response::events(answer, max_sse_event_size))
            }
            _ => Err(response::wrong_content_type(&answer)),
        }
    }
}
