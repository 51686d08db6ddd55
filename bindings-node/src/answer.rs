//! What an operation came to, as JSON: `{"ok": value}` or `{"error": {"code", "message", ...}}`. A promise is never
//! rejected on this side: only the other side can throw errors with a code of their own.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use mcp_reauth::{AuthChallenge, Error, Outcome, wording};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use serde::Serialize;
use serde_json::{Value, json};

use crate::bridge::Thrown;
use crate::cancel::Cancelled;

/// What a panic is told as. What it says itself goes to standard error, by Rust's own hook.
pub(crate) const DEFECT: &str = r#"{"error":{"code":"internal","message":"This is a defect of mcp-reauth; please report it, with what stands on standard error.","sentence":"It failed for a reason inside this program."}}"#;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure<'a> {
    code: &'static str,
    message: String,
    /// What a person is told.
    sentence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<&'a AuthChallenge>,
    /// Where the person was sent, whose answer comes elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_url: Option<&'a str>,
    /// How many seconds a server asked to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// Which JavaScript exception is behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    thrown: Option<u32>,
}

impl<'a> Failure<'a> {
    fn of(error: &'a Error) -> Self {
        let thrown = error.cause().and_then(|cause| cause.downcast_ref());
        let (authorization_url, retry_after) = match error {
            Error::InteractionRequired {
                authorization_url, ..
            } => (authorization_url.as_deref(), None),
            Error::RefreshUnavailable { retry_after, .. } => (None, *retry_after),
            _ => (None, None),
        };
        Self {
            code: error.code(),
            message: error.to_string(),
            sentence: wording::failure(error),
            challenge: error.challenge(),
            authorization_url,
            retry_after,
            thrown: thrown.map(|Thrown(id)| *id),
        }
    }
}

/// The answer that a result is.
pub(crate) fn answer(result: &Result<impl Serialize, Error>) -> String {
    match result {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "error": Failure::of(error) }),
    }
    .to_string()
}

/// An outcome in its JSON form. Its error, if it is one, has all that an answer's error has.
pub(crate) fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Failed { error } => json!({ "kind": "failed", "error": Failure::of(error) }),
        other => json!(other),
    }
}

/// A promise of the answer that `work` comes to, or of `cancelled` when somebody stops waiting first.
pub(crate) fn promise<'env, T: Serialize + 'static>(
    env: &'env Env,
    stopped: Cancelled,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> napi::Result<PromiseRaw<'env, String>> {
    env.spawn_future(async move {
        let answered = guarded(async { answer(&work.await) });
        Ok(tokio::select! {
            biased;
            answered = answered => answered.unwrap_or_else(|| DEFECT.to_owned()),
            () = stopped.wait() => answer(&Err::<(), _>(Error::Cancelled { what: "The operation" })),
        })
    })
}

/// What `work` comes to; `None` when it panics.
pub(crate) async fn guarded<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}
