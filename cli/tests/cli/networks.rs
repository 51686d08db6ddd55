//! Real networks: certificates, proxies, HTTP/2, and the error messages for them.

use std::sync::Arc;

use serde_json::json;
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::authority::Authority;
use crate::support::secured::{
    Flaw, Listening, certificate_of_a_client, closed_proxy, http_proxy, socks_proxy, tls,
    tls_settings,
};
use crate::support::{PlainServer, Program};

async fn server() -> PlainServer {
    PlainServer::start(json!({ "content": [{ "type": "text", "text": "hello" }] })).await
}

fn port(server: &PlainServer) -> u16 {
    let url = Url::parse(&server.url).expect("an address");
    url.port().expect("a port")
}

/// A call over https to a server on this machine.
fn secured_call(to: &Listening, authority: &Authority) -> Program {
    let url = format!("https://localhost:{}/mcp", to.port);
    call(&url).env("SSL_CERT_FILE", authority.file.path())
}

fn call(url: &str) -> Program {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.keep().join("credentials.json");
    Program::new(["call", url, "any"]).args(["--store".as_ref(), store.as_os_str()])
}

#[tokio::test]
async fn certificates_are_told_of_in_words() {
    let authority = Authority::new();
    let plain = server().await;
    for (flaw, said) in [
        (
            Flaw::Expired,
            "its certificate expired on Sat, 03 Feb 2001 00:00:00 GMT; this machine's clock says ",
        ),
        (
            Flaw::NotValidYet,
            "its certificate is valid from Sat, 03 Feb 2300 00:00:00 GMT on; this machine's clock says ",
        ),
        (Flaw::OtherName, "its certificate is for another name"),
        (Flaw::AsksForCertificate, "it requires a client certificate"),
        (
            Flaw::OtherProtocol,
            "it supports neither HTTP/1.1 nor HTTP/2",
        ),
    ] {
        let front = tls(tls_settings(&authority, flaw), port(&plain)).await;
        secured_call(&front, &authority).run().await.failed(1, said);
    }
    let front = tls(tls_settings(&authority, Flaw::None), port(&plain)).await;
    secured_call(&front, &authority)
        .run()
        .await
        .succeeded()
        .printed("hello\n");
    let stranger = Authority::new();
    let ended = secured_call(&front, &stranger).run().await;
    ended
        .failed(1, "its certificate is not from a trusted authority")
        .said("SSL_CERT_FILE");
}

#[tokio::test]
async fn what_the_libraries_say_is_told_where_it_is_asked_for() {
    let authority = Authority::new();
    let plain = server().await;
    let front = tls(tls_settings(&authority, Flaw::Expired), port(&plain)).await;
    let ended = secured_call(&front, &authority).run().await;
    assert!(!ended.stderr.contains("because"), "{}", ended.stderr);
    let ended = secured_call(&front, &authority).args(["-v"]).run().await;
    ended
        .failed(1, "\n  because: ")
        .said("invalid peer certificate");
}

#[tokio::test]
async fn http_where_tls_is_expected_is_said() {
    let plain = server().await;
    let url = format!("https://localhost:{}/mcp", port(&plain));
    let authority = Authority::new();
    let call = call(&url).env("SSL_CERT_FILE", authority.file.path());
    call.run()
        .await
        .failed(1, "it does not use TLS on this port");
}

#[tokio::test]
async fn machine_without_certificate_authorities() {
    let plain = server().await;
    let folder = tempfile::tempdir().expect("a folder");
    let missing = folder.path().join("missing.pem");
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").expect("a file");
    let bare = |url: &str| call(url).env("SSL_CERT_DIR", folder.path());
    // Connections without TLS work.
    for file in [&missing, &empty] {
        let call = bare(&plain.url).env("SSL_CERT_FILE", file);
        call.run().await.succeeded().printed("hello\n");
    }
    let url = "https://localhost:9/mcp";
    let ended = bare(url).env("SSL_CERT_FILE", &missing).run().await;
    ended.failed(2, "missing.pem, which cannot be read (No such file");
    let ended = bare(url).env("SSL_CERT_FILE", &empty).run().await;
    ended.failed(2, "empty.pem, which contains no certificate (PEM)");
    let ended = bare(url).run().await;
    ended
        .failed(2, "this machine has no certificate authorities")
        .said("ca-certificates");
}

