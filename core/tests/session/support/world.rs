//! All servers, in this process: two MCP servers, two authorization servers, an identity provider.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mcp_reauth::http::{HttpClient, HttpError, Request, Response};
use serde_json::Value;
use url::{Url, form_urlencoded};

use super::gate::Gate;
use super::log::{Kind, Seen};
use super::runtime::TestRuntime;
use super::schedule::{sleep, yield_now};
use super::servers::Servers;

/// The MCP server's URL.
pub(crate) const SERVER: &str = "https://mcp.example/mcp";
/// The authorization server that is in use from the start.
pub(crate) const ISSUER: &str = "https://as.example";
/// Another one.
pub(crate) const OTHER: &str = "https://other.example";
/// Another MCP server, whose authorization server is the other one.
pub(crate) const SECOND: &str = "https://second.example/mcp";
/// An organization's identity provider.
pub(crate) const IDP: &str = "https://idp.example";

/// What can go wrong with one request of the protocol.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// An empty response with this status.
    Status(u16),
    /// 429 with `Retry-After`.
    RetryAfter(u64),
    /// 429 with `Retry-After` as a date by the server's clock, this many seconds from now.
    RetryAt(u64),
    /// No connection can be made.
    Connection,
    /// The program's own HTTP client fails, with [`Broken`].
    Broken,
    /// The server processes the request, and the response is lost.
    Lost,
    /// A response never arrives.
    Hang,
    /// An empty response with this status, after this many milliseconds.
    Slowly(u64, u16),
    /// A response with this status and body.
    Body(u16, &'static str),
    /// An empty response with this status, which redirects there.
    Redirect(u16, &'static str),
}

type Override = Box<dyn FnMut(usize) -> Option<(u16, Vec<String>)> + Send>;

/// All servers. Clones share them.
#[derive(Clone)]
pub(crate) struct World(Arc<Mutex<State>>);

struct State {
    servers: Servers,
    log: Vec<Seen>,
    faults: HashMap<Kind, VecDeque<Fault>>,
    always: HashMap<Kind, Fault>,
    places: HashMap<String, Fault>,
    addresses: HashMap<String, IpAddr>,
    gates: HashMap<Kind, Gate>,
    answer: Option<Override>,
    calls: usize,
}

impl World {
    pub(crate) fn new(runtime: TestRuntime) -> Self {
        Self(Arc::new(Mutex::new(State {
            servers: Servers::new(runtime),
            log: Vec::new(),
            faults: HashMap::new(),
            always: HashMap::new(),
            places: HashMap::new(),
            addresses: HashMap::new(),
            gates: HashMap::new(),
            answer: None,
            calls: 0,
        })))
    }

    /// Changes the servers.
    pub(crate) fn servers<T>(&self, change: impl FnOnce(&mut Servers) -> T) -> T {
        change(&mut self.lock().servers)
    }

    /// Makes the next request of this kind meet this fault; several faults are used in order.
    pub(crate) fn next(&self, kind: Kind, fault: Fault) {
        let mut state = self.lock();
        state.faults.entry(kind).or_default().push_back(fault);
    }

    /// Makes every request of this kind meet this fault.
    pub(crate) fn always(&self, kind: Kind, fault: Fault) {
        self.lock().always.insert(kind, fault);
    }

    /// Makes every request to exactly this URL meet this fault.
    pub(crate) fn place(&self, url: &str, fault: Fault) {
        self.lock().places.insert(url.to_owned(), fault);
    }

    /// Gives a host this address. Other hosts have none.
    pub(crate) fn address(&self, host: &str, address: &str) {
        let address = address.parse().expect("an address");
        self.lock().addresses.insert(host.to_owned(), address);
    }

    /// Removes all faults of this kind.
    pub(crate) fn heal(&self, kind: Kind) {
        let mut state = self.lock();
        state.always.remove(&kind);
        state.faults.remove(&kind);
    }

    /// Holds the responses to requests of this kind.
    pub(crate) fn hold(&self, kind: Kind) -> Gate {
        let gate = Gate::new();
        self.lock().gates.insert(kind, gate.clone());
        gate
    }

    /// Holds no further responses to requests of this kind; those that are held stay held.
    pub(crate) fn unhold(&self, kind: Kind) {
        self.lock().gates.remove(&kind);
    }

    /// Sets what the MCP server responds in place of its normal response; `None`: the normal one.
    pub(crate) fn answer(
        &self,
        answer: impl FnMut(usize) -> Option<(u16, Vec<String>)> + Send + 'static,
    ) {
        let mut state = self.lock();
        state.calls = 0;
        state.answer = Some(Box::new(answer));
    }

    /// Returns all requests since the last call.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.lock().log)
    }

    /// Returns the kinds of all requests since the last call, in order.
    pub(crate) fn trace(&self) -> Vec<Kind> {
        self.take().iter().map(|seen| seen.kind).collect()
    }

    /// Returns how many requests of a kind were seen since the log was taken.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.lock().log.iter().filter(|s| s.kind == kind).count()
    }

    /// Sends one request to the MCP server at `server` that needs this scope. Returns its status and header fields.
    pub(crate) async fn call(
        &self,
        server: &str,
        scope: &str,
        headers: Vec<(&'static str, &str)>,
    ) -> (u16, Vec<(&'static str, String)>) {
        let header = |name| headers.iter().find(|(own, _)| *own == name);
        let header = |name| header(name).map(|(_, value)| (*value).to_owned());
        let seen = Seen {
            kind: Kind::Mcp,
            url: server.to_owned(),
            params: [("scope".to_owned(), scope.to_owned())].into(),
            authorization: header("authorization"),
            proof: header("dpop"),
        };
        let (status, lines, nonce, date) = {
            let mut state = self.lock();
            state.log.push(seen.clone());
            let number = state.calls;
            state.calls += 1;
            let scripted = state.answer.as_mut().and_then(|answer| answer(number));
            let (status, lines) = scripted.unwrap_or_else(|| state.servers.call(&seen));
            let (nonce, date) = (state.servers.proofs.nonce(server), state.servers.date());
            (status, lines, nonce, date)
        };
        let gate = self.lock().gates.get(&Kind::Mcp).cloned();
        if let Some(gate) = gate {
            gate.pass().await;
        }
        yield_now().await;
        let lines = lines.into_iter().map(|line| ("WWW-Authenticate", line));
        let nonce = nonce.map(|nonce| ("DPoP-Nonce", nonce));
        let date = date.map(|date| ("Date", date));
        (status, lines.chain(nonce).chain(date).collect())
    }

    /// Sends the user to the authorization endpoint, and returns the URL that they are sent back to.
    pub(crate) fn visit(&self, url: &str) -> String {
        let parsed = Url::parse(url).expect("an address");
        let params = parsed.query_pairs().into_owned().collect();
        let seen = Seen {
            kind: match url.starts_with(IDP) {
                true => Kind::IdpVisit,
                false => Kind::Visit,
            },
            url: url.to_owned(),
            params,
            authorization: None,
            proof: None,
        };
        let mut state = self.lock();
        state.log.push(seen.clone());
        state.servers.visit(&seen)
    }

    async fn exchange(&self, request: Request) -> Result<Response, HttpError> {
        let seen = seen(&request);
        if seen.kind == Kind::Mcp {
            let (status, headers) = self.call(&seen.url, "", Vec::new()).await;
            let mut response = response(status, "");
            for (name, value) in headers {
                let value = value.parse().expect("a value");
                response.headers_mut().append(name, value);
            }
            return Ok(response);
        }
        let mut late = Duration::ZERO;
        let (answer, gate) = {
            let mut state = self.lock();
            state.log.push(seen.clone());
            let scripted = state
                .faults
                .get_mut(&seen.kind)
                .and_then(VecDeque::pop_front);
            let placed = || state.places.get(&seen.url).cloned();
            let fault = scripted.or_else(placed);
            let fault = fault.or_else(|| state.always.get(&seen.kind).cloned());
            if let Some(Fault::Slowly(after, _)) = fault {
                late = Duration::from_millis(after);
            }
            let answer = match fault {
                None => Some(Ok(state.servers.answer(&seen))),
                Some(Fault::Hang) => None,
                Some(Fault::Connection) => Some(Err(HttpError::unreachable("connection refused"))),
                Some(Fault::Broken) => Some(Err(broken())),
                Some(Fault::Lost) => {
                    state.servers.answer(&seen);
                    Some(Err(lost()))
                }
                Some(Fault::Status(status) | Fault::Slowly(_, status)) => {
                    Some(Ok(response(status, "")))
                }
                Some(Fault::Body(status, body)) => Some(Ok(response(status, body))),
                Some(Fault::Redirect(status, to)) => {
                    let mut response = response(status, "");
                    let to = http::HeaderValue::from_static(to);
                    response.headers_mut().insert(http::header::LOCATION, to);
                    Some(Ok(response))
                }
                Some(Fault::RetryAt(seconds)) => Some(Ok(state.servers.come_back_in(seconds))),
                Some(Fault::RetryAfter(seconds)) => {
                    let mut response = response(429, "");
                    let headers = response.headers_mut();
                    headers.insert(http::header::RETRY_AFTER, seconds.into());
                    Some(Ok(response))
                }
            };
            let date = state.servers.date();
            let answer = answer.map(|answer| {
                let mut response = answer?;
                if let Some(date) = date {
                    let date = date.parse().expect("a value");
                    response.headers_mut().insert(http::header::DATE, date);
                }
                Ok(response)
            });
            (answer, state.gates.get(&seen.kind).cloned())
        };
        if let Some(gate) = gate {
            gate.pass().await;
        }
        if !late.is_zero() {
            sleep(late).await;
        }
        match answer {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpClient for World {
    fn send(
        &self,
        request: Request,
        _max_body: usize,
    ) -> BoxFuture<'static, Result<Response, HttpError>> {
        let world = self.clone();
        Box::pin(async move {
            // As on a network, nothing is ready at once, so that all tasks can interleave.
            yield_now().await;
            let answer = world.exchange(request).await;
            yield_now().await;
            answer
        })
    }

    fn resolve(&self, host: &str) -> BoxFuture<'static, Option<Vec<IpAddr>>> {
        let found = self.lock().addresses.get(host).map(|found| vec![*found]);
        Box::pin(async {
            yield_now().await;
            found
        })
    }
}

/// The error of a program's own HTTP client.
#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the proxy is on fire")
    }
}

