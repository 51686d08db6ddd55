//! A web application: each of its users has a session, and signs in on pages in their own browser.
//!
//! ```console
//! $ cargo run -p mcp-reauth-examples --bin web -- https://mcp.example.com/mcp 8080
//! ```
//!
//! Then open <http://127.0.0.1:8080/tools>.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use futures_util::future::BoxFuture;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::{AuthHost, AuthSession, CallbackParams, Error, wording};
use mcp_reauth_rmcp::{ReauthClient, find_error};
use rmcp::ServiceExt;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tokio::net::TcpListener;

/// The user's browser can only be redirected by the response to its own request.
struct Browser;

impl AuthHost for Browser {
    fn confirm_step_up(&self, _: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        // The user asked for the tool, and the authorization server's page shows what it needs.
        Box::pin(async { Ok(true) })
    }

    fn authorize(&self, _: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        // The failed request's error has the address to redirect to.
        Box::pin(async { Ok(Authorized::Elsewhere) })
    }
}

/// The application.
struct App {
    server: String,
    redirect_uri: String,
    sessions: Mutex<HashMap<String, AuthSession>>,
}

impl App {
    /// The session of the user who is signed in to this application. Only this decides to whom a callback belongs.
    async fn session(&self, user: &str) -> Result<AuthSession, Error> {
        if let Some(session) = self.sessions().get(user) {
            return Ok(session.clone());
        }
        let session = AuthSession::builder(&self.server)
            .client_name("Web example")
            .profile(user)
            .redirect_uri(&self.redirect_uri)
            .host(Browser)
            .open()
            .await?;
        let mut sessions = self.sessions();
        Ok(sessions.entry(user.to_owned()).or_insert(session).clone())
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, HashMap<String, AuthSession>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn StdError>> {
    let mut args = std::env::args().skip(1);
    let (Some(server), Some(port)) = (args.next(), args.next()) else {
        return Err("usage: web SERVER PORT".into());
    };
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    println!("{origin}/tools");
    let app = App {
        server,
        redirect_uri: format!("{origin}/callback"),
        sessions: Mutex::default(),
    };
    let pages = Router::new()
        .route("/tools", get(tools))
        .route("/callback", get(callback));
    axum::serve(listener, pages.with_state(Arc::new(app))).await?;
    Ok(())
}

/// Lists the tools, or redirects the user to sign in first.
async fn tools(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let Some(user) = user(&headers) else {
        // Stands for this application's own sign-in.
        let cookie = format!("user={}; HttpOnly; SameSite=Lax", random());
        return ([(SET_COOKIE, cookie)], Redirect::to("/tools")).into_response();
    };
    match list(&app, &user).await {
        Ok(names) => names.join("\n").into_response(),
        Err(error) => match find_error(&*error) {
            Some(error) => match error.authorization_url() {
                Some(url) => Redirect::to(url).into_response(),
                None => (StatusCode::BAD_GATEWAY, wording::failure(error)).into_response(),
            },
            None => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        },
    }
}

async fn list(app: &App, user: &str) -> Result<Vec<String>, Box<dyn StdError + Send + Sync>> {
    let session = app.session(user).await?;
    let config = StreamableHttpClientTransportConfig::with_uri(session.server());
    let http = ReauthClient::new(session)?;
    let client = ().serve(StreamableHttpClientTransport::with_client(http, config)).await?;
    let tools = client.list_all_tools().await?;
    client.cancel().await?;
    Ok(tools
        .into_iter()
        .map(|tool| tool.name.into_owned())
        .collect())
}

/// Handles the redirect back from the authorization server.
async fn callback(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(user) = user(&headers) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let completed = async {
        let session = app.session(&user).await?;
        let params = CallbackParams::parse(&query.unwrap_or_default());
        session.complete_authorization(params).await
    };
    match completed.await {
        Ok(()) => Redirect::to("/tools").into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, wording::failure(&error)).into_response(),
    }
}

/// The user who is signed in to this application, from its cookie.
fn user(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    let mut cookies = cookies.split("; ");
    cookies
        .find_map(|cookie| cookie.strip_prefix("user="))
        .map(str::to_owned)
}

fn random() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random numbers");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
