//! Sends authorization requests with an HTTP client that the application implements.

use std::net::IpAddr;

use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use mcp_reauth::http::{HttpClient, HttpError, Request, Response};
use serde::Deserialize;

use crate::bridge::Caller;
use crate::call::Call;
use crate::refused::CallFailure;

/// The same `User-Agent` that core's native client sends.
const USER_AGENT: (&str, &str) = (
    "user-agent",
    concat!("mcp-reauth/", env!("CARGO_PKG_VERSION")),
);

/// Sends requests with the application's client.
pub(crate) struct AppHttp(pub(crate) Caller);

#[derive(Deserialize)]
struct Answered {
    status: u16,
    headers: Vec<(String, String)>,
    /// The body exceeded the limit and was cut off.
    too_large: bool,
}

impl HttpClient for AppHttp {
    fn send(
        &self,
        request: Request,
        max_body: usize,
    ) -> BoxFuture<'static, Result<Response, HttpError>> {
        let caller = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let own = head.headers.iter();
            let own = own.map(|(name, value)| (name.to_string(), as_read(value.as_bytes())));
            let (name, value) = USER_AGENT;
            let headers = own.chain([(name.to_owned(), value.to_owned())]).collect();
            let fetch = Call::Fetch {
                method: head.method.as_str().to_owned(),
                url: head.uri.to_string(),
                headers,
                max_body,
            };
            let body = (!body.is_empty()).then_some(body);
            let answered = caller.ask_with(fetch, body).await;
            let (answered, mut body): (Answered, _) = answered.map_err(CallFailure::http)?;
            if answered.too_large {
                return Err(HttpError::BodyTooLarge);
            }
            response(answered, std::mem::take(&mut *body))
        })
    }

    // Uses the system's resolver, as HTTP clients do.
    fn resolve(&self, host: &str) -> BoxFuture<'static, Option<Vec<IpAddr>>> {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 443)).await.ok()?;
            Some(found.map(|found| found.ip()).collect())
        })
    }
}

fn response(answered: Answered, body: Vec<u8>) -> Result<Response, HttpError> {
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::from_u16(answered.status)
        .map_err(|_| HttpError::broken("the HTTP client returned no HTTP status"))?;
    for (name, value) in answered.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&as_sent(&value))) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

/// A header field as HTTP clients represent it in a string (Latin-1): each character is one byte.
fn as_read(value: &[u8]) -> String {
    value.iter().copied().map(char::from).collect()
}

/// A header field as the server sent it: clients represent each byte as one character.
fn as_sent(value: &str) -> Vec<u8> {
    let bytes: Result<Vec<u8>, _> = value.chars().map(u8::try_from).collect();
    bytes.unwrap_or_else(|_| value.into())
}
