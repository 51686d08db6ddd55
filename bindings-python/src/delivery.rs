//! Calls Python from one thread, in order. No other thread of this crate enters the interpreter, so none of them waits
//! for its lock.

use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use pyo3::prelude::*;

/// Something to do in Python.
pub(crate) type Delivery = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<()> + Send>;

struct Deliverer {
    deliveries: Sender<Delivery>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
enum State {
    /// No thread runs; the next delivery starts one.
    #[default]
    Idle,
    Running(Deliverer),
    /// The interpreter exits.
    Over,
}

/// Replaced after a fork, when a thread that does not exist any more may have locked it.
static STATE: LazyLock<ArcSwap<Mutex<State>>> = LazyLock::new(ArcSwap::default);

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes something on to Python's thread, without waiting. Returns `false` if the interpreter has exited.
pub(crate) fn deliver(delivery: Delivery) -> bool {
    let state = STATE.load();
    let mut state = lock(&state);
    if matches!(*state, State::Idle)
        && let Ok(deliverer) = start()
    {
        *state = State::Running(deliverer);
    }
    match &*state {
        State::Running(deliverer) => deliverer.deliveries.send(delivery).is_ok(),
        State::Idle | State::Over => false,
    }
}

fn start() -> std::io::Result<Deliverer> {
    let (deliveries, received) = channel::<Delivery>();
    let thread = std::thread::Builder::new().name("mcp-reauth-calls".to_owned());
    let thread = thread.spawn(move || {
        for delivery in received {
            let delivered = Python::try_attach(|py| {
                if let Err(error) = delivery(py) {
                    // The Python part catches what the application throws; this is a defect of ours.
                    error.write_unraisable(py, None);
                }
            });
            if delivered.is_none() {
                return;
            }
        }
    })?;
    Ok(Deliverer { deliveries, thread })
}

/// Forgets the thread, which a forked child does not have.
pub(crate) fn after_fork() {
    std::mem::forget(STATE.swap(std::sync::Arc::default()));
}

/// Delivers what waits, and ends the thread. Must be called detached from the interpreter.
pub(crate) fn shut_down() {
    let state = STATE.load_full();
    let state = std::mem::replace(&mut *lock(&state), State::Over);
    if let State::Running(Deliverer { deliveries, thread }) = state {
        drop(deliveries);
        let _ = thread.join();
    }
}
