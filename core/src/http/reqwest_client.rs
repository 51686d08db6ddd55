//! The default [`HttpClient`], by reqwest with rustls.

use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use reqwest::ClientBuilder;
use url::Url;

use super::{CALL_TIMEOUT, HttpClient, HttpError, Request, Response, is_loopback};

/// Sends requests by reqwest. Connections are kept and shared by all clones.
#[derive(Debug, Clone)]
pub struct ReqwestClient {
    client: reqwest::Client,
    /// For this very machine: what is sent here in the clear is not for a proxy to see.
    direct: reqwest::Client,
}

impl ReqwestClient {
    /// A client that follows no redirects and keeps no cookies. It uses the environment's proxies, but not to
    /// reach this machine itself.
    ///
    /// # Errors
    /// [`HttpError::Connection`] when TLS could not be set up.
    pub fn new() -> Result<Self, HttpError> {
        let none = reqwest::redirect::Policy::none;
        let build = |builder: ClientBuilder| {
            let client = builder.redirect(none()).build();
            client.map_err(|error| HttpError::Connection(cause(&error)))
        };
        Ok(Self {
            client: build(client_builder())?,
            direct: build(client_builder().no_proxy())?,
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
        let local = Url::parse(&request.uri().to_string()).is_ok_and(|url| is_loopback(&url));
        let client = if local { &self.direct } else { &self.client }.clone();
        Box::pin(async move {
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
}

fn connection(error: reqwest::Error) -> HttpError {
    HttpError::Connection(cause(&error))
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
