//! Builds requests from what rmcp passes to its HTTP client.

use std::collections::HashMap;
use std::sync::Arc;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use mcp_reauth::http::HttpError;
use reqwest::Request;
use rmcp::transport::streamable_http_client::StreamableHttpError;

use super::{Failure, TransportError};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A request as rmcp wants it sent, without the credential.
pub(super) struct Outgoing {
    pub(super) request: Request,
}

impl Outgoing {
    pub(super) fn new(
        method: Method,
        uri: &Arc<str>,
        session_id: Option<Arc<str>>,
        custom: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Self, Failure> {
        let url = uri.parse().map_err(|_| {
            let error = HttpError::unreachable("the address is not valid");
            StreamableHttpError::Client(TransportError::from(error))
        })?;
        let mut request = Request::new(method, url);
        let headers = request.headers_mut();
        for (name, value) in custom {
            if [ACCEPT, AUTHORIZATION, SESSION_ID, LAST_EVENT_ID].contains(&name) {
                return Err(StreamableHttpError::ReservedHeaderConflict(
                    name.to_string(),
                ));
            }
            headers.insert(name, value);
        }
        if let Some(id) = session_id {
            headers.insert(SESSION_ID, value(&id)?);
        }
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(ACCEPT, accept);
        Ok(Self { request })
    }

    pub(super) fn with_body(mut self, json: Vec<u8>) -> Self {
        let kind = HeaderValue::from_static("application/json");
        self.request.headers_mut().insert(CONTENT_TYPE, kind);
        *self.request.body_mut() = Some(json.into());
        self
    }

    pub(super) fn with_last_event_id(mut self, id: Option<String>) -> Result<Self, Failure> {
        if let Some(id) = id {
            let headers = self.request.headers_mut();
            headers.insert(LAST_EVENT_ID, value(&id)?);
        }
        Ok(self)
    }

    pub(super) fn in_session(&self) -> bool {
        self.request.headers().contains_key(SESSION_ID)
    }
}

fn value(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| {
        StreamableHttpError::UnexpectedServerResponse(
            "the server gave an id that no header can carry".into(),
        )
    })
}