impl std::error::Error for Broken {}

fn broken() -> HttpError {
    HttpError::broken(Broken.to_string()).caused_by(Broken)
}

fn lost() -> HttpError {
    HttpError::broken("connection reset")
}

pub(crate) fn response(status: u16, body: &str) -> Response {
    let mut response = Response::new(body.as_bytes().to_vec());
    *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
    response
}

fn seen(request: &Request) -> Seen {
    let url = request.uri().to_string();
    let body = request.body();
    let params: BTreeMap<String, String> = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(members)) => members
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(text) => (name, text),
                other => (name, other.to_string()),
            })
            .collect(),
        _ => form_urlencoded::parse(body).into_owned().collect(),
    };
    let header = |name| {
        let value = request.headers().get(name)?;
        Some(value.to_str().ok()?.to_owned())
    };
    Seen {
        kind: kind(&url, request.uri().path(), &params),
        url,
        params,
        authorization: header("authorization"),
        proof: header("dpop"),
    }
}

fn kind(url: &str, path: &str, params: &BTreeMap<String, String>) -> Kind {
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    match (url.starts_with(IDP), path) {
        (_, "/par") => Kind::Push,
        (true, "/keys") => Kind::IdpKeys,
        (true, "/revoke") => Kind::IdpRevoke,
        (true, "/token" | "/v2/token") if params["grant_type"] == exchange => Kind::Exchange,
        (true, "/token" | "/v2/token") => Kind::IdpToken,
        (true, _) => Kind::IdpMeta,
        (false, "/register") => Kind::Register,
        (false, "/token" | "/v2/token") => Kind::Token,
        (false, "/revoke") => Kind::Revoke,
        _ if [SERVER, SECOND].contains(&url) => Kind::Mcp,
        _ if path.contains("oauth-protected-resource") => Kind::Prm,
        _ => Kind::Meta,
    }
}
