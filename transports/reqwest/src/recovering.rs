//! Sends one request, as many times as its exchange requires.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use http::response::Parts;
use mcp_reauth::mcp::{Exchange, Look, Next, Outgoing};
use reqwest::{Body, Request, Response, ResponseBuilderExt, Url};

use crate::stream::{chunks, watched};
use crate::{Client, TransportError};

/// Sends a request once: reqwest, or the rest of a middleware chain.
pub(crate) trait Sender: Send {
    fn send(&mut self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>>;
}

impl Sender for reqwest::Client {
    fn send(&mut self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move { Ok(self.execute(request).await?) })
    }
}

/// A request and its exchange, with all tries.
pub(crate) struct RecoveringRequest {
    pub(crate) exchange: Exchange,
    /// The request to send; `None` after a body that can be sent only once was sent.
    request: Option<Request>,
    max_answer: usize,
    pub(crate) max_event: usize,
    /// Repeats the request while its response is being read.
    pub(crate) http: reqwest::Client,
}

impl RecoveringRequest {
    pub(crate) fn new(client: &Client, request: Request) -> Self {
        let outgoing = Outgoing::new(
            request.method().clone(),
            request.url().as_str(),
            request.headers(),
        );
        let outgoing = match request.body().map(Body::as_bytes) {
            None => outgoing,
            Some(Some(message)) => outgoing.with_message(Bytes::copy_from_slice(message)),
            Some(None) => outgoing.once(),
        };
        Self {
            exchange: Exchange::new(&client.session, outgoing),
            request: Some(request),
            max_answer: client.max_answer,
            max_event: client.max_event,
            http: client.http.clone(),
        }
    }

    /// Sends the request until there is a response for the caller.
    pub(crate) async fn send(
        mut self,
        sender: &mut dyn Sender,
    ) -> Result<Response, TransportError> {
        let (response, look) = self.answer(sender).await?;
        match look {
            Look::Events => Ok(watched(self, response)),
            Look::None | Look::Message => Ok(response),
        }
    }

    /// Sends the request until there is a response for the caller. JSON responses are already inspected; the caller
    /// inspects event streams.
    pub(crate) async fn answer(
        &mut self,
        sender: &mut dyn Sender,
    ) -> Result<(Response, Look), TransportError> {
        loop {
            let request = self.authorized().await?;
            let url = request.url().clone();
            let mut response = sender.send(request).await?;
            self.check_address(url, response.url())?;
            let next = self.exchange.receive(response.status(), response.headers());
            let next = next.await?;
            if let Some(sent) = self.exchange.sent() {
                response.extensions_mut().insert(sent.clone());
            }
            match next {
                Next::Send => {}
                Next::Deliver(Look::Message) => {
                    let (parts, body) = read(response, self.max_answer).await?;
                    if !self.exchange.inspect(&body).await? {
                        return Ok((put_together(parts, body), Look::Message));
                    }
                }
                Next::Deliver(look) => return Ok((response, look)),
            }
        }
    }

    /// Builds the request for the next try.
    async fn authorized(&mut self) -> Result<Request, TransportError> {
        let credential = self.exchange.authorize().await?;
        let copy = self.request.as_ref().and_then(Request::try_clone);
        let request = copy.or_else(|| self.request.take());
        // An exchange never asks to repeat such a body.
        let spent = || self.exchange.http_error("its body can be sent once only");
        let mut request = request.ok_or_else(spent)?;
        if self.exchange.url() != request.url().as_str()
            && let Ok(url) = self.exchange.url().parse()
        {
            *request.url_mut() = url;
        }
        if let Some(credential) = credential {
            credential.insert_into(request.headers_mut());
        }
        Ok(request)
    }

    /// Rejects a response from another address: the client beneath followed a redirect although it must not. Another
    /// server's challenge must not count as this server's, nor its response as the response to this request.
    fn check_address(&self, mut asked: Url, answered: &Url) -> Result<(), TransportError> {
        asked.set_fragment(None);
        if asked == *answered {
            return Ok(());
        }
        let detail = format!(
            "{}{} answered in its place: the client beneath follows redirects",
            answered.origin().ascii_serialization(),
            answered.path()
        );
        Err(self.exchange.http_error(detail).into())
    }
}

/// Reads the body of a response, up to `max` bytes.
pub(crate) async fn read(
    response: Response,
    max: usize,
) -> Result<(Parts, Vec<u8>), TransportError> {
    let (parts, body) = taken_apart(response);
    let mut chunks = chunks(body);
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        if body.len() + chunk.len() > max {
            return Err(TransportError::TooLong(max));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((parts, body))
}

/// Splits a response into its head, which keeps the URL, and its body.
pub(crate) fn taken_apart(response: Response) -> (Parts, Body) {
    let with_url = http::Response::builder()
        .url(response.url().clone())
        .body(());
    let (mut parts, body) = http::Response::<Body>::from(response).into_parts();
    if let Ok(with_url) = with_url {
        parts.extensions.extend(with_url.into_parts().0.extensions);
    }
    (parts, body)
}

/// Builds a response from a head and another body.
pub(crate) fn put_together(parts: Parts, body: impl Into<Body>) -> Response {
    Response::from(http::Response::from_parts(parts, body.into()))
}
