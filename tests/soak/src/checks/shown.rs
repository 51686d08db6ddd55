//! Checks of the pages that users were sent to.

use std::collections::BTreeMap;

use super::{Finding, Places, seconds};
use crate::kinds::Pages;
use crate::record::{Entries, Pair, Shown};

/// How many pages a lost grant may cause: the sign-in, a page for each of two scopes and for the strong sign-in, and
/// two more, because a page for more scope replaces the strong sign-in with an ordinary one.
const FOR_A_GRANT: u64 = 6;
/// How much two pages may overlap, in milliseconds: their reports arrive with a delay.
const OVERLAP: u64 = 300;

fn pages_of<'a>(entries: &'a Entries, places: &'a Places) -> BTreeMap<&'a Pair, Vec<&'a Shown>> {
    let mut pages: BTreeMap<&Pair, Vec<&Shown>> = BTreeMap::new();
    for shown in &entries.pages {
        if let Some(place) = places.get(&shown.page.session) {
            pages.entry(&place.pair).or_default().push(shown);
        }
    }
    pages
}

/// No user has two pages of one profile and server open at once, except in deliberate sign-ins.
pub(crate) fn one_at_a_time(entries: &Entries, places: &Places, start: u64) -> Finding {
    let mut problems = Vec::new();
    for (pair, mut pages) in pages_of(entries, places) {
        pages.retain(|shown| !shown.page.deliberate);
        pages.sort_by_key(|shown| shown.page.at);
        // The previous page that stays open longest.
        let mut open: Option<&Shown> = None;
        for shown in pages {
            let closed = |shown: &Shown| shown.closed.unwrap_or(u64::MAX);
            if let Some(before) = open.filter(|open| closed(open) > shown.page.at + OVERLAP) {
                problems.push(format!(
                    "server {}, {}: worker {} opened a page at {:.3} s while worker {} had one open from {:.3} s to {:.3} s",
                    pair.server,
                    pair.profile,
                    shown.worker,
                    seconds(shown.page.at.saturating_sub(start)),
                    before.worker,
                    seconds(before.page.at.saturating_sub(start)),
                    seconds(closed(before).saturating_sub(start)),
                ));
            }
            if open.is_none_or(|open| closed(open) < closed(shown)) {
                open = Some(shown);
            }
        }
    }
    let looked_at = format!("{} pages", entries.pages.len());
    Finding::new("one page at a time", looked_at, problems)
}

/// There are no more pages than the faults that need the user allow.
pub(crate) fn pages_bounded(entries: &Entries, places: &Places) -> (Finding, u64) {
    let (mut problems, mut bound) = (Vec::new(), 0);
    let pages = pages_of(entries, places);
    let mut sessions: BTreeMap<&Pair, u64> = BTreeMap::new();
    for place in places.values() {
        *sessions.entry(&place.pair).or_default() += 1;
    }
    for (pair, sessions) in sessions {
        let allowed = allowed(entries, places, pair, sessions);
        bound += allowed;
        let shown = pages.get(pair).map_or(0, |pages| pages.len() as u64);
        if shown > allowed {
            problems.push(format!(
                "server {}, {}: {shown} pages, and the faults account for {allowed}",
                pair.server, pair.profile
            ));
        }
    }
    let looked_at = format!("{} pages of {bound} accounted for", entries.pages.len());
    (Finding::new("pages are few", looked_at, problems), bound)
}

fn allowed(entries: &Entries, places: &Places, pair: &Pair, sessions: u64) -> u64 {
    let mut allowed = FOR_A_GRANT;
    for fault in &entries.faults {
        let here = fault.server.is_none_or(|server| server == pair.server)
            && fault.pair.as_ref().is_none_or(|of| of == pair);
        if !here {
            continue;
        }
        allowed += match fault.kind.pages() {
            Pages::None => 0,
            Pages::Grant => FOR_A_GRANT,
            Pages::EachSession => FOR_A_GRANT + sessions,
            Pages::EachFailure => {
                FOR_A_GRANT + failures_during(entries, places, pair, fault.began, fault.ended)
            }
        };
    }
    allowed
}

fn failures_during(
    entries: &Entries,
    places: &Places,
    pair: &Pair,
    from: u64,
    to: Option<u64>,
) -> u64 {
    let to = to.unwrap_or(u64::MAX);
    let failed = entries.calls.iter().filter(|call| call.code.is_some());
    let failed = failed.filter(|call| {
        let own = places
            .get(&call.session)
            .is_some_and(|place| place.pair == *pair);
        own && call.began <= to && call.ended >= from
    });
    failed.count() as u64
}
