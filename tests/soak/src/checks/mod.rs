//! The invariants that hold despite all faults. Each check can fail: see `--break-on-purpose`.

mod presented;
mod shown;

use std::collections::BTreeMap;

use serde::Serialize;

pub(crate) use self::presented::{codes_once, reuses};
pub(crate) use self::shown::{one_at_a_time, pages_bounded};
use crate::record::{Entries, Happened, Place};
use crate::vitals::Vitals;
use crate::wire::Call;

/// The limit for a call without faults, in seconds: one limit of 20 s, for a busy machine.
const USUAL: u64 = 20;
/// The allowed growth of a worker between its warm-up and its end, in KiB.
const RSS_MARGIN: u64 = 48 * 1024;
/// Additional growth for Node, which collects garbage when it likes.
const RSS_MARGIN_OF_NODE: u64 = 96 * 1024;
/// The allowed growth of the number of descriptors; pooled connections come and go.
const DESCRIPTORS_MARGIN: u64 = 40;
/// The largest number of reported findings of one check.
const MOST: usize = 12;

/// The result of one check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    /// What it examined.
    pub(crate) looked_at: String,
    /// The problems found; empty if there are none.
    pub(crate) problems: Vec<String>,
}

impl Finding {
    pub(crate) fn new(check: &'static str, looked_at: String, mut problems: Vec<String>) -> Self {
        let more = problems.len().saturating_sub(MOST);
        problems.truncate(MOST);
        if more > 0 {
            problems.push(format!("and {more} more"));
        }
        Self {
            check,
            looked_at,
            problems,
        }
    }
}

/// The place of each session, by its number.
pub(crate) type Places = BTreeMap<usize, Place>;

fn concerning<'a>(
    entries: &'a Entries,
    places: &'a Places,
    call: &'a Call,
) -> impl Iterator<Item = &'a Happened> {
    let faults = entries.faults.iter();
    faults.filter(|fault| {
        let place = places.get(&call.session);
        place.is_some_and(|place| fault.concerns(place, call.began, call.ended))
    })
}

fn told(entries: &Entries, places: &Places, call: &Call, start: u64) -> String {
    let mut kinds: Vec<_> = concerning(entries, places, call)
        .map(|fault| fault.kind.name())
        .collect();
    kinds.sort();
    kinds.dedup();
    let place = places.get(&call.session);
    let place = place.map_or_else(String::new, |place| {
        format!(
            "worker {}, server {}, {}",
            place.worker, place.pair.server, place.pair.profile
        )
    });
    format!(
        "{:.1} s: session {} ({place}) called {} for {:.1} s: {} ({}) under {}",
        seconds(call.began.saturating_sub(start)),
        call.session,
        call.what,
        seconds(call.ended.saturating_sub(call.began)),
        call.code.as_deref().unwrap_or("well"),
        call.detail.as_deref().unwrap_or_default(),
        kinds.join(" ")
    )
}

pub(crate) fn seconds(milliseconds: u64) -> f64 {
    std::time::Duration::from_millis(milliseconds).as_secs_f64()
}

/// No call takes longer than the limits and its faults allow.
pub(crate) fn nothing_hangs(entries: &Entries, places: &Places, start: u64) -> Finding {
    let mut problems = Vec::new();
    for call in &entries.calls {
        let mut bound = USUAL * 1000;
        // Most calls are far below the bound, so the faults are only added up for the others.
        if call.ended.saturating_sub(call.began) > bound {
            bound += concerning(entries, places, call)
                .map(accounts_for)
                .sum::<u64>();
        }
        if call.ended.saturating_sub(call.began) > bound {
            let told = told(entries, places, call, start);
            problems.push(format!("{told}; {} s are accounted for", bound / 1000));
        }
    }
    let looked_at = format!("{} calls", entries.calls.len());
    Finding::new("no call hangs", looked_at, problems)
}

fn accounts_for(fault: &Happened) -> u64 {
    let active = fault
        .ended
        .unwrap_or(fault.began)
        .saturating_sub(fault.began);
    active + fault.kind.slack() * 1000
}

/// Each failed call has a code that one of its faults explains.
pub(crate) fn codes_fit(entries: &Entries, places: &Places, start: u64) -> Finding {
    let failed = entries.calls.iter().filter(|call| call.code.is_some());
    let mut problems = Vec::new();
    let mut count = 0;
    for call in failed {
        count += 1;
        let code = call.code.as_deref().unwrap_or_default();
        let explained = places.get(&call.session).is_some_and(|place| {
            let mut faults = entries.faults.iter();
            faults.any(|fault| fault.explains(code, place, call.began, call.ended))
        });
        if !explained {
            problems.push(told(entries, places, call, start));
        }
    }
    let looked_at = format!("{count} failed calls");
    Finding::new("error codes fit the faults", looked_at, problems)
}

/// After all faults are lifted, the first call of each session succeeds.
pub(crate) fn all_recover(entries: &Entries, places: &Places, start: u64) -> Finding {
    let checks = entries.calls.iter().filter(|call| call.check);
    let checks: Vec<_> = checks.collect();
    let mut problems = Vec::new();
    for number in places.keys() {
        match checks.iter().find(|call| call.session == *number) {
            None => problems.push(format!("session {number} made no call at all")),
            Some(call) if call.code.is_some() => problems.push(told(entries, places, call, start)),
            Some(_) => {}
        }
    }
    let looked_at = format!("{} sessions", places.len());
    Finding::new("every session recovers", looked_at, problems)
}

/// A worker's memory and descriptors, after its warm-up and at the end.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Growth {
    pub(crate) worker: usize,
    pub(crate) node: bool,
    pub(crate) life: u64,
    pub(crate) warm: Vitals,
    pub(crate) end: Vitals,
}

/// No worker grows after its warm-up.
pub(crate) fn nobody_grows(growths: &[Growth]) -> [Finding; 2] {
    let (mut memory, mut descriptors) = (Vec::new(), Vec::new());
    for growth in growths {
        let Growth {
            worker, warm, end, ..
        } = growth;
        let margin = RSS_MARGIN + u64::from(growth.node) * RSS_MARGIN_OF_NODE;
        if end.rss_kib > warm.rss_kib + margin {
            memory.push(format!(
                "worker {worker} grew from {} to {} KiB; {margin} KiB more are allowed",
                warm.rss_kib, end.rss_kib
            ));
        }
        if end.descriptors > warm.descriptors + DESCRIPTORS_MARGIN {
            descriptors.push(format!(
                "worker {worker} went from {} to {} descriptors; {DESCRIPTORS_MARGIN} more are allowed",
                warm.descriptors, end.descriptors
            ));
        }
    }
    let looked_at = || format!("{} workers that had warmed up", growths.len());
    [
        Finding::new("memory stays flat", looked_at(), memory),
        Finding::new("descriptors stay flat", looked_at(), descriptors),
    ]
}
