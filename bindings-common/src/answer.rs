//! The result of an operation as JSON, an *answer*: `{"ok": value}` or `{"error": {"code", "message", ...}}`.

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

/// The answer after a panic. Rust's panic hook prints the panic's own message to standard error.
pub(crate) const DEFECT: &str = r#"{"error":{"code":"internal","message":"This is a defect of mcp-reauth; please report it, with the output on standard error.","sentence":"It failed because of a defect in this program."}}"#;

/// An error with facts that only this process can use.
#[derive(Serialize)]
struct Failure {
    #[serde(flatten)]
    form: ErrorForm,
    /// The number of the application's exception behind the error.
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

/// Converts a result to an answer.
pub(crate) fn answer(result: &Result<impl Serialize, Error>) -> String {
    match result {
        Ok(value) => json!({ "ok": value }),
        Err(error) => json!({ "error": Failure::of(error) }),
    }
    .to_string()
}

/// The JSON form of an outcome. The error of a failed outcome has the same members as the error of an answer.
pub(crate) fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Failed { error } => json!({ "kind": "failed", "error": Failure::of(error) }),
        other => json!(other),
    }
}

/// A running operation that resolves to an answer. Dropping it stops the wait.
pub type PendingAnswer = BoxFuture<'static, String>;

/// Resolves to the answer of `work`, or to `cancelled` if `stopped` fires first.
pub(crate) fn run_cancellable<T: Serialize>(
    stopped: Cancelled,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> PendingAnswer {
    Box::pin(async move {
        let answered = catch_panic(async { answer(&work.await) });
        tokio::select! {
            biased;
            answered = answered => answered.unwrap_or_else(|| DEFECT.to_owned()),
            () = stopped.wait() => answer(&Err::<(), _>(Error::Cancelled { what: "The operation" })),
        }
    })
}

/// Runs `work`; `None` if it panics.
pub(crate) async fn catch_panic<T>(work: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(work).catch_unwind().await.ok()
}

/// Parses JSON from the application. Errors name line and column and quote nothing, since it may hold secrets.
pub(crate) fn read<T: DeserializeOwned>(what: &str, json: &str) -> Result<T, Error> {
    serde_json::from_str(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Error::config(format!(
            "{what} cannot be read (line {line}, column {column})"
        ))
    })
}
