//! Middleware for `reqwest-middleware`.

use futures_util::future::BoxFuture;
use http::Extensions;
use mcp_reauth::{AuthSession, Error};
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};

use crate::recovering::{RecoveringRequest, Sender};
use crate::{Client, TransportError};

/// Middleware that attaches the session's credential to requests for its server, recovers when the server rejects it,
/// and sends the request again through the rest of the chain. Middleware added later, such as tracing, sees each try.
///
/// ```no_run
/// # use mcp_reauth::AuthSession;
/// # use mcp_reauth_reqwest::ReauthMiddleware;
/// # fn with(session: AuthSession) -> Result<(), Box<dyn std::error::Error>> {
/// let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
/// let client = reqwest_middleware::ClientBuilder::new(http)
///     .with(ReauthMiddleware::new(session)?)
///     .build();
/// # Ok(()) }
/// ```
///
/// The client beneath must not follow redirects: the middleware does, within the server's origin. A response from an
/// address other than the requested one is an error.
///
/// If a challenge arrives inside an event stream, the chain has already returned, so the call is repeated with a
/// separate client. Set it with [`with_client`](Self::with_client) if yours has special settings.
#[derive(Debug, Clone)]
pub struct ReauthMiddleware(Client);

impl ReauthMiddleware {
    /// Creates middleware for `session`.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn new(session: AuthSession) -> Result<Self, Error> {
        Client::new(session).map(Self)
    }

    /// Creates middleware that uses `client` to repeat calls that are rejected inside an event stream.
    #[must_use]
    pub fn with_client(client: Client) -> Self {
        Self(client)
    }
}

#[async_trait::async_trait]
impl Middleware for ReauthMiddleware {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        if !self.0.session.applies_to(request.url().as_str()) {
            return next.run(request, extensions).await;
        }
        let mut chain = Chain { next, extensions };
        let answer = RecoveringRequest::new(&self.0, request)
            .send(&mut chain)
            .await;
        answer.map_err(|error| match error {
            TransportError::Middleware(error) => error,
            error => reqwest_middleware::Error::middleware(error),
        })
    }
}

/// The rest of the middleware chain.
struct Chain<'a> {
    next: Next<'a>,
    extensions: &'a mut Extensions,
}

impl Sender for Chain<'_> {
    fn send(&mut self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        let next = self.next.clone();
        Box::pin(async move {
            let answer = next.run(request, self.extensions).await;
            answer.map_err(TransportError::Middleware)
        })
    }
}
