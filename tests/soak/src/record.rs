//! What happened: calls, pages, faults. Everything that is checked afterwards is in here.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::kinds::{Kind, UNSAID};
use crate::wire::{Call, Page, Told};

/// For how long a sign-in that was rejected at once keeps others away, in seconds.
const REJECTED_FOR: u64 = 300;

/// Whose authorization something is about: a server and a profile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    pub(crate) server: usize,
    pub(crate) profile: String,
}

/// A session, wherever it runs.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) pair: Pair,
    pub(crate) worker: usize,
}

/// A fault as it happened, in milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) kind: Kind,
    pub(crate) began: u64,
    /// `None` while it is active.
    pub(crate) ended: Option<u64>,
    pub(crate) server: Option<usize>,
    /// The worker that it hit.
    pub(crate) worker: Option<usize>,
    /// What it hit, if it was one profile only.
    pub(crate) pair: Option<Pair>,
}

impl Happened {
    /// Whether it can have had to do with a call of `place` that began and ended then.
    pub(crate) fn concerns(&self, place: &Place, began: u64, ended: u64) -> bool {
        self.concerns_within(place, began, ended, self.kind.lingers())
    }

    /// Whether it can be why that call failed by this code.
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

/// A page that was shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) worker: usize,
    /// Which of the programs that ran as this worker, one after the other.
    pub(crate) life: u64,
    pub(crate) page: Page,
    pub(crate) closed: Option<u64>,
}

/// Everything that happened.
#[derive(Debug, Default)]
pub(crate) struct Entries {
    pub(crate) calls: Vec<Call>,
    pub(crate) pages: Vec<Shown>,
    pub(crate) faults: Vec<Happened>,
    /// What hosts heard, by name.
    pub(crate) events: BTreeMap<String, u64>,
    /// What workers said that is no message, and what is wrong with the soak itself.
    pub(crate) oddities: Vec<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Entries>);

impl Record {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what a worker told.
    pub(crate) fn told(&self, worker: usize, life: u64, told: Told) {
        let mut entries = self.lock();
        match told {
            Told::Call(mut call) => {
                // Successes are many, and say nothing besides.
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

    /// A worker has ended; its pages with it.
    pub(crate) fn ended(&self, worker: usize, life: u64, at: u64) {
        for shown in &mut self.lock().pages {
            if (shown.worker, shown.life) == (worker, life) && shown.closed.is_none() {
                shown.closed = Some(at);
            }
        }
    }
}
