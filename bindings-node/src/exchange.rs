//! One request of MCP over HTTP, and the event streams that answer it.

use mcp_reauth::mcp::Redirects;
use mcp_reauth_bindings as bindings;
use napi::Env;
use napi::bindgen_prelude::{Buffer, Either3, Null, within_runtime_if_available};
use napi_derive::napi;

use crate::authorization::{Authorization, credential};
use crate::cancel::{Cancel, stop};
use crate::promise::{Promise, promise};
use crate::request::{Given, given};

/// A request as it is about to be sent, but for its credential.
#[napi(object)]
pub struct Outgoing {
    /// How.
    pub method: String,
    /// To where.
    pub url: String,
    /// Its own header fields: names and values, in turn.
    pub headers: Vec<String>,
    /// The JSON-RPC message that it carries.
    #[napi(ts_type = "string | undefined")]
    pub message: Option<String>,
    /// What is done about redirects, in the words of `fetch`.
    #[napi(ts_type = "'follow' | 'manual' | 'error'")]
    pub redirect: String,
    /// Whether its body can be sent more than once.
    pub is_replayable: bool,
}

impl Outgoing {
    pub(crate) fn sent(self, with: Option<&Authorization>) -> bindings::Sent {
        bindings::Sent {
            method: self.method,
            url: self.url,
            headers: self.headers,
            message: self.message,
            redirects: match self.redirect.as_str() {
                "manual" => Redirects::GiveBack,
                "error" => Redirects::Refuse,
                _ => Redirects::Follow,
            },
            repeatable: self.is_replayable,
            with: credential(with),
        }
    }
}

/// One request, over all its tries. It is sent, and recovers, once at a time.
#[napi]
pub struct Exchange(pub(crate) bindings::Exchange);

#[napi]
impl Exchange {
    /// The header fields to send it with, in turn: `null` when there is no credential, a list at once where that is
    /// possible, else a promise of an answer; an answer at once is an error.
    #[napi(ts_return_type = "null | string[] | string | Promise<string>")]
    pub fn authorize<'env>(&self, env: &'env Env, cancel: Option<&Cancel>) -> Given<'env> {
        let fields = within_runtime_if_available(|| self.0.authorize(stop(cancel)));
        given(env, fields)
    }

    /// Answers what to do after a response.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn receive<'env>(
        &self,
        env: &'env Env,
        status: u16,
        headers: Vec<String>,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(env, self.0.receive(status, headers, stop(cancel)))
    }

    /// Answers the same by a message that answers the request.
    #[napi(ts_return_type = "Promise<string>")]
    pub fn inspect<'env>(
        &self,
        env: &'env Env,
        message: String,
        cancel: Option<&Cancel>,
    ) -> Promise<'env> {
        promise(env, self.0.inspect(message, stop(cancel)))
    }
}

/// A part of an event stream.
#[napi(object)]
pub struct Part {
    /// Its bytes.
    pub bytes: Buffer,
    /// The data of an event that may hold a challenge.
    pub suspect: Option<String>,
}

/// What the bytes of an event stream go through.
#[napi]
pub struct EventWatch(bindings::EventWatch);

#[napi]
impl EventWatch {
    /// `looks`: whether the request calls a tool, whose result may hold a challenge.
    #[napi(constructor)]
    pub fn new(looks: bool) -> Self {
        Self(bindings::EventWatch::new(looks))
    }

    /// What passes of a chunk: `null`, if it passes as it is; a text tells why the stream is over.
    #[napi(ts_return_type = "null | Part[] | string")]
    pub fn push(&self, chunk: &[u8]) -> Either3<Null, Vec<Part>, String> {
        match self.0.push(chunk) {
            Ok(None) => Either3::A(Null),
            Ok(Some(read)) => Either3::B(parts(read)),
            Err(why) => Either3::C(why),
        }
    }

    /// What is left at the end of the stream.
    #[napi]
    pub fn finish(&self) -> Vec<Part> {
        parts(self.0.finish())
    }
}

fn parts(parts: Vec<bindings::Part>) -> Vec<Part> {
    let parts = parts.into_iter().map(|part| Part {
        bytes: part.bytes.into(),
        suspect: part.suspect,
    });
    parts.collect()
}
