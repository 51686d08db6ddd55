//! Operations that Python waits for, with asyncio, trio or a thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_reauth_bindings::PendingAnswer;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::task::AbortHandle;

use crate::delivery::deliver;
use crate::runtime;
use crate::session::Session;

/// What an operation resolves to.
pub(crate) enum Settled {
    /// An answer in JSON.
    Answer(String),
    Session(Session),
    Nothing,
}

type Work = Pin<Box<dyn Future<Output = Settled> + Send>>;

enum State {
    Ready(Work),
    Running(AbortHandle, Arc<Py<PyAny>>),
    Over,
}

/// An operation. It does nothing until it is started.
#[pyclass(frozen, module = "mcp_reauth._native")]
pub(crate) struct Operation(Mutex<State>);

impl Operation {
    pub(crate) fn of(work: impl Future<Output = Settled> + Send + 'static) -> Self {
        Self(Mutex::new(State::Ready(Box::pin(work))))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<PendingAnswer> for Operation {
    fn from(answer: PendingAnswer) -> Self {
        Self::of(async { Settled::Answer(answer.await) })
    }
}

#[pymethods]
impl Operation {
    /// Starts it. `done` is called with the result, from another thread, unless the operation is cancelled; it must not
    /// throw, and ignores a second call.
    fn start(&self, done: Py<PyAny>) -> PyResult<()> {
        let mut state = self.lock();
        let State::Ready(work) = std::mem::replace(&mut *state, State::Over) else {
            return Err(PyRuntimeError::new_err("the operation was started before"));
        };
        let runtime = runtime::handle()
            .ok_or_else(|| PyRuntimeError::new_err("the threads for it cannot be started"))?;
        let done = Arc::new(done);
        let called = Arc::clone(&done);
        let task = runtime.spawn(async move {
            let settled = work.await;
            deliver(Box::new(move |py| give(py, &called, settled)));
        });
        *state = State::Running(task.abort_handle(), done);
        Ok(())
    }

    /// Stops waiting for it. What it began continues.
    fn cancel(&self) {
        if let State::Running(task, _) = std::mem::replace(&mut *self.lock(), State::Over) {
            task.abort();
        }
    }

    /// Stops waiting for it for those who wait: they get `None`.
    fn interrupt(&self) {
        if let State::Running(task, done) = std::mem::replace(&mut *self.lock(), State::Over) {
            task.abort();
            deliver(Box::new(move |py| give(py, &done, Settled::Nothing)));
        }
    }
}

fn give(py: Python<'_>, done: &Py<PyAny>, settled: Settled) -> PyResult<()> {
    match settled {
        Settled::Answer(answer) => done.call1(py, (answer,)),
        Settled::Session(session) => done.call1(py, (session,)),
        Settled::Nothing => done.call1(py, (py.None(),)),
    }?;
    Ok(())
}
