//! What an operation came to, as JSON: `{"ok": value}` or `{"error": {"code", "message", ...}}`. A promise is never
//! rejected on this side: only the other side can throw errors with a code of their own.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use mcp_reauth::wire::ErrorForm;
use mcp_reauth::{Error, Outcome};
use napi::Env;
use napi::bindgen_prelude::PromiseRaw;
use serde::Serialize;
use serde_json::{Value, json};

use crate::bridge::Thrown;
use crate::cancel::Cancelled;

/// What a panic is told as. What it says itself goes to standard error, by Rust's own hook.
pub(crate) const DEFECT: &str = r#"{"error":{"code":"internal","message":"This is a defect of mcp-reauth; please report it, with what stands on standard error.","sentence":"It failed for a reason inside this program."}}"#;

/// An error, with what only this process can make something of.
#[derive(Serialize)]
struct Failure {
    #[serde(flatten)]
    form: ErrorForm,
    /// Which JavaScript exception is behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    thrown: Option<u32>,
}

impl Failure {
    fn of(error: &Error) -> Self {
        let thrown = error.cause().and_then(|cause| cause.downcast_ref());
        Self {
            form: error.into(),
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
