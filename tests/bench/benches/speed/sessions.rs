//! The cost of idle sessions.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::{AuthHost, AuthSession, AuthSessionBuilder, AuthState, Error, MemoryStore};
use mcp_reauth_bench::counted;

use crate::Effort;
use crate::report::Report;
use crate::stage::one_thread;

/// The length of access tokens in characters: opaque ones, and JWTs.
pub(crate) const OPAQUE: usize = 43;
pub(crate) const JWT: usize = 900;

/// A host without a user.
struct Idle;

impl AuthHost for Idle {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async { Err(Error::host("nobody is here")) })
    }

    fn confirm_step_up(&self, _: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async { Err(Error::host("nobody is here")) })
    }

    fn authorize(&self, _: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        Box::pin(async { Err(Error::host("nobody is here")) })
    }
}

/// A credential with an access token of this length.
pub(crate) fn state(token: usize) -> AuthState {
    AuthState::from_json(&granted(token).to_string()).unwrap()
}

/// The same, bound to the key with this thumbprint, which the application keeps.
pub(crate) fn bound_state(token: usize, thumbprint: &str) -> AuthState {
    let mut json = granted(token);
    json["grant"]["binding"] = serde_json::json!({ "thumbprint": thumbprint });
    AuthState::from_json(&json.to_string()).unwrap()
}

fn granted(token: usize) -> serde_json::Value {
    let issuer = "https://auth.example.com";
    serde_json::json!({
        "grant": {
            "id": "0123456789abcdef",
            "grantor": {
                "issuer": issuer,
                "token_endpoint": format!("{issuer}/oauth2/token"),
                "revocation_endpoint": format!("{issuer}/oauth2/revoke"),
                "resource": "https://mcp.example.com/mcp",
            },
            "access_token": "a".repeat(token),
            "granted": ["files:read", "files:write", "user:profile"],
            "expires_at": 4_000_000_000_u64,
            "obtained_at": 1_700_000_000,
            "refresh_token": "r".repeat(OPAQUE),
            "client": {
                "client_id": "1f0c4b1e-8a0b-4c39-9a55-1d1f6d6c2f10",
                "auth_method": "none",
                "redirect_uris": ["http://127.0.0.1:0/oauth/callback"],
                "dynamic": true,
            },
        },
        "requested": ["files:read", "files:write"],
    })
}

pub(crate) fn measure(report: &mut Report, effort: Effort) {
    let default: fn(AuthSessionBuilder) -> AuthSessionBuilder = |builder| builder;
    idle(report, effort, "by default, not signed in", None, default);
    let store = MemoryStore::new();
    let host: Arc<dyn AuthHost> = Arc::new(Idle);
    let shared = |builder: AuthSessionBuilder| {
        let builder = builder.store(store.clone());
        builder.host(Arc::clone(&host))
    };
    idle(report, effort, "one store, not signed in", None, shared);
    let opaque = format!("one store, token of {OPAQUE}");
    idle(report, effort, &opaque, Some(OPAQUE), shared);
    let jwt = format!("one store, token of {JWT}");
    idle(report, effort, &jwt, Some(JWT), shared);
}

fn idle(
    report: &mut Report,
    effort: Effort,
    what: &str,
    token: Option<usize>,
    set_up: impl Fn(AuthSessionBuilder) -> AuthSessionBuilder,
) {
    let runtime = one_thread();
    let mut sessions = Vec::with_capacity(effort.sessions);
    let open = async |user: usize| {
        let builder = AuthSession::builder("https://mcp.example.com/mcp");
        let builder = set_up(builder.profile(format!("{what} {user}")));
        let session = builder.open().await.unwrap();
        if let Some(token) = token {
            session.set_auth_state(state(token)).await.unwrap();
        }
        session
    };
    let ((), memory) = counted(|| {
        runtime.block_on(async {
            for user in 0..effort.sessions {
                sessions.push(open(user).await);
            }
        });
    });
    let each = memory.live as f64 / effort.sessions as f64;
    report.aimed(
        &format!("idle session: {what}"),
        each,
        4096.0,
        " bytes",
        format!("{each:.0} bytes each, of {}", effort.sessions),
    );
}
