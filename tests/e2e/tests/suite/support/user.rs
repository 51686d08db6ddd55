//! The user of the program, with a browser.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::loopback::CallbackListener;
use mcp_reauth::{AuthHost, Error, Event};
use tokio::sync::watch;

use super::{browser, log};

/// Port 0: any free port.
const REDIRECT_URI: &str = "http://127.0.0.1:0/oauth/callback";

type OnEvent = Box<dyn Fn(&Event) + Send + Sync>;
type Browser = Arc<dyn Fn(AuthorizationRequest) -> BoxFuture<'static, ()> + Send + Sync>;

/// A user who agrees or declines as the test sets, with counters of prompts.
pub(crate) struct User {
    says_yes: AtomicBool,
    goes_elsewhere: AtomicBool,
    answers_after: AtomicUsize,
    questions: AtomicU64,
    pages: AtomicU64,
    events: watch::Sender<Vec<Event>>,
    on_event: Mutex<Option<OnEvent>>,
    browser: Mutex<Option<Browser>>,
    last_step_up: Mutex<Option<StepUpRequest>>,
    last_page: Mutex<Option<AuthorizationRequest>>,
    listener: tokio::sync::Mutex<Option<CallbackListener>>,
}

impl Default for User {
    fn default() -> Self {
        Self {
            says_yes: AtomicBool::new(true),
            goes_elsewhere: AtomicBool::new(false),
            answers_after: AtomicUsize::new(0),
            questions: AtomicU64::new(0),
            pages: AtomicU64::new(0),
            events: watch::Sender::default(),
            on_event: Mutex::default(),
            browser: Mutex::default(),
            last_step_up: Mutex::default(),
            last_page: Mutex::default(),
            listener: tokio::sync::Mutex::default(),
        }
    }
}

impl User {
    /// Sets the answer to later questions.
    pub(crate) fn says(&self, yes: bool) {
        self.says_yes.store(yes, Ordering::Relaxed);
    }

    /// Answers questions only after the user has received so many `challenged` events.
    pub(crate) fn answers_after(&self, challenges: usize) {
        self.answers_after.store(challenges, Ordering::Relaxed);
    }

    /// From now on, another program receives the callback, as with a web page.
    pub(crate) fn goes_elsewhere(&self) {
        self.goes_elsewhere.store(true, Ordering::Relaxed);
    }

    /// Calls `hook` for every event, while the event is delivered.
    pub(crate) fn on_event(&self, hook: impl Fn(&Event) + Send + Sync + 'static) {
        *lock(&self.on_event) = Some(Box::new(hook));
    }

    /// Visits pages with this function instead.
    pub(crate) fn browses<F>(
        &self,
        visit: impl Fn(AuthorizationRequest) -> F + Send + Sync + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        *lock(&self.browser) = Some(Arc::new(move |request| Box::pin(visit(request))));
    }

    /// The number of questions and of pages.
    pub(crate) fn prompts(&self) -> (u64, u64) {
        (
            self.questions.load(Ordering::Relaxed),
            self.pages.load(Ordering::Relaxed),
        )
    }

    pub(crate) fn reset(&self) {
        self.questions.store(0, Ordering::Relaxed);
        self.pages.store(0, Ordering::Relaxed);
        self.events.send_replace(Vec::new());
    }

    pub(crate) fn last_step_up(&self) -> StepUpRequest {
        lock(&self.last_step_up).clone().expect("there was one")
    }

    pub(crate) fn last_page(&self) -> AuthorizationRequest {
        lock(&self.last_page).clone().expect("there was one")
    }

    /// The names of the events so far.
    pub(crate) fn events(&self) -> Vec<String> {
        self.events.borrow().iter().map(Event::to_string).collect()
    }

    /// Waits for an event with this name.
    pub(crate) async fn hears(&self, name: &str) -> Event {
        let mut events = self.events.subscribe();
        let find = |events: &Vec<Event>| events.iter().find(|e| e.to_string() == name).cloned();
        let events = events.wait_for(|events| find(events).is_some()).await;
        find(&events.expect("the sender lives")).expect("it was found")
    }
}

impl AuthHost for User {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async {
            let mut open = self.listener.lock().await;
            if open.is_none() {
                *open = Some(CallbackListener::bind(REDIRECT_URI).await?);
            }
            let listener = open.as_ref().ok_or_else(|| Error::host("no listener"))?;
            Ok(listener.redirect_uri().to_owned())
        })
    }

    fn confirm_step_up(&self, request: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        log::note_forms(&request);
        *lock(&self.last_step_up) = Some(request);
        self.questions.fetch_add(1, Ordering::Relaxed);
        let answer = self.says_yes.load(Ordering::Relaxed);
        let enough = self.answers_after.load(Ordering::Relaxed);
        let mut events = self.events.subscribe();
        Box::pin(async move {
            let challenges = |events: &[Event]| {
                let challenges = events
                    .iter()
                    .filter(|e| matches!(e, Event::Challenged { .. }));
                challenges.count()
            };
            let heard = events.wait_for(|events| challenges(events) >= enough).await;
            heard.map_err(|_| Error::host("nobody is there"))?;
            Ok(answer)
        })
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        log::note_forms(&request);
        *lock(&self.last_page) = Some(request.clone());
        self.pages.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            if self.goes_elsewhere.load(Ordering::Relaxed) {
                return Ok(Authorized::Elsewhere);
            }
            let own_browser = lock(&self.browser).clone();
            let visit = async {
                match own_browser {
                    Some(visit) => {
                        visit(request.clone()).await;
                        Ok(())
                    }
                    None => browser::visit(&request.url).await,
                }
            };
            let open = self.listener.lock().await;
            let listener = open.as_ref().ok_or_else(|| Error::host("no listener"))?;
            let (callback, ()) = tokio::try_join!(listener.wait(&request.state), visit)?;
            log::note(&format!("{callback:?}"));
            Ok(Authorized::Callback(callback))
        })
    }

    fn event(&self, event: Event) {
        log::note(&event.to_string());
        log::note_forms(&event);
        if let Some(hook) = &*lock(&self.on_event) {
            hook(&event);
        }
        self.events.send_modify(|events| events.push(event));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
