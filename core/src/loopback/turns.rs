//! Lets the sign-ins of this process use a callback address one at a time.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::CallbackListener;
use crate::error::Error;

/// How long a listener stays open for a sign-in that has not shown its page yet: it may have failed before, and other
/// programs may want the address.
const RESERVED_FOR: Duration = Duration::from_secs(60);

/// How often to try an address again that this process has just released, and how long to wait in between.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// The ports that are in use in this process, or were a moment ago.
static PORTS: LazyLock<Mutex<HashMap<u16, Weak<Port>>>> = LazyLock::new(Mutex::default);

/// How this process uses a port of this machine.
#[derive(Debug, Default)]
struct Port {
    /// Held by the sign-in that waits for its callback.
    turn: Arc<AsyncMutex<()>>,
    /// Opened for a sign-in that is being prepared. The first sign-in to need it uses it.
    reserved: Mutex<Option<CallbackListener>>,
}

/// A sign-in's turn at a port; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _guard: OwnedMutexGuard<()>,
    // Keeps the port known, and with it the turn.
    _port: Arc<Port>,
}

/// A listener that stays open until its sign-in shows its page: for at most a minute, and no longer than this exists.
#[derive(Debug)]
pub(super) struct Reservation(Arc<Port>);

impl Reservation {
    /// Keeps `listener` open.
    pub(super) fn new(listener: CallbackListener) -> Self {
        let port = port(listener.port());
        *lock(&port.reserved) = Some(listener);
        let reserved = Arc::downgrade(&port);
        tokio::spawn(async move {
            tokio::time::sleep(RESERVED_FOR).await;
            if let Some(port) = reserved.upgrade() {
                lock(&port.reserved).take();
            }
        });
        Self(port)
    }

    /// Whether the listener is still open, and unused.
    pub(super) fn is_open(&self) -> bool {
        lock(&self.0.reserved).is_some()
    }
}

/// Checks that an address can be listened at, now or after the sign-in of this process that uses it.
///
/// # Errors
/// Those of [`CallbackListener::bind`].
pub(super) async fn check(redirect_uri: &str) -> Result<(), Error> {
    let port = port(CallbackListener::port_of(redirect_uri)?);
    let used_here = port.turn.try_lock().is_err() || lock(&port.reserved).is_some();
    if !used_here {
        CallbackListener::bind(redirect_uri).await?;
    }
    Ok(())
}

/// Listens as [`CallbackListener::bind`], once no other sign-in of this process uses the port.
///
/// # Errors
/// Those of [`CallbackListener::bind`].
pub(super) async fn listen(redirect_uri: &str) -> Result<CallbackListener, Error> {
    let wanted = CallbackListener::port_of(redirect_uri)?;
    if wanted == 0 {
        return CallbackListener::bind(redirect_uri).await;
    }
    let port = port(wanted);
    let (guard, was_free) = match Arc::clone(&port.turn).try_lock_owned() {
        Ok(guard) => (guard, true),
        Err(_) => (Arc::clone(&port.turn).lock_owned().await, false),
    };
    let reserved = lock(&port.reserved).take();
    let listener = match reserved {
        Some(listener) if listener.redirect_uri() == redirect_uri => listener,
        None if was_free => CallbackListener::bind(redirect_uri).await?,
        other => {
            // It belongs to this process, so it must not block the address.
            drop(other);
            bind_again(redirect_uri).await?
        }
    };
    Ok(listener.in_turn(Turn {
        _guard: guard,
        _port: port,
    }))
}

/// Listens where this process did until now. A child process that is just being started inherits its open sockets until
/// it executes its program, so that the address may not be free at once.
async fn bind_again(redirect_uri: &str) -> Result<CallbackListener, Error> {
    for _ in 0..TRIES {
        if let Ok(listener) = CallbackListener::bind(redirect_uri).await {
            return Ok(listener);
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    CallbackListener::bind(redirect_uri).await
}

fn port(number: u16) -> Arc<Port> {
    let mut ports = lock(&PORTS);
    if let Some(port) = ports.get(&number).and_then(Weak::upgrade) {
        return port;
    }
    ports.retain(|_, port| port.strong_count() > 0);
    let port = Arc::default();
    ports.insert(number, Arc::downgrade(&port));
    port
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The data behind these locks is replaced as a whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
