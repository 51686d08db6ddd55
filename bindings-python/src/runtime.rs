//! The threads that operations run on.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::delivery;

/// How many threads operations run on. They mostly wait.
const THREADS: usize = 2;

/// Replaced after a fork, when a thread that does not exist any more may have locked it.
static RUNTIME: LazyLock<ArcSwap<Mutex<Option<Runtime>>>> = LazyLock::new(ArcSwap::default);

fn lock(runtime: &Mutex<Option<Runtime>>) -> MutexGuard<'_, Option<Runtime>> {
    runtime.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runtime, started on first use. `None` if its threads cannot be started.
pub(crate) fn handle() -> Option<Handle> {
    let runtime = RUNTIME.load();
    let mut runtime = lock(&runtime);
    if runtime.is_none() {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(THREADS).thread_name("mcp-reauth");
        *runtime = builder.enable_all().build().ok();
    }
    runtime.as_ref().map(|runtime| runtime.handle().clone())
}

/// Called in the child after a fork: the threads of the parent do not exist here. The next operation starts others.
#[pyfunction]
pub(crate) fn after_fork() {
    // Waiting for threads that do not exist would never end.
    std::mem::forget(RUNTIME.swap(Arc::default()));
    delivery::after_fork();
}

/// Called when the interpreter exits: nothing calls Python any more.
#[pyfunction]
pub(crate) fn shut_down(py: Python<'_>) {
    py.detach(|| {
        delivery::shut_down();
        let runtime = RUNTIME.load_full();
        if let Some(runtime) = lock(&runtime).take() {
            runtime.shutdown_background();
        }
    });
}
