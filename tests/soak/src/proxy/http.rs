//! A minimal HTTP/1.1 proxy implementation that can break off a message anywhere.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// More than any request of the product needs.
const MAX_HEAD: usize = 64 * 1024;

pub(crate) type Client = BufReader<TcpStream>;

/// A request as it arrived.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

/// Reads the next request; `None` if the client has closed the connection between two requests.
pub(crate) async fn read(client: &mut Client) -> io::Result<Option<Request>> {
    let mut lines = Vec::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        let read = client.read_line(&mut line).await?;
        length += read;
        if read == 0 && lines.is_empty() {
            return Ok(None);
        }
        if read == 0 || length > MAX_HEAD {
            return Err(invalid("a request that has no end"));
        }
        match line.trim_end() {
            "" if lines.is_empty() => {}
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let mut first = lines[0].split(' ');
    let (Some(method), Some(target)) = (first.next(), first.next()) else {
        return Err(invalid("no request line"));
    };
    let headers = lines[1..].iter().filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let headers: Vec<_> = headers.collect();
    let header = |name: &str| headers.iter().find(|(own, _)| own == name);
    if header("transfer-encoding").is_some() {
        return Err(invalid("a request in chunks, which no client here sends"));
    }
    let length = header("content-length").map_or(Ok(0), |(_, value)| value.parse::<usize>());
    let mut body = vec![0; length.map_err(|_| invalid("no length"))?];
    client.read_exact(&mut body).await?;
    Ok(Some(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body,
    }))
}

/// Resolves when the client has gone; never, if it sends something instead.
pub(crate) async fn gone(client: &mut Client) {
    match client.fill_buf().await {
        Ok([]) | Err(_) => {}
        Ok(_) => std::future::pending().await,
    }
}

impl Head {
    pub(crate) fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Serializes the head; without `length`, the body is chunked.
    fn written(&self, length: Option<usize>) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} Soak\r\n", self.status);
        let framing = ["content-length", "transfer-encoding", "connection"];
        for (name, value) in &self.headers {
            if !framing.contains(&name.as_str()) {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        match length {
            Some(length) => text.push_str(&format!("content-length: {length}\r\n\r\n")),
            None => text.push_str("transfer-encoding: chunked\r\n\r\n"),
        }
        text.into_bytes()
    }
}

/// Writes a response with `body`, and `length` as its Content-Length.
pub(crate) async fn write(
    client: &mut Client,
    head: &Head,
    body: &[u8],
    length: usize,
) -> io::Result<()> {
    let mut message = head.written(Some(length));
    message.extend_from_slice(body);
    client.write_all(&message).await?;
    client.flush().await
}

/// Begins a response of unknown length.
pub(crate) async fn begin(client: &mut Client, head: &Head) -> io::Result<()> {
    client.write_all(&head.written(None)).await?;
    client.flush().await
}

/// Writes a chunk of such a response; an empty one ends it.
pub(crate) async fn chunk(client: &mut Client, bytes: &[u8]) -> io::Result<()> {
    let mut message = format!("{:x}\r\n", bytes.len()).into_bytes();
    message.extend_from_slice(bytes);
    message.extend_from_slice(b"\r\n");
    client.write_all(&message).await?;
    client.flush().await
}
