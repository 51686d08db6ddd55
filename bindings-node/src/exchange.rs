//! One MCP request over HTTP, and the event streams that answer it.

use mcp_reauth::mcp::Redirects;
use mcp_reauth_bindings as bindings;
use napi::Env;
use napi::bindgen_prelude::{Buffer, Either3, Null, within_runtime_if_available};
use napi_derive::napi;

use crate::authorization::{Authorization, credential};
use crate::cancel::{Cancel, stop};
use crate::promise::{Promise, promise};
use crate::request::{HeaderFields, given};

/// A request that is about to be sent, without the credential.
#[napi(object)]
pub struct Outgoing {
    /// The HTTP method.
    pub method: String,
    /// The address it is sent to.
    pub url: String,
    /// Its own header fields: alternating names and values.
    pub headers: Vec<String>,
    /// The JSON-RPC message in its body.
    #[napi(ts_type = "string | undefined")]
    pub message: Option<String>,
    /// How to handle redirects, as in `fetch`.
    #[napi(ts_type = "'follow' | 'manual' | 'error'")]
    pub redirect: String,
    /// Whether its body can be sent more than once.
    pub is_replayable: bool,
}

impl Outgoing {
    pub(crate) fn sent(self, with: Option<&Authorization>) -> bindings::OutgoingRequest {
        bindings::OutgoingRequest {
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

/// One request with all its tries. Calls to it run one at a time.
#[napi]
pub struct Exchange(pub(crate) bindings::Exchange);

#[napi]
impl Exchange {
    /// Returns the header fields for the next try: `null` without a credential, alternating names and values if they
    /// are available immediately, otherwise a promise of an answer. A string is an answer with an error.
    #[napi(ts_return_type = "null | string[] | string | Promise<string>")]
    pub fn authorize<'env>(&self, env: &'env Env, cancel: Option<&Cancel>) -> HeaderFields<'env> {
        let fields = within_runtime_if_available(|| self.0.authorize(stop(cancel)));
        given(env, fields)
    }

    /// Resolves to the next step after a response.
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

    /// Resolves to the next step after a message that answers the request.
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

/// Splits the bytes of an event stream into events and finds those that may hold a challenge.
#[napi]
pub struct EventWatch(bindings::EventWatch);

#[napi]
impl EventWatch {
    /// `looks`: whether the request calls a tool, whose result may hold a challenge.
    #[napi(constructor)]
    pub fn new(looks: bool) -> Self {
        Self(bindings::EventWatch::new(looks))
    }

    /// Processes a chunk. Returns `null` if the chunk passes unchanged; a string is the error that ends the stream.
    #[napi(ts_return_type = "null | Part[] | string")]
    pub fn push(&self, chunk: &[u8]) -> Either3<Null, Vec<Part>, String> {
        match self.0.push(chunk) {
            Ok(None) => Either3::A(Null),
            Ok(Some(read)) => Either3::B(parts(read)),
            Err(why) => Either3::C(why),
        }
    }

    /// Returns the rest at the end of the stream.
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
