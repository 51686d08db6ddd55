//! Raw HTTP, for messages that an HTTP library would not send.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Sends these bytes to the server at `url`, and returns the response.
pub(crate) async fn send(url: &str, request: &str) -> String {
    let authority = url.trim_start_matches("http://");
    let authority = authority.split('/').next().unwrap_or_default();
    let mut stream = TcpStream::connect(authority).await.expect("it listens");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A server that answers every request with the same bytes, and closes the connection.
pub(crate) struct Speaker {
    /// Its address.
    pub(crate) url: String,
}

impl Speaker {
    pub(crate) async fn start(answer: impl Into<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let answer = answer.into();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    // Requests here are small: one read gets enough of them.
                    let mut request = [0; 64 * 1024];
                    let _ = stream.read(&mut request).await;
                    let _ = stream.write_all(&answer).await;
                    let _ = stream.shutdown().await;
                    // Waits until the client has received everything.
                    let _ = stream.read(&mut request).await;
                });
            }
        });
        Self {
            url: format!("http://{address}/mcp"),
        }
    }
}
