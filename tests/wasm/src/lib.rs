//! A host like one in a browser: its parts share state that is neither `Send` nor `Sync`, like JavaScript's objects and
//! promises. Compiling it is the test; nothing runs.
#![cfg(target_arch = "wasm32")]

use std::cell::RefCell;
use std::future::{pending, ready};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::http::{HttpClient, HttpError, Request, Response};
use mcp_reauth::recovery::Trigger;
use mcp_reauth::store::{Deleted, LocalLeases, Saved, StoreKey, Stored};
use mcp_reauth::{
    AuthHost, AuthSession, BoxFuture, Error, Event, Operation, RecordStore, Runtime, Secret,
};

/// A page whose promises share its state.
#[derive(Clone, Default)]
pub struct Page(Rc<RefCell<Vec<String>>>);

impl Page {
    /// Waits for a promise.
    async fn promise(self, what: String) -> usize {
        ready(()).await;
        self.0.borrow_mut().push(what);
        self.0.borrow().len()
    }
}

impl AuthHost for Page {
    fn confirm_step_up(&self, request: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        let asked = self.clone().promise(request.server);
        Box::pin(async move { Ok(asked.await > 0) })
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        let opened = self.clone().promise(request.url);
        Box::pin(async move {
            opened.await;
            Ok(Authorized::Elsewhere)
        })
    }

    fn event(&self, event: Event) {
        self.0.borrow_mut().push(event.to_string());
    }
}

impl HttpClient for Page {
    fn send(&self, request: Request, _: usize) -> BoxFuture<'static, Result<Response, HttpError>> {
        let fetched = self.clone().promise(request.uri().to_string());
        Box::pin(async move {
            fetched.await;
            Ok(Response::default())
        })
    }
}

impl Runtime for Page {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(pending())
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        drop(task);
    }
}

impl RecordStore for Page {
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>> {
        let read = self.clone().promise(key.server.clone());
        Box::pin(async move {
            read.await;
            Ok(None)
        })
    }

    fn save(
        &self,
        _: &StoreKey,
        _: Secret,
        _: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>> {
        Box::pin(ready(Ok(Saved::Conflict)))
    }

    fn delete(&self, _: &StoreKey, _: u64) -> BoxFuture<'static, Result<Deleted, Error>> {
        Box::pin(ready(Ok(Deleted::Conflict)))
    }
}

/// Opens a session of the page, and authorizes one request.
///
/// # Errors
/// Those of [`AuthSession`].
pub async fn request(page: Page) -> Result<(), Error> {
    let heard = page.clone();
    let session = AuthSession::builder("https://mcp.example.com/mcp")
        .host(page.clone())
        .http_client(page.clone())
        .runtime(page.clone())
        .store(LocalLeases::new(page))
        .on_event(move |event| heard.0.borrow_mut().push(event.to_string()))
        .open()
        .await?;
    let mut request = session.request(Operation::default(), Trigger::Command);
    request.authorize("POST", session.server()).await?;
    Ok(())
}
