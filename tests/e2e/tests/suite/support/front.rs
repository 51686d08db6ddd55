//! A proxy for the MCP server with behaviour that the fixture lacks: challenges inside event streams, and event streams
//! that break.

use std::convert::Infallible;
use std::thread;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Method, header};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};

use super::log;

/// A proxy in front of an MCP endpoint. It runs until the process ends.
pub(crate) struct Front {
    pub(crate) url: String,
    cut: watch::Sender<u64>,
}

#[derive(Clone)]
struct Proxy {
    target: String,
    client: reqwest::Client,
    cut: watch::Receiver<u64>,
}

impl Front {
    pub(crate) async fn start(target: &str) -> Self {
        let (cut, cuts) = watch::channel(0);
        let (started, address) = oneshot::channel();
        let target = target.to_owned();
        thread::spawn(move || {
            let _silence = log::off();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let _ = started.send(listener.local_addr().expect("an address"));
                let proxy = Proxy {
                    target,
                    client: reqwest::Client::new(),
                    cut: cuts,
                };
                let app = Router::new().fallback(forward).with_state(proxy);
                axum::serve(listener, app).await.expect("it serves");
            });
        });
        let address = address.await.expect("it starts");
        Self {
            url: format!("http://{address}/mcp"),
            cut,
        }
    }

    /// Ends all event streams that were opened with GET.
    pub(crate) fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

async fn forward(
    State(proxy): State<Proxy>,
    method: Method,
    mut headers: HeaderMap,
    body: Bytes,
) -> Response {
    headers.remove(header::HOST);
    headers.remove(header::CONTENT_LENGTH);
    let request = proxy.client.request(method.clone(), &proxy.target);
    let answer = request.headers(headers).body(body).send().await;
    let answer = answer.expect("the server answers");
    let mut response = Response::new(Body::empty());
    *response.status_mut() = answer.status();
    *response.headers_mut() = answer.headers().clone();
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().remove(header::TRANSFER_ENCODING);
    *response.body_mut() = match method {
        Method::GET if answer.status().is_success() => open_stream(answer, proxy.cut),
        _ => {
            let events = answer.headers().get(header::CONTENT_TYPE);
            if events.is_some_and(|kind| kind == "text/event-stream") {
                Body::from_stream(answer.bytes_stream())
            } else {
                let body = answer.bytes().await.expect("it has a body");
                in_events(&mut response, &body)
            }
        }
    };
    response
}

/// A stream without events, which stays open until it is cut.
fn open_stream(upstream: reqwest::Response, mut cut: watch::Receiver<u64>) -> Body {
    cut.mark_unchanged();
    let until = async move {
        if cut.changed().await.is_err() {
            // The sender is gone, so it is never cut.
            std::future::pending::<()>().await;
        }
        drop(upstream);
    };
    let first = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b": open\n\n")) });
    let open = first.chain(stream::pending()).take_until(until.boxed());
    Body::from_stream(open)
}

/// Converts a response with a challenge to an event.
fn in_events(response: &mut Response, body: &[u8]) -> Body {
    let text = String::from_utf8_lossy(body);
    if !text.contains("mcp/www_authenticate") {
        return Body::from(body.to_vec());
    }
    let kind = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Body::from(format!("data: {text}\n\n"))
}
