//! TLS in front of a server, with generated certificates.

use std::io;
use std::sync::Arc;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, date_time_ymd};
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::authority::{Authority, file_with};

/// A defect of a server's certificate or TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    Expired,
    NotValidYet,
    OtherName,
    /// The server requires a client certificate.
    AsksForCertificate,
    /// The port speaks a protocol other than HTTP.
    OtherProtocol,
}

/// Writes a client certificate and its key to a file.
pub(crate) fn certificate_of_a_client(by: &Authority) -> NamedTempFile {
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let (certificate, key) = by.certifies(&params);
    file_with(&format!("{}{}", certificate.pem(), key.serialize_pem()))
}

/// Settings of a server with a certificate of this authority, and of its client certificates if it requires them.
pub(crate) fn tls_settings(by: &Authority, flaw: Flaw) -> ServerConfig {
    let hosts: &[&str] = match flaw {
        Flaw::OtherName => &["other.example"],
        _ => &["localhost", "mcp.example"],
    };
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("hosts");
    match flaw {
        Flaw::Expired => params.not_after = date_time_ymd(2001, 2, 3),
        Flaw::NotValidYet => params.not_before = date_time_ymd(2300, 2, 3),
        _ => {}
    }
    let (certificate, key) = by.certifies(&params);
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let builder = match flaw {
        Flaw::AsksForCertificate => {
            let mut roots = RootCertStore::empty();
            let root = CertificateDer::from_pem_file(by.file.path()).expect("a certificate");
            roots.add(root).expect("an authority");
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
            ServerConfig::builder().with_client_cert_verifier(verifier.expect("a verifier"))
        }
        _ => ServerConfig::builder().with_no_client_auth(),
    };
    let config = builder.with_single_cert(vec![certificate.der().clone()], key);
    let mut config = config.expect("a certificate and its key");
    if flaw == Flaw::OtherProtocol {
        config.alpn_protocols = vec![b"imap".to_vec()];
    }
    config
}

/// A listening socket on this machine; dropping it closes it.
pub(crate) struct Listening {
    pub(crate) port: u16,
    task: JoinHandle<()>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// TLS in front of a plain server's port.
pub(crate) async fn tls(config: ServerConfig, to: u16) -> Listening {
    let acceptor = TlsAcceptor::from(Arc::new(config));
    listen(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await?;
            let mut inner = TcpStream::connect(("127.0.0.1", to)).await?;
            copy_bidirectional(&mut stream, &mut inner).await.map(drop)
        }
    })
    .await
}

/// An HTTP proxy (RFC 9110 section 9.3.6) that connects every request to one port.
pub(crate) async fn http_proxy(to: u16) -> Listening {
    listen(move |mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        assert!(head.starts_with(b"CONNECT mcp.example:443 "));
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
        let mut inner = TcpStream::connect(("127.0.0.1", to)).await?;
        copy_bidirectional(&mut stream, &mut inner).await.map(drop)
    })
    .await
}

/// An HTTP proxy that refuses every connection.
pub(crate) async fn closed_proxy() -> Listening {
    listen(|mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        stream
            .write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
            .await
    })
    .await
}

/// A SOCKS5 proxy (RFC 1928) that connects every request to one port.
pub(crate) async fn socks_proxy(to: u16) -> Listening {
    listen(move |mut stream| async move {
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).await?;
        let mut methods = vec![0; usize::from(greeting[1])];
        stream.read_exact(&mut methods).await?;
        stream.write_all(&[5, 0]).await?;
        let mut request = [0; 5];
        stream.read_exact(&mut request).await?;
        // By name: only the proxy resolves it.
        assert_eq!(request[..4], [5, 1, 0, 3]);
        let mut name = vec![0; usize::from(request[4]) + 2];
        stream.read_exact(&mut name).await?;
        assert!(name.starts_with(b"mcp.example"));
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        let mut inner = TcpStream::connect(("127.0.0.1", to)).await?;
        copy_bidirectional(&mut stream, &mut inner).await.map(drop)
    })
    .await
}

async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Listening
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let serving = serve(stream);
            // Ignores broken connections, which the tests cause on purpose.
            tokio::spawn(async move { drop(serving.await) });
        }
    });
    Listening { port, task }
}