#[tokio::test]
async fn client_certificate() {
    let authority = Authority::new();
    let plain = server().await;
    let front = tls(
        tls_settings(&authority, Flaw::AsksForCertificate),
        port(&plain),
    )
    .await;
    let own = certificate_of_a_client(&authority);
    let with = |file: &std::path::Path| {
        secured_call(&front, &authority).args(["--client-cert".as_ref(), file.as_os_str()])
    };
    with(own.path()).run().await.succeeded().printed("hello\n");
    let stranger = certificate_of_a_client(&Authority::new());
    let ended = with(stranger.path()).run().await;
    ended.failed(1, "it rejects the client certificate");
    let ended = with(authority.file.path()).run().await;
    ended.failed(
        2,
        "a certificate and an unencrypted private key are required",
    );
    let ended = with(std::path::Path::new("/no/such/file")).run().await;
    ended.failed(2, "--client-cert /no/such/file cannot be read");
}

#[tokio::test]
async fn proxies() {
    let authority = Authority::new();
    let plain = server().await;
    let front = tls(tls_settings(&authority, Flaw::None), port(&plain)).await;
    let by = |variable: &str, proxy: &str| {
        call("https://mcp.example/mcp")
            .env("SSL_CERT_FILE", authority.file.path())
            .env(variable, proxy)
    };
    let proxy = http_proxy(front.port).await;
    let address = format!("http://127.0.0.1:{}", proxy.port);
    by("HTTPS_PROXY", &address).run().await.succeeded();
    let proxy = socks_proxy(front.port).await;
    let address = format!("socks5h://127.0.0.1:{}", proxy.port);
    by("ALL_PROXY", &address).run().await.succeeded();

    let gone = format!("http://anna:secret@127.0.0.1:{}", free_port().await);
    let ended = by("https_proxy", &gone).run().await;
    let ended = ended.failed(1, "the proxy http://127.0.0.1:");
    let ended = ended.said("(set in the environment) could not connect");
    ended
        .said("the connection was refused")
        .hides(&["secret".to_owned()]);
    let closed = closed_proxy().await;
    let address = format!("http://127.0.0.1:{}", closed.port);
    let ended = by("HTTPS_PROXY", &address).run().await;
    ended.failed(1, "(set in the environment) could not connect");
    for (variable, value) in [
        ("HTTPS_PROXY", "http://"),
        ("all_proxy", "ftp://secret@proxy"),
    ] {
        let ended = by(variable, value).run().await;
        let ended = ended.failed(
            2,
            &format!("the environment's {variable} is not the address of a proxy"),
        );
        ended.hides(&["secret".to_owned()]);
    }
    // Loopback addresses do not use a proxy.
    let ended = secured_call(&front, &authority)
        .env("HTTPS_PROXY", &gone)
        .run()
        .await;
    ended.succeeded();
}

/// A port without a listener.
async fn free_port() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test]
async fn server_that_speaks_http_2_alone() {
    let authority = Authority::new();
    let plain = server().await;
    let mut config = tls_settings(&authority, Flaw::None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let to = plain.url.clone();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let stream = acceptor.accept(stream).await.expect("TLS");
            let to = to.clone();
            let forward = hyper_util::service::TowerToHyperService::new(tower_of(to));
            let executor = hyper_util::rt::TokioExecutor::new();
            let server = hyper_util::server::conn::auto::Builder::new(executor).http2_only();
            let stream = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(async move { drop(server.serve_connection(stream, forward).await) });
        }
    });
    let url = format!("https://localhost:{port}/mcp");
    let call = call(&url).env("SSL_CERT_FILE", authority.file.path());
    call.run().await.succeeded().printed("hello\n");
    serving.abort();
}

/// Forwards everything to a plain server.
fn tower_of(to: String) -> axum::Router {
    let client = reqwest::Client::new();
    axum::Router::new().fallback(move |request: axum::extract::Request| {
        let (client, to) = (client.clone(), to.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX)
                .await
                .expect("a body");
            let mut headers = head.headers;
            headers.remove("host");
            let sent = client.request(head.method, &to).headers(headers).body(body);
            let answer = sent.send().await.expect("an answer");
            let mut response = axum::response::Response::new(axum::body::Body::empty());
            *response.status_mut() = answer.status();
            for name in ["content-type", "mcp-session-id"] {
                if let Some(value) = answer.headers().get(name) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            *response.body_mut() = answer.bytes().await.expect("a body").into();
            response
        }
    })
}
