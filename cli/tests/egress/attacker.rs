//! A malicious MCP server and its authorization server on the internet, and the addresses they try to lead to.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use rcgen::CertificateParams;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::authority::Authority;
use crate::tested::tested;

use crate::{AS, CLOUD, INTRANET, MCP};

/// Where the target is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lead {
    /// `resource_metadata` of the challenge.
    ResourceMetadata,
    /// `authorization_servers` of the resource's metadata.
    Issuer,
    AuthorizationEndpoint,
    TokenEndpoint,
    RegistrationEndpoint,
    PushedRequests,
}

impl Lead {
    pub(crate) const ALL: [Self; 6] = [
        Self::ResourceMetadata,
        Self::Issuer,
        Self::AuthorizationEndpoint,
        Self::TokenEndpoint,
        Self::RegistrationEndpoint,
        Self::PushedRequests,
    ];

    /// Whether the command requests this address before a sign-in.
    pub(crate) fn is_requested(self) -> bool {
        !matches!(self, Self::AuthorizationEndpoint | Self::TokenEndpoint)
    }
}

#[derive(Clone)]
pub(crate) struct Attacker(Arc<Mutex<Shared>>);

struct Shared {
    lead: Lead,
    target: String,
    reached: Vec<String>,
}

impl Attacker {
    /// Starts the servers on the internet, and listens on every address they might lead to.
    pub(crate) async fn start(authority: &Authority) -> Self {
        let attacker = Self(Arc::new(Mutex::new(Shared {
            lead: Lead::Issuer,
            target: String::new(),
            reached: Vec::new(),
        })));
        for (address, host) in [(MCP, "mcp.example"), (AS, "as.example")] {
            attacker.serve(authority, address, host).await;
        }
        for address in [INTRANET, CLOUD, "127.0.0.1", "[::1]"] {
            for port in [80, 443, 8080] {
                attacker.watch(&format!("{address}:{port}")).await;
            }
        }
        attacker
    }

    /// Sets the target, and where it is named.
    pub(crate) fn lead(&self, lead: Lead, target: &str) {
        self.with(|shared| (shared.lead, shared.target) = (lead, target.to_owned()));
    }

    /// The forbidden addresses that were connected to since the last call.
    pub(crate) fn reached(&self) -> Vec<String> {
        self.with(|shared| std::mem::take(&mut shared.reached))
    }

    /// Runs `mcp-reauth login` and returns its output.
    pub(crate) async fn login(&self, authority: &Authority, args: &[&str]) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let ended = Command::new(tested())
            .args(["login", "https://mcp.example/mcp", "--no-browser"])
            .args(args)
            .env_clear()
            .env("HOME", folder.path())
            .env("SSL_CERT_FILE", authority.file.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let ended = ended.await.expect("the command ran");
        assert!(!ended.status.success());
        String::from_utf8_lossy(&ended.stderr).into_owned()
    }

    fn with<T>(&self, work: impl FnOnce(&mut Shared) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn serve(&self, authority: &Authority, address: &str, host: &str) {
        let listener = TcpListener::bind((address, 443)).await;
        let listener = listener.expect("an address of its own");
        let acceptor = acceptor(authority, &[host, address]);
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = TowerToHyperService::new(router);
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let _ = builder
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
    }

    /// Records and closes each connection.
    async fn watch(&self, address: &str) {
        let listener = TcpListener::bind(address)
            .await
            .expect("an address of its own");
        let (attacker, address) = (self.clone(), address.to_owned());
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                attacker.with(|shared| shared.reached.push(address.clone()));
            }
        });
    }

    fn document(&self, path: &str) -> Option<serde_json::Value> {
        let (lead, target) = self.with(|shared| (shared.lead, shared.target.clone()));
        let at = |what, path: &str| match lead == what {
            true => format!("{target}{path}"),
            false => format!("https://as.example{path}"),
        };
        match path {
            "/.well-known/oauth-protected-resource/mcp" if lead != Lead::ResourceMetadata => {
                Some(json!({
                    "resource": "https://mcp.example/mcp",
                    "authorization_servers": [at(Lead::Issuer, "")],
                }))
            }
            "/.well-known/oauth-authorization-server" => Some(json!({
                "issuer": "https://as.example",
                "authorization_endpoint": at(Lead::AuthorizationEndpoint, "/authorize"),
                "token_endpoint": at(Lead::TokenEndpoint, "/token"),
                "registration_endpoint": at(Lead::RegistrationEndpoint, "/register"),
                "pushed_authorization_request_endpoint": at(Lead::PushedRequests, "/par"),
                "require_pushed_authorization_requests": true,
                "code_challenge_methods_supported": ["S256"],
            })),
            "/register" => Some(json!({ "client_id": "client" })),
            _ => None,
        }
    }
}

async fn answer(State(attacker): State<Attacker>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if path == "/mcp" {
        let named = attacker.with(|shared| {
            let named = (shared.lead == Lead::ResourceMetadata).then_some(&shared.target);
            named.map(|target| format!(r#"Bearer resource_metadata="{target}/metadata""#))
        });
        let challenge = named.unwrap_or_else(|| "Bearer".to_owned());
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, challenge)],
        )
            .into_response();
    }
    match attacker.document(&path) {
        Some(document) => axum::Json(document).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Accepts TLS connections for these hosts.
fn acceptor(authority: &Authority, hosts: &[&str]) -> TlsAcceptor {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let params = CertificateParams::new(hosts).expect("hosts");
    let (certificate, key) = authority.certifies(&params);
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key);
    TlsAcceptor::from(Arc::new(config.expect("a certificate and its key")))
}
