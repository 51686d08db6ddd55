//! Proxies in front of the fixture's servers that inject faults the fixture does not implement.

pub(crate) mod http;
pub(crate) mod ledger;
pub(crate) mod rules;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::http::{Client, Head, Request};
use self::ledger::{Ledger, Ticket};
use self::rules::{Act, Part, Role, Rules};

/// Whether clients can connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Open,
    /// No program listens.
    Shut,
    /// Connections are accepted and reset.
    Trap,
}

/// A proxy in front of one server.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) rules: Arc<Rules>,
    door: watch::Sender<Door>,
    _accepting: JoinSet<()>,
}

/// What every connection of a proxy needs.
#[derive(Clone)]
struct Shared {
    role: Role,
    upstream: String,
    rules: Arc<Rules>,
    ledger: Arc<Ledger>,
    http: reqwest::Client,
    door: watch::Receiver<Door>,
}

impl Proxy {
    /// Starts to forward connections of `listener` to the port `upstream`.
    pub(crate) fn start(
        role: Role,
        listener: TcpListener,
        upstream: u16,
        ledger: Arc<Ledger>,
    ) -> io::Result<Self> {
        let port = listener.local_addr()?.port();
        let (door, watched) = watch::channel(Door::Open);
        let rules = Arc::new(Rules::default());
        let http = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(io::Error::other)?;
        let shared = Shared {
            role,
            upstream: format!("http://{}:{upstream}", Ipv4Addr::LOCALHOST),
            rules: Arc::clone(&rules),
            ledger,
            http,
            door: watched,
        };
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(shared, listener, port));
        Ok(Self {
            port,
            rules,
            door,
            _accepting: accepting,
        })
    }

    /// Opens or closes the door. Existing connections finish.
    pub(crate) fn set_door(&self, door: Door) {
        self.door.send_replace(door);
    }
}

/// Opens a listener below the ephemeral port range, so that it can be closed and reopened.
pub(crate) async fn listen(from: u16) -> io::Result<TcpListener> {
    for port in (from..32_000).chain(20_000..from) {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            return Ok(listener);
        }
    }
    Err(io::Error::other("no port is free"))
}

