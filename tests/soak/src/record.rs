//! Records calls, pages and faults for the checks.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::kinds::{Kind, UNSAID};
use crate::wire::{Call, Page, Told};

/// How long a sign-in that was rejected immediately prevents others, in seconds.
const REJECTED_FOR: u64 = 300;

/// The server and the profile of an authorization.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    pub(crate) server: usize,
    pub(crate) profile: String,
}

/// The place of a session.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) pair: Pair,
    pub(crate) worker: usize,
}

/// An injected fault. Times are in milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) kind: Kind,
    pub(crate) began: u64,
    /// `None` while it is active.
    pub(crate) ended: Option<u64>,
    pub(crate) server: Option<usize>,
    /// The affected worker.
    pub(crate) worker: Option<usize>,
    /// The affected server and profile, if it was only one.
    pub(crate) pair: Option<Pair>,
}

impl Happened {
    /// Whether it can have affected a call of `place` in this period.
    pub(crate) fn concerns(&self, place: &Place, began: u64, ended: u64) -> bool {
        self.concerns_within(place, began, ended, self.kind.lingers())
    }

    /// Whether it can explain this code of that call.
    pub(crate) fn explains(&self, code: &str, place: &Place, began: u64, ended: u64) -> bool {
        if code == "unauthorized" && self.kind.rejects() {
            return self.concerns_within(place, began, ended, REJECTED_FOR);
        }
        let codes = self.kind.codes();
        let fits = codes.contains(&code) || (code == UNSAID && !codes.is_empty());
        fits && self.concerns(place, began, ended)
    }

    fn concerns_within(&self, place: &Place, began: u64, ended: u64, lingers: u64) -> bool {
        let over = self.ended.unwrap_or(u64::MAX);
        let over = over.saturating_add(lingers * 1000);
        let here = self.server.is_none_or(|server| server == place.pair.server)
            && self.pair.as_ref().is_none_or(|pair| *pair == place.pair)
            && (self.kind != Kind::CallsCancelled || self.worker == Some(place.worker));
        here && self.began <= ended && began <= over
    }
}

/// A page that a user was sent to.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) worker: usize,
    /// The number of the process among this worker's processes.
    pub(crate) life: u64,
    pub(crate) page: Page,
    pub(crate) closed: Option<u64>,
}

/// Everything that was recorded.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) calls: Vec<Call>,
    pub(crate) pages: Vec<Shown>,
    pub(crate) faults: Vec<Happened>,
    /// The events that hosts received, by name.
    pub(crate) events: BTreeMap<String, u64>,
    /// Unexpected output of workers, and errors of the soak itself.
    pub(crate) oddities: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Entries>);

impl Record {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a worker's message.
    pub(crate) fn told(&self, worker: usize, life: u64, told: Told) {
        let mut entries = self.lock();
        match told {
            Told::Call(mut call) => {
                // There are many successful calls, and their details do not matter.
                call.detail = call.detail.filter(|_| call.code.is_some());
                entries.calls.push(call);
            }
            Told::PageOpened(page) => entries.pages.push(Shown {
                worker,
                life,
                page,
                closed: None,
            }),
            Told::PageClosed(page) => {
                let mut pages = entries.pages.iter_mut().rev();
                let own = |shown: &&mut Shown| {
                    (shown.worker, shown.life, shown.page.page) == (worker, life, page.page)
                };
                if let Some(shown) = pages.find(own) {
                    shown.closed = Some(page.at);
                }
            }
            Told::Event { name, .. } => *entries.events.entry(name).or_default() += 1,
            Told::Ready | Told::Quiet | Told::Checked => {}
        }
    }

    /// Records that a worker has ended, which closes its pages.
    pub(crate) fn ended(&self, worker: usize, life: u64, at: u64) {
        for shown in &mut self.lock().pages {
            if (shown.worker, shown.life) == (worker, life) && shown.closed.is_none() {
                shown.closed = Some(at);
            }
        }
    }
}
