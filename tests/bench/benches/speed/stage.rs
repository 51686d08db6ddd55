//! Fast servers, and sessions that are signed in there.

use std::thread;

use futures_util::future::BoxFuture;
use http::header::LOCATION;
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::{
    AuthHost, AuthSession, AuthSessionBuilder, CallbackParams, Error, Outcome, ScopeSet,
};
use mcp_reauth_fixture::{Config, Control, Fixture};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// The fixture's servers, on their own thread.
pub(crate) struct Stage {
    pub(crate) control: Control,
    pub(crate) mcp_url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let (started, servers) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            one_thread().block_on(async move {
                let fixture = Fixture::start(Config::default()).await.unwrap();
                let mcp_url = fixture.mcp_url().to_owned();
                started.send((fixture.control().clone(), mcp_url)).unwrap();
                let _ = stopped.await;
                fixture.shutdown().await;
            });
        });
        let (control, mcp_url) = servers.recv().unwrap();
        Self {
            control,
            mcp_url,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A session with a credential.
    pub(crate) async fn signed_in(
        &self,
        set_up: impl FnOnce(AuthSessionBuilder) -> AuthSessionBuilder,
    ) -> AuthSession {
        let builder = AuthSession::builder(&self.mcp_url).host(Agreeable);
        let session = set_up(builder).open().await.unwrap();
        let outcome = session.sign_in(ScopeSet::parse("mcp:read")).await;
        assert_eq!(outcome, Outcome::Satisfied);
        session
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(crate) fn one_thread() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// A client with the session's own settings.
pub(crate) fn http_client() -> reqwest::Client {
    let none = reqwest::redirect::Policy::none();
    let builder = reqwest::Client::builder().redirect(none).no_proxy();
    builder.user_agent("mcp-reauth-bench").build().unwrap()
}

/// A user who agrees to everything, with a browser that returns the callback directly.
struct Agreeable;

impl AuthHost for Agreeable {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async { Ok("http://127.0.0.1:1/callback".to_owned()) })
    }

    fn confirm_step_up(&self, _: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        Box::pin(async { Ok(true) })
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        Box::pin(async move {
            let answer = http_client().get(request.url).send().await.unwrap();
            let callback = answer.headers()[LOCATION].to_str().unwrap();
            Ok(Authorized::Callback(CallbackParams::parse(callback)))
        })
    }
}
