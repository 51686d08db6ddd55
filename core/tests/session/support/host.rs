//! The application and its user: they act by script, and record everything.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use mcp_reauth::host::{AuthorizationRequest, Authorized, StepUpRequest};
use mcp_reauth::{AuthHost, CallbackParams, Error, Event};

use super::gate::Gate;
use super::schedule::yield_now;
use super::world::World;

/// How the user answers a step-up. Without a script, they agree.
pub(crate) enum Answer {
    No,
    /// This answer, when the gate opens.
    Held(Gate, bool),
}

/// How a sign-in goes. Without a script, the user comes back with the server's response.
pub(crate) enum Journey {
    /// The page navigates away; the callback comes later, if at all.
    Elsewhere,
    /// The user takes until the gate opens.
    Held(Gate),
    /// The host receives this callback instead.
    Forged(String),
    Fails(Error),
}

/// The application. Clones share it.
#[derive(Clone)]
pub(crate) struct TestHost {
    world: World,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    answers: VecDeque<Answer>,
    journeys: VecDeque<Journey>,
    consents: Vec<StepUpRequest>,
    sign_ins: Vec<AuthorizationRequest>,
    events: Vec<Event>,
    registered: usize,
    elsewhere: usize,
}

impl TestHost {
    pub(crate) fn new(world: World) -> Self {
        Self {
            world,
            state: Arc::default(),
        }
    }

    pub(crate) fn answers(&self, answer: Answer) {
        self.state().answers.push_back(answer);
    }

    pub(crate) fn journeys(&self, journey: Journey) {
        self.state().journeys.push_back(journey);
    }

    /// Returns the questions asked.
    pub(crate) fn consents(&self) -> Vec<StepUpRequest> {
        self.state().consents.clone()
    }

    /// Returns the sign-ins begun.
    pub(crate) fn sign_ins(&self) -> Vec<AuthorizationRequest> {
        self.state().sign_ins.clone()
    }

    /// Returns how often the user was prompted: questions and sign-ins.
    pub(crate) fn prompts(&self) -> (usize, usize) {
        let state = self.state();
        (state.consents.len(), state.sign_ins.len())
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    /// Returns how many events have this code.
    pub(crate) fn heard(&self, code: &str) -> usize {
        let events = &self.state().events;
        events.iter().filter(|e| e.to_string() == code).count()
    }

    /// How often the host was asked for the redirect URI of a pre-registered client.
    pub(crate) fn asked_as_registered(&self) -> usize {
        self.state().registered
    }

    /// How often the host was told of a page that is open elsewhere.
    pub(crate) fn told_of_elsewhere(&self) -> usize {
        self.state().elsewhere
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuthHost for TestHost {
    fn redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        Box::pin(async { Ok("http://127.0.0.1:6276/callback".to_owned()) })
    }

    fn registered_redirect_uri(&self) -> BoxFuture<'_, Result<String, Error>> {
        self.state().registered += 1;
        self.redirect_uri()
    }

    fn confirm_step_up(&self, request: StepUpRequest) -> BoxFuture<'_, Result<bool, Error>> {
        let answer = {
            let mut state = self.state();
            state.consents.push(request);
            state.answers.pop_front()
        };
        Box::pin(async move {
            yield_now().await;
            match answer {
                None => Ok(true),
                Some(Answer::No) => Ok(false),
                Some(Answer::Held(gate, agreed)) => {
                    gate.pass().await;
                    Ok(agreed)
                }
            }
        })
    }

    fn authorize(&self, request: AuthorizationRequest) -> BoxFuture<'_, Result<Authorized, Error>> {
        let journey = {
            let mut state = self.state();
            state.sign_ins.push(request.clone());
            state.journeys.pop_front()
        };
        Box::pin(async move {
            yield_now().await;
            match journey {
                None => {}
                Some(Journey::Elsewhere) => return Ok(Authorized::Elsewhere),
                Some(Journey::Held(gate)) => gate.pass().await,
                Some(Journey::Forged(callback)) => {
                    return Ok(Authorized::Callback(CallbackParams::parse(&callback)));
                }
                Some(Journey::Fails(error)) => return Err(error),
            }
            let back = self.world.visit(&request.url);
            Ok(Authorized::Callback(CallbackParams::parse(&back)))
        })
    }

    fn sign_in_elsewhere(&self, _: &str) -> BoxFuture<'_, ()> {
        self.state().elsewhere += 1;
        Box::pin(async {})
    }

    fn event(&self, event: Event) {
        self.state().events.push(event);
    }
}
