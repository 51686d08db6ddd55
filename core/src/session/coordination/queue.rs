//! One interaction with the user at a time.
//!
//! A request that arrives during an interaction joins it if its result answers the request too, and extends it if the
//! user has not been shown anything yet. Otherwise it waits until the interaction is over; the waiting requests are
//! then merged into one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::threads::{BoxFuture, MaybeSend, MaybeSync};
use tokio::sync::watch;

use crate::runtime::Runtime;
use crate::sync::{Mutex, MutexGuard, lock};

/// A caller's request to the user.
pub(crate) trait Request: Clone + MaybeSend + 'static {
    /// Whether one interaction can answer both, given enough scope.
    fn goes_with(&self, other: &Self) -> bool;

    /// Whether an answer to this request has enough scope for `other`.
    fn covers(&self, other: &Self) -> bool;

    /// Extends this request by `other`.
    fn merge(&mut self, other: &Self);
}

/// The interactions of one session. `R` is the request, `E` the result.
pub(crate) struct Queue<R, E>(Arc<Mutex<Slot<R, E>>>);

struct Slot<R, E> {
    open: Option<Arc<Interaction<R>>>,
    ending: Option<Ending<E>>,
    /// The requests that wait for the open interaction to end.
    waiting: BTreeMap<u64, R>,
    next_id: u64,
}

type Ending<E> = watch::Receiver<Option<E>>;

/// One interaction, from before the user is shown anything until it ends.
pub(crate) struct Interaction<R>(Mutex<Open<R>>);

struct Open<R> {
    request: R,
    /// It accepts no further scope: the user has seen it, or no caller wants it.
    shown: bool,
    /// How many callers wait for its result.
    seats: usize,
}

/// A caller's claim on the result of an interaction; dropping it gives the claim up.
struct Seat<R>(Arc<Interaction<R>>);

/// A caller's place in the queue behind the open interaction; dropping it leaves the queue.
pub(crate) struct Place<R, E> {
    queue: Arc<Mutex<Slot<R, E>>>,
    id: u64,
}

/// The end of an interaction, as one caller sees it.
pub(crate) enum Joined<E> {
    /// The result for the caller's request. `None`: the task was dropped before it ended.
    Own(Option<E>),
    /// Another interaction, which the caller had to wait for, has ended.
    Other,
}

impl<R> Interaction<R> {
    fn open(&self) -> MutexGuard<'_, Open<R>> {
        lock(&self.0)
    }

    /// Whether a caller still waits for its result.
    pub(crate) fn is_wanted(&self) -> bool {
        self.open().seats > 0
    }
}

impl<R: Request> Interaction<R> {
    /// Stops it from being extended, and returns its request; `None` if no caller waits for it any more.
    pub(crate) fn show(&self) -> Option<R> {
        let mut open = self.open();
        open.shown = true;
        (open.seats > 0).then(|| open.request.clone())
    }

    /// Returns its request so far.
    pub(crate) fn request(&self) -> R {
        self.open().request.clone()
    }

    /// Returns a seat if its result answers `request` too, extending it if that is still possible.
    fn join(self: &Arc<Self>, request: &R) -> Option<Seat<R>> {
        let mut open = self.open();
        if !open.request.goes_with(request) {
            return None;
        }
        if !open.request.covers(request) {
            if open.shown {
                return None;
            }
            open.request.merge(request);
        }
        open.seats += 1;
        drop(open);
        Some(Seat(Arc::clone(self)))
    }
}

impl<R> Drop for Seat<R> {
    fn drop(&mut self) {
        self.0.open().seats -= 1;
    }
}

impl<R, E> Drop for Place<R, E> {
    fn drop(&mut self) {
        lock(&self.queue).waiting.remove(&self.id);
    }
}

impl<R, E> Default for Queue<R, E> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Slot {
            open: None,
            ending: None,
            waiting: BTreeMap::new(),
            next_id: 0,
        })))
    }
}

/// What a waiting caller holds.
enum Claim<R, E> {
    Seat(Seat<R>),
    Place(Place<R, E>),
}

impl<R: Request, E: Clone + MaybeSend + MaybeSync + 'static> Queue<R, E> {
    /// Waits for the end of the interaction that answers `request`, or of the one that blocks it. If none is open,
    /// spawns the task that `start` returns. `place` holds the caller's place in the queue after [`Joined::Other`],
    /// until the caller joins again or is dropped.
    pub(crate) async fn join(
        &self,
        runtime: &dyn Runtime,
        request: R,
        place: &mut Option<Place<R, E>>,
        start: impl FnOnce(Arc<Interaction<R>>) -> BoxFuture<'static, E>,
    ) -> Joined<E> {
        let (mut ending, claim) = self.claim(runtime, request, start);
        let (_seat, queued) = match claim {
            Claim::Seat(seat) => (Some(seat), None),
            Claim::Place(place) => (None, Some(place)),
        };
        *place = queued;
        let over = ending.wait_for(Option::is_some).await;
        let ended = over.ok().and_then(|ending| ending.clone());
        match place {
            None => Joined::Own(ended),
            Some(_) => Joined::Other,
        }
    }

    fn claim(
        &self,
        runtime: &dyn Runtime,
        mut request: R,
        start: impl FnOnce(Arc<Interaction<R>>) -> BoxFuture<'static, E>,
    ) -> (Ending<E>, Claim<R, E>) {
        let mut slot = lock(&self.0);
        if let (Some(open), Some(ending)) = (&slot.open, &slot.ending) {
            let ending = ending.clone();
            if let Some(seat) = open.join(&request) {
                return (ending, Claim::Seat(seat));
            }
            let id = slot.next_id;
            slot.next_id += 1;
            slot.waiting.insert(id, request);
            let queue = Arc::clone(&self.0);
            return (ending, Claim::Place(Place { queue, id }));
        }
        // Merge the requests that wait and go with this one, so that the user is asked once.
        for waiting in slot.waiting.values() {
            if request.goes_with(waiting) {
                request.merge(waiting);
            }
        }
        let (sender, ending) = watch::channel(None);
        let interaction = Arc::new(Interaction(Mutex::new(Open {
            request,
            shown: false,
            seats: 1,
        })));
        let seat = Seat(Arc::clone(&interaction));
        slot.open = Some(Arc::clone(&interaction));
        slot.ending = Some(ending.clone());
        drop(slot);
        let closing = Closing(Arc::clone(&self.0));
        let task = start(interaction);
        runtime.spawn(Box::pin(async move {
            let ended = task.await;
            // Clear the slot first: a caller that arrives in between opens another interaction, which finds the work
            // done.
            drop(closing);
            sender.send_replace(Some(ended));
        }));
        (ending, Claim::Seat(seat))
    }
}

/// Clears the slot for the next interaction, even if the task panics or never runs.
struct Closing<R, E>(Arc<Mutex<Slot<R, E>>>);

impl<R, E> Drop for Closing<R, E> {
    fn drop(&mut self) {
        let mut slot = lock(&self.0);
        slot.open = None;
        slot.ending = None;
    }
}
