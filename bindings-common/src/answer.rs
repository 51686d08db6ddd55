//! What an operation came to, as JSON: `{"ok": value}` or `{"error": {"code", "message", ...}}`.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mcp_reauth::wire::ErrorForm;
use mcp_reauth::{Error, Outcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cancel::Cancelled;
use crate::refused::Thrown;

/// What a panic is told as. What it says itself goes to standard error, by Rust's own hook.
pub(crate) const DEFECT: &str = r#"{"error":{"code":"internal","message":"This is a defect of mcp-reauth; please report it, with what stands on standard error.","sentence":"It failed for a reason inside this program."}}"#;

/// An error, with what only this process can make something of.
#[derive(Serialize)]
struct Failure {
    #[serde(flatten)]
    form: ErrorForm,
    /// Which exception of the application is behind it.
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

/// What is under way, and comes to an answer. Dropped, it is not waited for any more.
pub type PendingAnswer = BoxFuture<'static, String>;

/// The answer that `work` comes to, or that of `cancelled` when the waiting is stopped before.
pub(crate) fn settled<T: Serialize>(
    stopped: Cancelled,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> PendingAnswer {
    Box::pin(async move {
        let answered = guarded(async { answer(&work.await) });
        tokio::select! {
            biased;
            answered = answered => answered.unwrap_or_else(|| DEFECT.to_owned()),
            () = stopped.wait() => answer(&Err::<(), _>(Error::Cancelled { what: "The operation" })),
        }
    })
}

/// What `work` comes to; `None` when it panics.
pub(crate) async fn guarded<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

/// Reads JSON that came from the application. Errors name the place and quote nothing, since it may hold secrets.
pub(crate) fn read<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Error::config(format!(
            "{what} cannot be read (line {line}, column {column})"
        ))
    })
}
