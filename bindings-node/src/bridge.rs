//! Calls JavaScript from any thread, on JavaScript's own thread.

use mcp_reauth_bindings as bindings;
use mcp_reauth_bindings::{Application, Message};
use napi::Status;
use napi::bindgen_prelude::{Buffer, FnArgs, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

/// Session, call number, method, input (JSON), and an optional body.
type Args = FnArgs<(u32, u32, String, String, Option<Buffer>)>;

/// The JavaScript function behind the bridge. It does not keep the process alive.
struct Called(ThreadsafeFunction<Message, (), Args, Status, false, true>);

impl Application for Called {
    fn call(&self, message: Message) -> bool {
        let mode = ThreadsafeFunctionCallMode::NonBlocking;
        self.0.call(message, mode) == Status::Ok
    }
}

/// The bridge to JavaScript.
#[napi]
pub struct Bridge(pub(crate) bindings::Bridge);

#[napi]
impl Bridge {
    /// `call` receives every call, and must not throw.
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
        Ok(Self(bindings::Bridge::new(Called(call))))
    }

    /// Answers a call: `{"ok": value}` or `{"error": {"message", "cancelled", "unsent", "thrown"}}`. Returns whether
    /// the call was still pending. `body` is copied: the caller wipes its own.
    #[napi]
    pub fn settle(&self, call: u32, reply: String, body: Option<Buffer>) -> bool {
        self.0.settle(call, reply, body.map(|body| body.to_vec()))
    }
}
