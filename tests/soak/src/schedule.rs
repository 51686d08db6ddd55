//! Plans the faults from the seed.

use std::time::Duration;

use serde::Serialize;

use crate::kinds::{Kind, Whom};
use crate::random::Random;

/// A planned fault. Times are in milliseconds from the start.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Planned {
    pub(crate) kind: Kind,
    pub(crate) from: u64,
    /// When it is lifted; equal to `from`, if it happens once.
    pub(crate) until: u64,
    /// The server, for faults of one server.
    pub(crate) server: Option<usize>,
    /// A random number that selects a worker, a session or a status.
    pub(crate) choice: u64,
}

/// The time for sign-ins before the first fault.
pub(crate) const QUIET: Duration = Duration::from_secs(8);

/// Plans the faults of `minutes`, in order. Each kind occurs once before any occurs twice.
pub(crate) fn plan(seed: u64, kinds: &[Kind], minutes: f64) -> Vec<Planned> {
    let mut random = Random::new(seed);
    let mut planned = Vec::new();
    let end = Duration::from_secs_f64(minutes * 60.0);
    let end = u64::try_from(end.as_millis()).unwrap_or(u64::MAX);
    let mut at = u64::try_from(QUIET.as_millis()).unwrap_or_default();
    // A short run has all kinds too, at shorter intervals.
    let room = end.saturating_sub(at) / (kinds.len() as u64).max(1);
    let gap = room.clamp(400, 2_500);
    let mut coming: Vec<Kind> = Vec::new();
    while at < end && !kinds.is_empty() {
        if coming.is_empty() {
            coming = kinds.to_vec();
            random.shuffle(&mut coming);
        }
        let Some(kind) = coming.pop() else { break };
        let (shortest, longest) = kind.lasts();
        let server = match kind.whom() {
            Whom::Server => Some(random.below(2)),
            Whom::Bearer => Some(0),
            Whom::Bound => Some(1),
            Whom::Worker | Whom::Everybody => None,
        };
        planned.push(Planned {
            kind,
            from: at,
            until: (at + random.within(shortest, longest)).min(end.max(at)),
            server: server.and_then(|server| usize::try_from(server).ok()),
            choice: random.next() >> 16,
        });
        at += random.within(gap / 2, gap + gap / 2);
    }
    planned
}
