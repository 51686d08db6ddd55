//! Test support: another program, a browser, and sign-ins.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mcp_reauth::host::{AuthorizationRequest, Authorized};
use mcp_reauth::loopback::{CallbackListener, TerminalHost, TerminalOptions};
use mcp_reauth::{AuthChallenge, AuthHost as _, Error, ScopeSet};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

pub(crate) const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// Binds an address, as another program does.
pub(crate) fn hold(ip: IpAddr, port: u16) -> TcpListener {
    TcpListener::bind(SocketAddr::new(ip, port)).expect("the address is free")
}

/// Returns a port that is free in both families: neither one that a system chooses for port 0, nor one that another
/// test was given.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed) % 40;
        let port = 20_000 + (std::process::id() % 250) * 40 + given;
        let port = u16::try_from(port).expect("it is below 30000");
        let is_free = |ip| TcpListener::bind(SocketAddr::new(ip, port)).is_ok();
        if is_free(V4) && is_free(V6) {
            return port;
        }
    }
}

pub(crate) fn port_of(uri: &str) -> u16 {
    let url = url::Url::parse(uri).expect("it is a URL");
    url.port().expect("it has a port")
}

/// Visits `path` at an address as a browser that expects the server `host`, and returns the status.
pub(crate) async fn visit(address: SocketAddr, host: &str, path: &str) -> u16 {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("it takes the request");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    read.expect("it answers");
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    status.expect("it answers in HTTP")
}

/// Checks that a callback to `ip` arrives.
pub(crate) async fn arrives(listener: &CallbackListener, ip: IpAddr) {
    let url = url::Url::parse(listener.redirect_uri()).expect("it is a URL");
    let port = port_of(listener.redirect_uri());
    let host = format!("{}:{port}", url.host_str().expect("it has a host"));
    let path = format!("{}?state=s&code=c", url.path());
    let (callback, status) = tokio::join!(
        listener.wait("s"),
        visit(SocketAddr::new(ip, port), &host, &path)
    );
    assert!(callback.is_ok());
    assert_eq!(status, 200);
}

pub(crate) async fn bind(host: &str, port: u16) -> Result<CallbackListener, String> {
    let bound = CallbackListener::bind(&format!("http://{host}:{port}/callback")).await;
    bound.map_err(|error| error.to_string())
}

pub(crate) async fn bound(host: &str, port: u16) -> CallbackListener {
    let listener = bind(host, port).await.expect("the address is free");
    let expected = format!(
        "http://{host}:{}/callback",
        port_of(listener.redirect_uri())
    );
    assert_eq!(listener.redirect_uri(), expected);
    listener
}

/// Whether another program could listen there.
pub(crate) fn is_free(ip: IpAddr, port: u16) -> bool {
    TcpListener::bind(SocketAddr::new(ip, port)).is_ok()
}

pub(crate) fn host(redirect_uri: Option<String>) -> Arc<TerminalHost> {
    Arc::new(TerminalHost::new(TerminalOptions {
        redirect_uri,
        open_browser: false,
        ..TerminalOptions::default()
    }))
}

pub(crate) fn at(port: u16) -> String {
    format!("http://127.0.0.1:{port}/callback")
}

/// Starts a sign-in whose page is shown now.
pub(crate) fn sign_in(
    host: &Arc<TerminalHost>,
    redirect_uri: &str,
    state: &str,
) -> JoinHandle<Result<Authorized, Error>> {
    let request = AuthorizationRequest {
        url: "https://auth.example.com/authorize".to_owned(),
        state: state.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        server: "https://mcp.example.com/mcp".to_owned(),
        issuer: "https://auth.example.com".to_owned(),
        at_identity_provider: false,
        scopes: ScopeSet::default(),
        challenge: AuthChallenge::from_response(401, ["Bearer"]).expect("it is one"),
    };
    let host = Arc::clone(host);
    tokio::spawn(async move { host.authorize(request).await })
}

/// Sends the browser's callback once the sign-in with this state has its turn, and checks that it succeeds.
pub(crate) async fn finish(
    sign_in: JoinHandle<Result<Authorized, Error>>,
    redirect_uri: &str,
    state: &str,
) {
    let port = port_of(redirect_uri);
    let url = url::Url::parse(redirect_uri).expect("it is a URL");
    let (host, path) = (format!("127.0.0.1:{port}"), url.path());
    let path = format!("{path}?state={state}&code=c");
    let address = SocketAddr::new(V4, port);
    while !sign_in.is_finished() {
        let listens = TcpStream::connect(address).await.is_ok();
        if listens && visit(address, &host, &path).await == 200 {
            break;
        }
        tokio::task::yield_now().await;
    }
    let ended = sign_in.await.expect("it does not panic");
    assert!(matches!(ended, Ok(Authorized::Callback(_))), "{ended:?}");
}
