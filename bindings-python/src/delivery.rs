//! Calls Python from one thread, in order. No other thread of this crate enters the interpreter, so none of them waits
//! for its lock.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use pyo3::prelude::*;

/// Something to do in Python.
pub(crate) type Delivery = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<()> + Send>;

struct Deliverer {
    deliveries: Sender<Delivery>,
    thread: JoinHandle<()>,
}

enum State {
    /// No thread runs; the next delivery starts one.
    Idle,
    Running(Deliverer),
    /// The interpreter exits.
    Over,
}

static STATE: Mutex<State> = Mutex::new(State::Idle);

fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes something on to Python's thread, without waiting. Returns `false` if the interpreter has exited.
pub(crate) fn deliver(delivery: Delivery) -> bool {
    let mut state = lock();
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
    std::mem::forget(std::mem::replace(&mut *lock(), State::Idle));
}

/// Delivers what waits, and ends the thread. Must be called detached from the interpreter.
pub(crate) fn shut_down() {
    let state = std::mem::replace(&mut *lock(), State::Over);
    if let State::Running(Deliverer { deliveries, thread }) = state {
        drop(deliveries);
        let _ = thread.join();
    }
}
