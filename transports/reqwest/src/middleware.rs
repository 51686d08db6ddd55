//! The same for `reqwest-middleware`.

use futures_util::future::BoxFuture;
use http::Extensions;
use mcp_reauth::{AuthSession, Error};
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};

use crate::exchange::{Sender, Sending};
use crate::{Client, TransportError};

/// Middleware that attaches the session's credential to requests for its server, recovers when it is rejected, and sends
/// the request again by what is below it, such as a middleware that logs or traces each try.
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
/// The client beneath must follow no redirects: the middleware does, within the server's origin. A response of another origin
/// is an error.
///
/// A call whose rejection arrives inside an event stream is repeated by a client of its own, since the chain below has
/// ended by then: give it one by [`with_client`](Self::with_client), if yours has settings.
#[derive(Debug, Clone)]
pub struct ReauthMiddleware(Client);

impl ReauthMiddleware {
    /// Middleware on `session`.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn new(session: AuthSession) -> Result<Self, Error> {
        Client::new(session).map(Self)
    }

    /// Middleware that repeats by `client` what is rejected inside an event stream.
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
        let answer = Sending::new(&self.0, request).send(&mut chain).await;
        answer.map_err(|error| match error {
            TransportError::Middleware(error) => error,
            error => reqwest_middleware::Error::middleware(error),
        })
    }
}

/// What is below in the chain.
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
