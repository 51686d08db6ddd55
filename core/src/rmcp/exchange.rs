//! One request over HTTP, sent as often as recovery says.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{HeaderName, HeaderValue, Method};
use rmcp::transport::streamable_http_client::StreamableHttpError;

use super::{Failure, ReauthClient, TransportError};
use crate::challenge::{AuthChallenge, Operation};
use crate::http::{
    HttpError, failed, has_userinfo, is_redirect, keeps_method, location, same_origin,
};
use crate::recovery::Trigger;
use crate::session::{Authorization, Recovery, ResourceRequest};
use crate::text::header_text;

/// How many redirects within the server's origin are followed.
const MAX_REDIRECTS: usize = 5;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// What recovery reads of a response.
const READ_BY_RECOVERY: [&str; 3] = ["www-authenticate", "dpop-nonce", "date"];

/// A request as it goes out, but for its credential.
#[derive(Clone)]
pub(super) struct Outgoing {
    method: Method,
    uri: Arc<str>,
    headers: HeaderMap,
    body: Option<Bytes>,
}

impl Outgoing {
    pub(super) fn new(
        method: Method,
        uri: &Arc<str>,
        session_id: Option<Arc<str>>,
        custom: HashMap<HeaderName, HeaderValue>,
    ) -> Result<Self, Failure> {
        let mut headers = HeaderMap::new();
        for (name, value) in custom {
            let ours = [
                header::ACCEPT,
                header::AUTHORIZATION,
                SESSION_ID,
                LAST_EVENT_ID,
            ];
            if ours.contains(&name) {
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
        headers.insert(header::ACCEPT, accept);
        Ok(Self {
            method,
            uri: Arc::clone(uri),
            headers,
            body: None,
        })
    }

    pub(super) fn with_body(mut self, json: Vec<u8>) -> Self {
        let kind = HeaderValue::from_static("application/json");
        self.headers.insert(header::CONTENT_TYPE, kind);
        self.body = Some(json.into());
        self
    }

    pub(super) fn with_last_event_id(mut self, id: Option<String>) -> Result<Self, Failure> {
        if let Some(id) = id {
            self.headers.insert(LAST_EVENT_ID, value(&id)?);
        }
        Ok(self)
    }
}

fn value(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| {
        StreamableHttpError::UnexpectedServerResponse(
            "the server gave an id that no header can carry".into(),
        )
    })
}

/// A request and its recovery.
pub(super) struct Exchange {
    client: reqwest::Client,
    outgoing: Outgoing,
    request: ResourceRequest,
    /// Whether the event stream of the MCP session is opened.
    listens: bool,
    /// Tokens go to the resource they were issued for, and nowhere else.
    authorized: bool,
}

impl Exchange {
    pub(super) fn new(
        client: &ReauthClient,
        outgoing: Outgoing,
        operation: Operation,
        trigger: Trigger,
    ) -> Self {
        Self {
            authorized: client.session.covers(&outgoing.uri),
            request: client.session.request(operation, trigger),
            listens: client.listens,
            client: client.client.clone(),
            outgoing,
        }
    }

    pub(super) fn in_session(&self) -> bool {
        self.outgoing.headers.contains_key(SESSION_ID)
    }

    /// Whether its answer may come on the event stream of the MCP session, as some servers send it.
    pub(super) fn answers_elsewhere(&self) -> bool {
        self.listens && self.in_session()
    }

    /// Where it goes.
    pub(super) fn uri(&self) -> &str {
        &self.outgoing.uri
    }

    /// The credential it was sent with last.
    pub(super) fn sent(&self) -> Option<&Authorization> {
        self.request.sent()
    }

    /// The token it was sent with last.
    pub(super) fn token(&self) -> Option<&str> {
        let grant = self.request.sent()?.grant();
        Some(grant.access_token.expose())
    }

    /// Sends the request until its response is the caller's.
    pub(super) async fn send(&mut self) -> Result<reqwest::Response, Failure> {
        loop {
            let response = self.send_once().await?;
            if !self.authorized {
                return Ok(response);
            }
            let headers: Vec<_> = READ_BY_RECOVERY
                .into_iter()
                .flat_map(|name| {
                    let values = response.headers().get_all(name).iter();
                    values.map(move |value| (name, header_text(value.as_bytes())))
                })
                .collect();
            let headers = headers.iter().map(|(name, value)| (*name, &**value));
            let status = response.status().as_u16();
            match self.request.recover(status, headers).await {
                Recovery::Retry => {}
                Recovery::PassThrough => return Ok(response),
                Recovery::Failed(error) => return Err(StreamableHttpError::Client(error.into())),
            }
        }
    }

    /// What to do about a challenge inside a response: whether to send the request again.
    pub(super) async fn recover_from(&mut self, challenge: AuthChallenge) -> Result<bool, Failure> {
        match self.request.recover_from(challenge).await {
            Recovery::Retry => Ok(true),
            Recovery::PassThrough => Ok(false),
            Recovery::Failed(error) => Err(StreamableHttpError::Client(error.into())),
        }
    }

    /// Sends it, and on to where a redirect points that method, body and credential may follow.
    async fn send_once(&mut self) -> Result<reqwest::Response, Failure> {
        let mut url = Arc::clone(&self.outgoing.uri);
        for _ in 0..MAX_REDIRECTS {
            let response = self.send_to(&url).await?;
            match redirect_target(&url, &response) {
                Some(target) => url = target,
                None if is_redirect(response.status()) => {
                    return Err(not_followed(&url, &response));
                }
                None => return Ok(response),
            }
        }
        let response = self.send_to(&url).await?;
        match is_redirect(response.status()) {
            true => Err(not_followed(&url, &response)),
            false => Ok(response),
        }
    }

    async fn send_to(&mut self, url: &str) -> Result<reqwest::Response, Failure> {
        let Outgoing {
            method,
            headers,
            body,
            ..
        } = self.outgoing.clone();
        let mut request = self.client.request(method.clone(), url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        if self.authorized {
            let credential = self.request.authorize(method.as_str(), url).await;
            let credential =
                credential.map_err(|error| StreamableHttpError::Client(error.into()))?;
            for (name, text) in credential.iter().flat_map(|c| c.headers()) {
                let mut value = value(text)?;
                value.set_sensitive(true);
                request = request.header(name, value);
            }
        }
        request.send().await.map_err(connection)
    }
}

/// Where a redirect points that keeps method and body (307, 308), if that is within the origin: so far credentials
/// may go. A proof of possession is for one address, hence each is sent anew.
fn redirect_target(from: &str, response: &reqwest::Response) -> Option<Arc<str>> {
    if !keeps_method(response.status()) {
        return None;
    }
    let target = location(from, response.headers())?;
    (same_origin(from, &target) && !has_userinfo(&target)).then(|| target.into())
}

fn not_followed(from: &str, response: &reqwest::Response) -> Failure {
    let target = location(from, response.headers());
    let error = HttpError::redirect(target.as_deref().unwrap_or("nowhere"));
    StreamableHttpError::Client(error.at(from).into())
}

pub(super) fn connection(error: reqwest::Error) -> Failure {
    StreamableHttpError::Client(TransportError::Connection(failed(error)))
}
