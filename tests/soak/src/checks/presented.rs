//! Checks of the tokens and codes presented at the token endpoints.

use super::{Finding, seconds};
use crate::kinds::Kind;
use crate::proxy::ledger::{Code, Entries as Ledger, Refresh};
use crate::record::{Entries, Happened};

/// How long after its delivery a response may not be stored yet: a second for the disk, and ten in which its receiver
/// waits for the file's lock.
const WRITTEN_WITHIN: u64 = 11_000;

/// A refresh token is presented again only if the response to the first time was lost for good.
pub(crate) fn reuses(entries: &Entries, ledgers: &[Ledger], start: u64) -> (Finding, u64) {
    let (mut problems, mut tokens, mut excused) = (Vec::new(), 0, 0);
    for (server, ledger) in ledgers.iter().enumerate() {
        for presented in ledger.refreshes.values() {
            tokens += 1;
            // A delayed request may arrive after one that was sent later.
            let mut seen: Vec<&Refresh> = presented.iter().filter(|p| p.seen.is_some()).collect();
            seen.sort_by_key(|refresh| refresh.seen);
            let Some(index) = seen.iter().position(|refresh| refresh.acted) else {
                continue;
            };
            for again in &seen[index + 1..] {
                match excuse(entries, server, seen[index], again) {
                    true => excused += 1,
                    false => problems.push(reused(server, seen[index], again, start)),
                }
            }
        }
    }
    let looked_at = format!("{tokens} refresh tokens, {excused} reuses excused");
    let finding = Finding::new("refresh tokens are used once", looked_at, problems);
    (finding, excused)
}

fn reused(server: usize, first: &Refresh, again: &Refresh, start: u64) -> String {
    let since = |at: u64| seconds(at.saturating_sub(start));
    let delivered = match first.delivered {
        Some(at) => format!("was delivered at {:.3} s", since(at)),
        None => "was not delivered".to_owned(),
    };
    format!(
        "server {server}: a refresh token that was used at {:.3} s came again at {:.3} s; its answer {delivered}",
        since(first.at),
        since(again.at),
    )
}

/// Until when a delivered response may not be stored yet: later if the store was locked meanwhile, for example by a
/// worker that was stopped while it wrote.
fn written_by(entries: &Entries, delivered: u64) -> u64 {
    let kept_locked = |fault: &&Happened| {
        matches!(fault.kind, Kind::WorkerStopped | Kind::StoreLocked)
            && fault.began <= delivered + WRITTEN_WITHIN
    };
    let free = entries.faults.iter().filter(kept_locked);
    let free = free.map(|fault| fault.ended.unwrap_or(u64::MAX - WRITTEN_WITHIN));
    free.fold(delivered, u64::max) + WRITTEN_WITHIN
}

/// Whether a fault excuses the reuse: it lost the response, killed the receiver, or left no space to store it.
fn excuse(entries: &Entries, server: usize, first: &Refresh, again: &Refresh) -> bool {
    let until = first
        .delivered
        .map_or(again.at, |at| written_by(entries, at));
    let within = |fault: &Happened| {
        let ended = fault.ended.unwrap_or(u64::MAX);
        fault.began <= until && first.at.min(again.at) <= ended
    };
    entries
        .faults
        .iter()
        .filter(|fault| within(fault))
        .any(|fault| match fault.kind {
            kind if kind.loses_answers() => {
                first.delivered.is_none() && fault.server == Some(server)
            }
            Kind::WorkerKilled => true,
            // The space was reserved beforehand, so only a fault that began later counts.
            Kind::StoreFull | Kind::StoreReadOnly => fault.began >= first.at,
            _ => false,
        })
}

/// A code is presented once, unless the server asked for another try.
pub(crate) fn codes_once(ledgers: &[Ledger], start: u64) -> Finding {
    let (mut problems, mut codes) = (Vec::new(), 0);
    for (server, ledger) in ledgers.iter().enumerate() {
        for presented in ledger.codes.values() {
            codes += 1;
            let early: Option<&Code> = presented.iter().rev().skip(1).find(|code| !code.again);
            if let Some(first) = early {
                problems.push(format!(
                    "server {server}: a code came {} times; it was presented at {:.3} s and answered by {:?}",
                    presented.len(),
                    seconds(first.at.saturating_sub(start)),
                    first.answer
                ));
            }
        }
    }
    Finding::new(
        "codes are presented once",
        format!("{codes} codes"),
        problems,
    )
}
