//! Calls to the application, and their answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::application::{Application, Message, UNANSWERED};
use crate::call::Call;
use crate::refused::CallFailure;

const ENDED: &str = "the application that it belongs to has ended";

/// Calls one application on behalf of all its sessions. Clones share their state.
#[derive(Clone)]
pub struct Bridge(Arc<Shared>);

struct Shared {
    application: Box<dyn Application>,
    waiting: Mutex<HashMap<u32, oneshot::Sender<Settled>>>,
    last: AtomicU32,
}

/// An answer, which may hold secrets.
struct Settled {
    reply: Zeroizing<String>,
    body: Option<Zeroizing<Vec<u8>>>,
}

impl Bridge {
    /// Creates a bridge to `application`.
    #[must_use]
    pub fn new(application: impl Application) -> Self {
        Self(Arc::new(Shared {
            application: Box::new(application),
            waiting: Mutex::default(),
            last: AtomicU32::new(UNANSWERED),
        }))
    }

    /// Answers a call: `{"ok": value}` or `{"error": {"message", "cancelled", "unsent", "thrown"}}`. All members but
    /// the message are optional: whether the user or the application cancelled it, whether certainly nothing was sent
    /// to a server, and the number of the exception. Returns whether the call was still pending.
    #[must_use]
    pub fn settle(&self, call: u32, reply: String, body: Option<Vec<u8>>) -> bool {
        let body = body.map(Zeroizing::new);
        let reply = Zeroizing::new(reply);
        let waiting = self.0.waiting().remove(&call);
        waiting.is_some_and(|waiting| waiting.send(Settled { reply, body }).is_ok())
    }

    /// The caller for the parts of one session.
    pub(crate) fn caller(&self, session: u32) -> Caller {
        Caller {
            shared: Arc::clone(&self.0),
            session,
        }
    }
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<u32, oneshot::Sender<Settled>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> u32 {
        loop {
            let next = self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            if next != UNANSWERED && !self.waiting().contains_key(&next) {
                return next;
            }
        }
    }
}

/// Calls the application's parts of one session.
#[derive(Clone)]
pub(crate) struct Caller {
    shared: Arc<Shared>,
    session: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply<'a> {
    #[serde(borrow)]
    Ok(&'a RawValue),
    Error(CallFailure),
}

impl Caller {
    /// Makes a call and waits for its answer.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: Call) -> Result<T, CallFailure> {
        let (value, _) = self.ask_with(call, None).await?;
        Ok(value)
    }

    /// The same, with a body in each direction.
    pub(crate) async fn ask_with<T: DeserializeOwned>(
        &self,
        call: Call,
        body: Option<Vec<u8>>,
    ) -> Result<(T, Zeroizing<Vec<u8>>), CallFailure> {
        let method = call.method();
        let (sender, settled) = oneshot::channel();
        let number = self.shared.next();
        self.shared.waiting().insert(number, sender);
        let _waits = PendingCall {
            caller: self,
            call: number,
        };
        self.send(number, &call, body)?;
        let Settled { reply, body } = settled.await.map_err(|_| CallFailure::new(ENDED))?;
        let unreadable = |error: serde_json::Error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            CallFailure::new(format!("{method} returned an invalid value ({place})"))
        };
        match serde_json::from_str(&reply).map_err(unreadable)? {
            Reply::Ok(value) => {
                let value = serde_json::from_str(value.get()).map_err(unreadable)?;
                Ok((value, body.unwrap_or_default()))
            }
            Reply::Error(refused) => Err(refused),
        }
    }

    /// Sends a notification. If the application has exited, nothing happens.
    pub(crate) fn tell(&self, call: &Call) {
        let _ = self.send(UNANSWERED, call, None);
    }

    fn send(&self, number: u32, call: &Call, body: Option<Vec<u8>>) -> Result<(), CallFailure> {
        let body = body.map(Zeroizing::new);
        let input = serde_json::to_string(call).map_err(|e| CallFailure::new(e.to_string()))?;
        let sent = self.shared.application.call(Message {
            session: self.session,
            call: number,
            method: call.method(),
            input,
            body,
        });
        match sent {
            true => Ok(()),
            false => Err(CallFailure::new(ENDED)),
        }
    }
}

/// A pending call. Dropping it before the answer arrives sends `cancel` to the application.
struct PendingCall<'a> {
    caller: &'a Caller,
    call: u32,
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        if self.caller.shared.waiting().remove(&self.call).is_some() {
            let _ = self.caller.send(self.call, &Call::Cancel, None);
        }
    }
}
