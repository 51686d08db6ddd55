//! The callback listener: one path, on loopback only, for one `state` at a time.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use url::Url;

use super::page;
use super::sockets::{Sockets, Taken};
use super::turns::{self, Turn};
use crate::callback::CallbackParams;
use crate::error::Error;
use crate::http::is_loopback;

/// How long one connection may take. A browser needs milliseconds.
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
/// The maximum number of concurrent connections; one more ends the oldest. A browser opens some that it then does not
/// use, and any program on this machine can connect; none of them may block the callback.
const MAX_CONNECTIONS: usize = 32;

/// The port of a URL that names none.
const HTTP_PORT: u16 = 80;

/// How long to wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A callback, and a receiver that resolves when its page has been shown.
type Found = (CallbackParams, oneshot::Receiver<()>);
type Page = hyper::Response<Full<hyper::body::Bytes>>;

/// Receives callbacks at a loopback redirect URI.
#[derive(Debug)]
pub struct CallbackListener {
    sockets: Sockets,
    port: u16,
    redirect_uri: String,
    place: Arc<Place>,
    /// The last field, so that the sockets are closed before it is dropped.
    turn: Option<Turn>,
}

/// What a request must name to be a callback.
#[derive(Debug)]
struct Place {
    /// The authority as browsers send it in `Host`.
    authority: String,
    path: String,
}