async fn accept(shared: Shared, listener: TcpListener, port: u16) {
    let mut door = shared.door.clone();
    let mut connections = JoinSet::new();
    let mut listener = Some(listener);
    loop {
        let state = *door.borrow_and_update();
        if state == Door::Shut {
            listener = None;
            if door.changed().await.is_err() {
                return;
            }
            continue;
        }
        let Some(open) = &listener else {
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(open) => listener = Some(open),
                // Another program uses the port for a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
            continue;
        };
        tokio::select! {
            accepted = open.accept() => match accepted {
                Ok((stream, _)) if state == Door::Trap => drop(stream),
                Ok((stream, _)) => { connections.spawn(serve(shared.clone(), stream)); }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            changed = door.changed() => if changed.is_err() { return },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(shared: Shared, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let mut client = BufReader::new(stream);
    let mut door = shared.door.clone();
    loop {
        let request = tokio::select! {
            request = http::read(&mut client) => request,
            _ = door.wait_for(|door| *door != Door::Open) => return,
        };
        let Ok(Some(request)) = request else { return };
        if !matches!(answer(&shared, &mut client, request).await, Ok(true)) {
            return;
        }
    }
}

/// Answers a request; returns `false` if the connection must be closed.
async fn answer(shared: &Shared, client: &mut Client, request: Request) -> io::Result<bool> {
    let part = Part::of(shared.role, &request);
    let ticket = shared.ledger.presented(part, &request);
    let reply = Reply {
        shared,
        ticket: &ticket,
    };
    match shared.rules.act(part) {
        None if part == Part::Question => reply.say(client, Head::new(200), b"yes").await,
        None => reply.pass(client, &request).await,
        Some(Act::Delay(time)) => {
            tokio::time::sleep(time).await;
            match part {
                Part::Question => reply.say(client, Head::new(200), b"yes").await,
                _ => reply.pass(client, &request).await,
            }
        }
        Some(Act::Close) => Ok(false),
        Some(Act::Never) => {
            http::gone(client).await;
            Ok(false)
        }
        Some(Act::Answer {
            status,
            retry_after,
            location,
            body,
        }) => {
            let mut head = Head::new(status).with("content-type", "text/html");
            if let Some(seconds) = retry_after {
                head = head.with("retry-after", seconds);
            }
            if let Some(location) = location {
                head = head.with("location", location);
            }
            reply.say(client, head, body.as_bytes()).await
        }
        Some(Act::Huge) => {
            let head = Head::new(200).with("content-type", "application/json");
            let body = format!("{{\"padding\":\"{}\"}}", "x".repeat(3 * 1024 * 1024));
            reply.say(client, head, body.as_bytes()).await
        }
        Some(spoilt @ (Act::Lose | Act::Cut | Act::Halve | Act::Drip)) => {
            reply.spoil(client, &request, &spoilt).await
        }
    }
}

/// The context of one response.
struct Reply<'a> {
    shared: &'a Shared,
    ticket: &'a Ticket,
}

impl Reply<'_> {
    async fn say(&self, client: &mut Client, head: Head, body: &[u8]) -> io::Result<bool> {
        self.shared.ledger.answered(self.ticket, &head, body);
        http::write(client, &head, body, body.len()).await?;
        Ok(true)
    }

    async fn send(&self, request: &Request) -> io::Result<(Head, reqwest::Response)> {
        let method = request.method.parse().map_err(io::Error::other)?;
        let url = format!("{}{}", self.shared.upstream, request.target);
        let mut message = self.shared.http.request(method, url);
        for (name, value) in &request.headers {
            if !["connection", "content-length", "accept-encoding"].contains(&name.as_str()) {
                message = message.header(name, value);
            }
        }
        self.shared.ledger.seen(self.ticket);
        let answer = message.body(request.body.clone()).send().await;
        let answer = answer.map_err(io::Error::other)?;
        let mut head = Head::new(answer.status().as_u16());
        for (name, value) in answer.headers() {
            head = head.with(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        }
        self.shared.ledger.acted(self.ticket, head.status);
        Ok((head, answer))
    }

    /// Forwards a request, and streams its response back.
    async fn pass(&self, client: &mut Client, request: &Request) -> io::Result<bool> {
        let (head, answer) = self.send(request).await?;
        let streamed = head.header("content-type") == Some("text/event-stream");
        if !streamed {
            let body = answer.bytes().await.map_err(io::Error::other)?;
            self.shared.ledger.answered(self.ticket, &head, &body);
            http::write(client, &head, &body, body.len()).await?;
            self.shared.ledger.delivered(self.ticket);
            return Ok(true);
        }
        http::begin(client, &head).await?;
        let mut body = answer.bytes_stream();
        loop {
            let part = tokio::select! {
                part = body.next() => part,
                () = http::gone(client) => return Ok(false),
            };
            match part {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => http::chunk(client, &bytes).await?,
                Some(Err(_)) => return Ok(false),
                None => break,
            }
        }
        http::chunk(client, &[]).await?;
        Ok(true)
    }

    /// Forwards a request, and damages its response.
    async fn spoil(&self, client: &mut Client, request: &Request, how: &Act) -> io::Result<bool> {
        let (head, answer) = self.send(request).await?;
        if matches!(how, Act::Lose) {
            return Ok(false);
        }
        let body = answer.bytes().await.map_err(io::Error::other)?;
        self.shared.ledger.answered(self.ticket, &head, &body);
        let half = &body[..body.len() / 2];
        match how {
            Act::Cut => {
                http::write(client, &head, half, body.len()).await?;
                Ok(false)
            }
            Act::Drip => {
                http::begin(client, &head).await?;
                for bytes in body.chunks(4) {
                    http::chunk(client, bytes).await?;
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                http::chunk(client, &[]).await?;
                Ok(true)
            }
            _ => {
                http::write(client, &head, half, half.len()).await?;
                Ok(true)
            }
        }
    }
}
