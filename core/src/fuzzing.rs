//! Access to private functions for the fuzz targets in `fuzz/`. Compiled for the fuzzer only.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::threads::BoxFuture;
use futures_util::FutureExt;
use futures_util::future::pending;

use crate::callback::CallbackParams;
use crate::challenge::{AuthChallenge, parser};
use crate::error::Error;
use crate::http::{Guard, GuardedClient, HttpClient, HttpError, Request, Response};
use crate::jose::verify::Signed;
use crate::jose::{JwkSet, PrivateKey, SigningKey};
use crate::oauth::discovery::{Preference, discover};
use crate::oauth::{answer, authorization, id_token};
use crate::runtime::Runtime;
use crate::secret::Secret;
use crate::store::Stored;
use crate::store::file::contents::Contents;
use crate::store::record::{self, Record};

/// A scheme with its parameters.
pub type Challenge = (String, Vec<(String, String)>);

/// Parses all challenges in these field lines.
pub fn challenges<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Challenge> {
    let owned =
        |(name, value): (&str, std::borrow::Cow<'_, str>)| (name.to_owned(), value.into_owned());
    parser::parse(lines)
        .into_iter()
        .map(|c| {
            (
                c.scheme.to_owned(),
                c.params.into_iter().map(owned).collect(),
            )
        })
        .collect()
}

/// Returns a parameter of a callback; `Err` if it occurs twice.
pub fn callback_param(params: &CallbackParams, name: &str) -> Result<Option<String>, ()> {
    params.get(name).map_err(drop)
}

/// Returns the code of a callback.
pub fn callback_code(
    params: &CallbackParams,
    issuer: &str,
    expected: bool,
) -> Result<Secret, Error> {
    authorization::code(params, issuer, expected)
}

/// Returns the access token and the refresh token of a token response, or what is reported of the failure.
pub fn token_answer(
    response: Response,
    sent: &str,
) -> Result<(Secret, Option<Secret>), (String, String)> {
    let read = answer::read(Ok(response), SystemTime::UNIX_EPOCH);
    match read.and_then(|body| answer::tokens(&body, true)) {
        Ok(tokens) => Ok((tokens.access_token, tokens.refresh_token)),
        Err(failure) => {
            let failure = failure.without([sent]);
            Err((failure.detail(), format!("{failure:?}")))
        }
    }
}

/// Verifies an ID token for a fixed client and time with a JSON key set, and returns its subject.
pub fn id_token(token: &str, keys: &str) -> Result<String, &'static str> {
    let keys = serde_json::from_str(keys).map_err(|_| "no keys")?;
    let expected = id_token::Expected {
        issuer: "https://idp.example.com",
        client_id: "client-1",
        nonce: None,
    };
    id_token::verify(token, &keys, &expected, 1_790_000_000)
        .map(|identity| identity.subject)
        .map_err(id_token::Refusal::reason)
}

/// Reads a key file, and returns whether its public key verifies its signature; `None` if it is no key.
pub fn key_file(text: &str) -> Option<bool> {
    let key = PrivateKey::read(text).ok()?;
    let keys = serde_json::json!({ "keys": [key.public_jwk()] });
    let keys: JwkSet = serde_json::from_value(keys).ok()?;
    let message = "header.claims";
    let signature = key.sign(message.as_bytes()).now_or_never()?.ok()?;
    let signed = Signed {
        algorithm: key.algorithm().name(),
        key_id: None,
        message,
        signature: &signature,
    };
    Some(keys.verify(&signed).is_ok())
}

/// Returns the URL that the user would be sent to, if the server gives these responses, in turn, to metadata requests.
/// Passes each request to `seen`.
pub fn authorization_url(
    server: &str,
    named: Option<&str>,
    answers: Vec<Response>,
    seen: fn(&Request),
) -> Result<String, Error> {
    let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
    let script = Arc::new(Script { answers, seen });
    let http = GuardedClient::new(script, Arc::new(NoTime), Guard::new(server, &[]));
    let preference = Preference {
        required: None,
        current: None,
        known: None,
        usable: &|server| server.require_code_flow(),
    };
    let found = discover(&http, server, named, &preference).now_or_never();
    let found = found.ok_or_else(|| Error::config("it waits for something"))??;
    let _ = found.grantor(true)?;
    let parameters = authorization::Parameters {
        client_id: "client",
        redirect_uri: "http://127.0.0.1:6276/oauth/callback",
        scopes: &found.scopes_supported,
        resource: found.resource.as_deref(),
        challenge: &AuthChallenge::unauthenticated(),
        dpop_jkt: None,
        consent_prompt: false,
        nonce: None,
    };
    found.server.require_code_flow()?;
    Ok(authorization::prepare(&found.server, &parameters)?.url())
}

/// Reads a store file and writes it again.
pub fn store_file(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let contents = Contents::parse(bytes)?;
    serde_json::to_vec(&contents).map_err(|error| format!("not written: {error}"))
}

/// Reads a record and writes it again.
pub fn record(text: &str) -> Result<String, Error> {
    let record: Record = record::decode(&Stored {
        version: 1,
        data: Secret::new(text),
    })?;
    Ok(record::encode(&record)?.expose().to_owned())
}

struct Script {
    answers: Arc<Mutex<VecDeque<Response>>>,
    seen: fn(&Request),
}

impl HttpClient for Script {
    fn send(&self, request: Request, _: usize) -> BoxFuture<'static, Result<Response, HttpError>> {
        (self.seen)(&request);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = answers.pop_front();
        let gone = || HttpError::broken("there is no further answer");
        Box::pin(async move { answer.ok_or_else(gone) })
    }
}

struct NoTime;

impl Runtime for NoTime {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(pending())
    }

    fn spawn(&self, _: BoxFuture<'static, ()>) {}
}