impl CallbackListener {
    /// Listens at `redirect_uri`, which must be http on this machine. Port 0 means any free port, which
    /// [`redirect_uri`](Self::redirect_uri) then names. For `localhost`, it listens at both 127.0.0.1 and `[::1]`, as
    /// far as this machine has them.
    ///
    /// # Errors
    /// [`Error::Config`] if the address is not loopback, [`Error::Host`] if it is in use, even by another listener of
    /// this process.
    pub async fn bind(redirect_uri: &str) -> Result<Self, Error> {
        let mut url = parse(redirect_uri)?;
        let wanted = url.port().unwrap_or(HTTP_PORT);
        let bound = Sockets::bind(url.host(), wanted).await;
        let sockets = bound.map_err(|taken| unusable(&url, &taken))?;
        let port = sockets.port().map_err(|error| {
            Error::host(format!(
                "the callback address {redirect_uri} cannot be used ({error})"
            ))
        })?;
        let mut redirect_uri = redirect_uri.to_owned();
        if wanted == 0 {
            // The port is not the scheme's default, so it is written out.
            let _ = url.set_port(Some(port));
            redirect_uri = url.to_string();
        }
        let host = url.host_str().unwrap_or_default();
        let place = Place {
            authority: match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host.to_owned(),
            },
            path: url.path().to_owned(),
        };
        Ok(Self {
            sockets,
            port,
            redirect_uri,
            place: Arc::new(place),
            turn: None,
        })
    }

    /// Checks that a program on this machine could listen at `redirect_uri`, whether or not it is in use now.
    ///
    /// # Errors
    /// [`Error::Config`] if the address is not loopback.
    pub fn check(redirect_uri: &str) -> Result<(), Error> {
        parse(redirect_uri).map(drop)
    }

    /// As [`bind`](Self::bind), but sign-ins of one process that use one port take turns: waits until all earlier
    /// listeners of this function at the port are dropped. Dropping the future cancels the wait.
    ///
    /// # Errors
    /// Those of [`bind`](Self::bind): it does not wait for an address that another program holds.
    pub async fn bind_in_turn(redirect_uri: &str) -> Result<Self, Error> {
        turns::listen(redirect_uri).await
    }

    pub(super) fn in_turn(mut self, turn: Turn) -> Self {
        self.turn = Some(turn);
        self
    }

    /// Returns the port that `redirect_uri` names; 0 means any free port.
    pub(super) fn port_of(redirect_uri: &str) -> Result<u16, Error> {
        Ok(parse(redirect_uri)?.port().unwrap_or(HTTP_PORT))
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the redirect URI that it listens at.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Waits for the callback with this `state`. Any web page could send a request here, so a request with another
    /// `state` gets an error page and a warning, and ends nothing.
    ///
    /// # Errors
    /// None so far; a broken connection ends nothing.
    pub async fn wait(&self, state: &str) -> Result<CallbackParams, Error> {
        let (found, mut callback) = mpsc::channel(1);
        let state: Arc<str> = state.into();
        let mut connections = JoinSet::new();
        let mut oldest = VecDeque::new();
        loop {
            tokio::select! {
                biased;
                Some((params, shown)) = callback.recv() => {
                    // The browser gets its page before the program continues, and perhaps ends.
                    let _ = shown.await;
                    return Ok(params);
                }
                accepted = self.sockets.accept() => {
                    let Ok(stream) = accepted else {
                        // A broken connection, or too many open files: neither ends a sign-in.
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                        continue;
                    };
                    let (place, state) = (Arc::clone(&self.place), Arc::clone(&state));
                    oldest.push_back(connections.spawn(serve(stream, place, state, found.clone())));
                    if oldest.len() > MAX_CONNECTIONS
                        && let Some(oldest) = oldest.pop_front()
                    {
                        oldest.abort();
                    }
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

fn parse(redirect_uri: &str) -> Result<Url, Error> {
    let invalid = |why| Error::config(format!("the callback address {redirect_uri:?} {why}"));
    receivable(redirect_uri).map_err(invalid)
}

/// Checks that this machine can receive callbacks at a redirect URI; the error says what is wrong with it.
pub(super) fn receivable(redirect_uri: &str) -> Result<Url, String> {
    let url = Url::parse(redirect_uri).map_err(|error| format!("is not a URL: {error}"))?;
    if url.scheme() != "http" || !is_loopback(&url) {
        return Err("must be http on this machine (127.0.0.1, [::1] or localhost)".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have no query and no fragment".to_owned());
    }
    Ok(url)
}

fn unusable(url: &Url, taken: &Taken) -> Error {
    let Taken { address, error } = taken;
    let why = match url.domain() {
        Some(name) => format!(
            " {name} means both 127.0.0.1 and [::1], and a program that listens on either could receive the callback."
        ),
        None => String::new(),
    };
    Error::host(format!(
        "the callback address {address} cannot be used ({error}).{why} End the program that listens there, or choose another callback address"
    ))
}

async fn serve(stream: TcpStream, place: Arc<Place>, state: Arc<str>, found: mpsc::Sender<Found>) {
    // Dropped when the connection has ended in any way.
    let (_shown, when_shown) = oneshot::channel();
    let when_shown = Mutex::new(Some(when_shown));
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (method, uri, headers) = (request.method(), request.uri(), request.headers());
        let (page, params) = answer(method, uri, headers, &place, &state);
        let when_shown = when_shown.lock().ok().and_then(|mut shown| shown.take());
        if let (Some(params), Some(when_shown)) = (params, when_shown) {
            // A second one, while the first is in use, has no recipient.
            let _ = found.try_send((params, when_shown));
        }
        async move { Ok::<_, Infallible>(page) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // A client that is too slow, or disconnects, gets no page.
    let _ = tokio::time::timeout(CONNECTION_LIMIT, connection).await;
}

fn answer(
    method: &Method,
    uri: &http::Uri,
    headers: &HeaderMap,
    place: &Place,
    state: &str,
) -> (Page, Option<CallbackParams>) {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if host.is_none_or(|host| !host.eq_ignore_ascii_case(&place.authority)) {
        let refused = page::refused("This request was meant for another address");
        return (html(StatusCode::MISDIRECTED_REQUEST, refused), None);
    }
    if uri.path() != place.path {
        return (
            html(StatusCode::NOT_FOUND, page::refused("Not found")),
            None,
        );
    }
    if method != Method::GET {
        let refused = page::refused("Only GET is allowed");
        return (html(StatusCode::METHOD_NOT_ALLOWED, refused), None);
    }
    let params = CallbackParams::parse(&format!("?{}", uri.query().unwrap_or_default()));
    if !params.has_state(state) {
        tracing::warn!("a callback that matches no pending sign-in was refused");
        return (html(StatusCode::BAD_REQUEST, page::unexpected()), None);
    }
    (html(StatusCode::OK, page::received()), Some(params))
}

fn html(status: StatusCode, body: String) -> Page {
    let mut page = hyper::Response::new(Full::from(body));
    *page.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'",
        ),
    ] {
        page.headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    page
}
