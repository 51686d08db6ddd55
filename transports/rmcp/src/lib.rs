//! The client transport for rmcp, the official Rust SDK: an HTTP client for rmcp that recovers authorization.
//!
//! ```no_run
//! # use mcp_reauth::AuthSession;
//! # use mcp_reauth_rmcp::ReauthClient;
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
mod outgoing;
mod response;

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use mcp_reauth::mcp::MAX_ANSWER;
use mcp_reauth::{AuthSession, Error};
use reqwest::Response;
use rmcp::model::ClientJsonRpcMessage;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::Sse;

pub use error::{find_error, innermost};
pub use mcp_reauth_reqwest::{Client, TransportError};

use outgoing::Outgoing;

type Failure = StreamableHttpError<TransportError>;
type Events = BoxStream<'static, Result<Sse, SseError>>;

/// An HTTP client for rmcp that attaches the session's credential, recovers when the server rejects it, and sends the
/// request again. Messages recover as commands. Event streams and the end of the MCP session are ambient requests,
/// which never prompt.
///
/// Redirects are followed within the server's origin only, and only those that keep method and body.
#[derive(Debug, Clone)]
pub struct ReauthClient {
    client: Client,
    listens: bool,
}

impl ReauthClient {
    /// Creates a client for `session`. It uses the environment's proxies, except for loopback addresses, and HTTP/1.1
    /// or HTTP/2, as the server chooses.
    ///
    /// # Errors
    /// [`Error::Config`] when TLS cannot be set up, or an environment variable contains an invalid proxy.
    pub fn new(session: AuthSession) -> Result<Self, Error> {
        Client::new(session).map(Self::with_client)
    }

    /// Creates one that sends through this client, for example with your own reqwest client
    /// ([`Client::with_http_client`]).
    #[must_use]
    pub fn with_client(client: Client) -> Self {
        Self {
            client,
            listens: true,
        }
    }

    /// Opens no idle event stream, on which a server sends messages that answer no request. Saves a request in a
    /// program that makes one call and exits.
    #[must_use]
    pub fn without_idle_stream(mut self) -> Self {
        self.listens = false;
        self
    }

    /// The session whose credential it sends.
    #[must_use]
    pub fn session(&self) -> &AuthSession {
        self.client.session()
    }

    async fn send(&self, outgoing: Outgoing, max: usize) -> Result<Response, Failure> {
        let client = self.client.clone().with_max_event(max);
        // A caller that accepts longer events accepts longer responses.
        let client = match max > MAX_ANSWER {
            true => client.with_max_answer(max),
            false => client,
        };
        client
            .execute(outgoing.request)
            .await
            .map_err(|error| match error {
                TransportError::TooLong(max_size) => {
                    StreamableHttpError::ResponseBodyTooLarge { max_size }
                }
                error => StreamableHttpError::Client(error),
            })
    }

    async fn post(
        &self,
        outgoing: Outgoing,
        message: ClientJsonRpcMessage,
        max_event: usize,
    ) -> Result<StreamableHttpPostResponse, Failure> {
        let outgoing = outgoing.with_body(serde_json::to_vec(&message)?);
        let asked = response::RequestContext {
            message: &message,
            in_session: outgoing.in_session(),
            // Some servers send the answer on the event stream of the MCP session.
            may_be_answered_elsewhere: self.listens && outgoing.in_session(),
        };
        let answer = self.send(outgoing, max_event).await?;
        response::read(answer, &asked, max_event).await
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
        self.post(outgoing, message, MAX_ANSWER).await
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
        let answer = self.send(outgoing, MAX_ANSWER).await?;
        // A server need not let clients end sessions.
        if answer.status() == StatusCode::METHOD_NOT_ALLOWED || answer.status().is_success() {
            return Ok(());
        }
        Err(response::unexpected(answer).await)
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
            MAX_ANSWER,
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
        let in_session = outgoing.in_session();
        let answer = match self.send(outgoing, max_sse_event_size).await {
            // rmcp would retry without end.
            Err(StreamableHttpError::Client(TransportError::Auth(error)))
                if !idle && !error.is_transient() =>
            {
                return Err(StreamableHttpError::ServerDoesNotSupportSse);
            }
            answer => answer?,
        };
        match answer.status() {
            StatusCode::METHOD_NOT_ALLOWED => Err(StreamableHttpError::ServerDoesNotSupportSse),
            // rmcp reopens a response stream until it learns that there will be none.
            status if !idle && response::refuses(status) => {
                Err(StreamableHttpError::ServerDoesNotSupportSse)
            }
            StatusCode::NOT_FOUND if in_session => Err(StreamableHttpError::SessionExpired),
            status if !status.is_success() => Err(response::unexpected(answer).await),
            _ if response::is_event_stream(&answer) => Ok(response::events(answer)),
            _ => Err(response::wrong_content_type(&answer)),
        }
    }
}

/// Compiles the code in the README and in the guides.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/guide.md")]
    struct Guide;
    #[doc = include_str!("../../../docs/enterprise.md")]
    struct Enterprise;
}
