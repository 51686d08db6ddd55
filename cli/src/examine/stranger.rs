//! A server at another origin, which must never receive a secret.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// How long it waits for the rest of a request.
const READ_LIMIT: Duration = Duration::from_secs(2);
/// How much of a request is read.
const MAX_REQUEST: usize = 256 * 1024;
const NOT_FOUND: &[u8] =
    b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A server that answers every request with 404 and records it.
pub(super) struct Stranger {
    origin: String,
    received: Arc<Mutex<String>>,
    serving: JoinHandle<()>,
}

impl Stranger {
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let received = Arc::default();
        let serving = tokio::spawn(serve(listener, Arc::clone(&received)));
        Ok(Self {
            origin,
            received,
            serving,
        })
    }

    /// A URL at its origin.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// All requests, as they were sent.
    pub(super) fn received(&self) -> String {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.clone()
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, received: Arc<Mutex<String>>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(record(stream, Arc::clone(&received)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn record(mut stream: TcpStream, received: Arc<Mutex<String>>) {
    let mut request = Vec::new();
    let read = async {
        while request.len() < MAX_REQUEST && !is_complete(&request) {
            match stream.read_buf(&mut request).await {
                Ok(1..) => {}
                Ok(0) | Err(_) => break,
            }
        }
    };
    // A request that is cut off is recorded as well.
    let _ = tokio::time::timeout(READ_LIMIT, read).await;
    {
        let mut received = received.lock().unwrap_or_else(PoisonError::into_inner);
        received.push_str(&String::from_utf8_lossy(&request));
    }
    let _ = stream.write_all(NOT_FOUND).await;
    let _ = stream.shutdown().await;
}

/// Whether a request has all of its header, and of its body if it tells the length.
fn is_complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let named = name.eq_ignore_ascii_case("content-length");
        named.then(|| value.trim().parse::<usize>().ok())?
    });
    match length {
        Some(length) => body.len() >= length,
        None => {
            !head.to_ascii_lowercase().contains("transfer-encoding") || body.ends_with("0\r\n\r\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_complete_with_its_body() {
        for (request, complete) in [
            ("GET / HTTP/1.1\r\nhost: a", false),
            ("GET / HTTP/1.1\r\nhost: a\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", false),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", true),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n",
                false,
            ),
            (
                "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
                true,
            ),
        ] {
            assert_eq!(is_complete(request.as_bytes()), complete, "{request:?}");
        }
    }
}
