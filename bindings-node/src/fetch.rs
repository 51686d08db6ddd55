//! Outgoing calls of the authorization protocol by a `fetch` in JavaScript.

use std::net::IpAddr;

use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use mcp_reauth::http::{HttpClient, HttpError, Request, Response};
use serde::Deserialize;
use serde_json::json;

use crate::bridge::{Caller, Refused};

/// Who asks, as the native client of core says it.
const USER_AGENT: (&str, &str) = (
    "user-agent",
    concat!("mcp-reauth/", env!("CARGO_PKG_VERSION")),
);

/// Sends requests by a JavaScript `fetch`.
pub(crate) struct JsFetch(pub(crate) Caller);

#[derive(Deserialize)]
struct Answered {
    status: u16,
    headers: Vec<(String, String)>,
    /// The body was cut off.
    too_large: bool,
}

impl HttpClient for JsFetch {
    fn send(
        &self,
        request: Request,
        max_body: usize,
    ) -> BoxFuture<'static, Result<Response, HttpError>> {
        let caller = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let own = head.headers.iter();
            let own = own.map(|(name, value)| (name.as_str(), as_read(value.as_bytes())));
            let (name, value) = USER_AGENT;
            let headers: Vec<_> = own.chain([(name, value.to_owned())]).collect();
            let input = json!({
                "method": head.method.as_str(),
                "url": head.uri.to_string(),
                "headers": headers,
                "maxBody": max_body,
            });
            let body = (!body.is_empty()).then_some(body);
            let answered = caller.ask_with("fetch", input, body).await;
            let (answered, mut body): (Answered, _) = answered.map_err(Refused::http)?;
            if answered.too_large {
                return Err(HttpError::BodyTooLarge);
            }
            response(answered, std::mem::take(&mut *body))
        })
    }

    // As `fetch` does, by the system's resolver.
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
        .map_err(|_| HttpError::broken("fetch gave no HTTP status"))?;
    for (name, value) in answered.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&as_sent(&value))) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

/// A header field as `fetch` takes it: each character is one byte.
fn as_read(value: &[u8]) -> String {
    value.iter().copied().map(char::from).collect()
}

/// A header field as the server sent it: `fetch` reads each byte as one character.
fn as_sent(value: &str) -> Vec<u8> {
    let bytes: Result<Vec<u8>, _> = value.chars().map(u8::try_from).collect();
    bytes.unwrap_or_else(|_| value.into())
}
