//! What the application does for a session, asked for from any thread and answered on JavaScript's own.
//!
//! A call has a number. JavaScript answers by [`Bridge::settle`]; when nobody waits for the answer any more, it is told
//! so by a call of the method `cancel` with that number. Sessions of one JavaScript environment share one bridge,
//! which does not keep the process alive.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_reauth::Error;
use mcp_reauth::http::HttpError;
use napi::Status;
use napi::bindgen_prelude::{Buffer, FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// Session, number, method, input (JSON), and a body where there is one.
type Args = FnArgs<(u32, u32, String, String, Option<Buffer>)>;
type Call = ThreadsafeFunction<Message, (), Args, Status, false, true>;

struct Message {
    session: u32,
    call: u32,
    method: &'static str,
    input: String,
    body: Option<Zeroizing<Vec<u8>>>,
}

/// The number of a call that nobody answers.
const UNANSWERED: u32 = 0;

/// The way to JavaScript.
#[napi]
pub struct Bridge(Arc<Shared>);

struct Shared {
    call: Call,
    waiting: Mutex<HashMap<u32, oneshot::Sender<Settled>>>,
    last: AtomicU32,
}

/// An answer, which may hold secrets.
struct Settled {
    reply: Zeroizing<String>,
    body: Option<Zeroizing<Vec<u8>>>,
}

#[napi]
impl Bridge {
    /// `call` is called for every call, and must not throw.
    #[napi(
        constructor,
        ts_args_type = "call: (session: number, call: number, method: string, input: string, body?: Buffer) => void"
    )]
    pub fn new(call: Function<'_, Args, ()>) -> napi::Result<Self> {
        let call = call
            .build_threadsafe_function::<Message>()
            .weak::<true>()
            .callee_handled::<false>()
            .build_callback(|call| {
                let Message {
                    session,
                    call,
                    method,
                    input,
                    body,
                } = call.value;
                // JavaScript wipes it.
                let body = body.map(|mut body| Buffer::from(std::mem::take(&mut *body)));
                Ok((session, call, method.to_owned(), input, body).into())
            })?;
        Ok(Self(Arc::new(Shared {
            call,
            waiting: Mutex::default(),
            last: AtomicU32::new(UNANSWERED),
        })))
    }

    /// Answers a call: `{"ok": value}` or `{"error": {"message", "cancelled", "unsent", "thrown"}}`. Returns whether the
    /// call still waited for it. `body` is copied: the caller wipes its own.
    #[napi]
    pub fn settle(&self, call: u32, reply: String, body: Option<Buffer>) -> bool {
        let body = body.map(|body| Zeroizing::new(body.to_vec()));
        let reply = Zeroizing::new(reply);
        let waiting = self.0.waiting().remove(&call);
        waiting.is_some_and(|waiting| waiting.send(Settled { reply, body }).is_ok())
    }

    /// The way for one session.
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

    fn send(&self, message: Message) -> bool {
        let mode = ThreadsafeFunctionCallMode::NonBlocking;
        self.call.call(message, mode) == Status::Ok
    }
}

/// Calls JavaScript for one session.
#[derive(Clone)]
pub(crate) struct Caller {
    shared: Arc<Shared>,
    session: u32,
}

/// A JavaScript exception, by the number that it is kept under there.
#[derive(Debug)]
pub(crate) struct Thrown(pub(crate) u32);

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JavaScript exception")
    }
}

impl std::error::Error for Thrown {}

/// Why a call was not answered as it should.
#[derive(Debug, Deserialize)]
pub(crate) struct Refused {
    pub(crate) message: String,
    /// The person, or the application, stopped it.
    #[serde(default)]
    cancelled: bool,
    /// It is certain that nothing was sent to a server.
    #[serde(default)]
    unsent: bool,
    thrown: Option<u32>,
}

impl Refused {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            cancelled: false,
            unsent: false,
            thrown: None,
        }
    }

    /// As an error of the application's host.
    pub(crate) fn host(self) -> Error {
        match self.cancelled {
            true => Error::Cancelled {
                what: "Signing in or granting access",
            },
            false => self.into(Error::host),
        }
    }

    /// As an error of the application's store.
    pub(crate) fn store(self) -> Error {
        self.into(Error::store)
    }

    /// As an error of the application's HTTP client.
    pub(crate) fn http(self) -> HttpError {
        let error = match self.unsent {
            true => HttpError::unreachable(self.message),
            false => HttpError::broken(self.message),
        };
        match self.thrown {
            Some(id) => error.caused_by(Thrown(id)),
            None => error,
        }
    }

    fn into(self, error: impl FnOnce(String) -> Error) -> Error {
        let error = error(self.message);
        match self.thrown {
            Some(id) => error.caused_by(Thrown(id)),
            None => error,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Reply<'a> {
    #[serde(borrow)]
    Ok(&'a RawValue),
    Error(Refused),
}

impl Caller {
    /// Calls a method and waits for what it returns.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        input: impl Serialize,
    ) -> Result<T, Refused> {
        let (value, _) = self.ask_with(method, input, None).await?;
        Ok(value)
    }

    /// The same, with a body each way.
    pub(crate) async fn ask_with<T: DeserializeOwned>(
        &self,
        method: &'static str,
        input: impl Serialize,
        body: Option<Vec<u8>>,
    ) -> Result<(T, Zeroizing<Vec<u8>>), Refused> {
        let body = body.map(Zeroizing::new);
        let input = serde_json::to_string(&input).map_err(|e| Refused::new(e.to_string()))?;
        let (sender, settled) = oneshot::channel();
        let shared = &self.shared;
        let call = shared.next();
        shared.waiting().insert(call, sender);
        let _waits = Waits { caller: self, call };
        let message = Message {
            session: self.session,
            call,
            method,
            input,
            body,
        };
        if !shared.send(message) {
            return Err(Refused::new("the JavaScript that it belongs to has ended"));
        }
        let ended = |_| Refused::new("the JavaScript that it belongs to has ended");
        let Settled { reply, body } = settled.await.map_err(ended)?;
        let unreadable = |error: serde_json::Error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Refused::new(format!("{method} was answered in another form ({place})"))
        };
        match serde_json::from_str(&reply).map_err(unreadable)? {
            Reply::Ok(value) => {
                let value = serde_json::from_str(value.get()).map_err(unreadable)?;
                Ok((value, body.unwrap_or_default()))
            }
            Reply::Error(refused) => Err(refused),
        }
    }

    /// Calls a method that nobody waits for.
    pub(crate) fn tell(&self, method: &'static str, input: impl Serialize) {
        self.send_unanswered(UNANSWERED, method, &input);
    }

    fn send_unanswered(&self, call: u32, method: &'static str, input: &impl Serialize) {
        let Ok(input) = serde_json::to_string(input) else {
            return;
        };
        // Where JavaScript has ended, nobody is left to be told.
        let _ = self.shared.send(Message {
            session: self.session,
            call,
            method,
            input,
            body: None,
        });
    }
}

/// Somebody waits for a call. Dropped before the answer is here, it tells JavaScript that nobody does any more.
struct Waits<'a> {
    caller: &'a Caller,
    call: u32,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if self.caller.shared.waiting().remove(&self.call).is_some() {
            self.caller.send_unanswered(self.call, "cancel", &());
        }
    }
}
