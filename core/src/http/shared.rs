//! The HTTP client of sessions that are not given one.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::threads::BoxFuture;
use tokio::runtime::{Handle, Id};

use super::{HttpClient, HttpError, Request, ReqwestClient, Response};

/// A [`ReqwestClient`] that is created when the first request is sent, and shared by all sessions of a runtime. One
/// client takes as much memory as a hundred sessions, most of which send no request for hours.
///
/// It is not shared between runtimes: a connection is served by a task of the runtime it was opened on, and stalls when
/// that runtime does.
#[derive(Default)]
pub(crate) struct SharedClient {
    /// The client that this session used last. A runtime's client lives as long as any session holds it.
    used: Mutex<Option<Used>>,
}

type Used = (Option<Id>, Arc<ReqwestClient>);

/// The clients in use, by runtime.
static IN_USE: Mutex<Vec<(Option<Id>, Weak<ReqwestClient>)>> = Mutex::new(Vec::new());

impl SharedClient {
    fn client(&self) -> Arc<ReqwestClient> {
        // Without a runtime, reqwest reports the error.
        let runtime = Handle::try_current().ok().map(|handle| handle.id());
        let mut used = lock(&self.used);
        if let Some((of, client)) = &*used
            && *of == runtime
        {
            return Arc::clone(client);
        }
        let client = client_of(runtime);
        *used = Some((runtime, Arc::clone(&client)));
        client
    }
}

impl HttpClient for SharedClient {
    fn send(
        &self,
        request: Request,
        max_body: usize,
    ) -> BoxFuture<'static, Result<Response, HttpError>> {
        self.client().send(request, max_body)
    }

    fn resolve(&self, host: &str) -> BoxFuture<'static, Option<Vec<IpAddr>>> {
        self.client().resolve(host)
    }
}

fn client_of(runtime: Option<Id>) -> Arc<ReqwestClient> {
    let mut in_use = lock(&IN_USE);
    in_use.retain(|(_, client)| client.strong_count() > 0);
    let known = in_use.iter().find(|(of, _)| *of == runtime);
    if let Some(client) = known.and_then(|(_, client)| client.upgrade()) {
        return client;
    }
    let client = Arc::new(ReqwestClient::new());
    in_use.push((runtime, Arc::downgrade(&client)));
    client
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::{Builder, Runtime};

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().expect("a runtime")
    }

    fn client(shared: &SharedClient) -> Arc<ReqwestClient> {
        shared.client()
    }

    #[test]
    fn one_for_each_runtime() {
        let (here, there) = (runtime(), runtime());
        let (one, other) = (SharedClient::default(), SharedClient::default());
        let first = here.block_on(async { client(&one) });
        let second = here.block_on(async { client(&other) });
        assert!(Arc::ptr_eq(&first, &second));
        let elsewhere = there.block_on(async { client(&one) });
        assert!(!Arc::ptr_eq(&first, &elsewhere));
        let back = here.block_on(async { client(&one) });
        assert!(Arc::ptr_eq(&first, &back));
    }

    #[test]
    fn it_goes_with_the_last_session() {
        let here = runtime();
        let session = SharedClient::default();
        let used = here.block_on(async { Arc::downgrade(&client(&session)) });
        assert!(used.upgrade().is_some());
        drop(session);
        assert!(used.upgrade().is_none());
    }

    #[test]
    fn a_session_that_asks_nobody_has_none() {
        let session = SharedClient::default();
        assert!(lock(&session.used).is_none());
    }
}
