//! How much memory and how many open files a process has, where the system tells.

use serde::Serialize;

/// What a process takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Vitals {
    /// Resident memory in KiB.
    pub(crate) rss_kib: u64,
    pub(crate) descriptors: u64,
}

impl Vitals {
    /// What the process `id` takes now; `None` where it has ended, or the system has no `/proc`.
    pub(crate) fn of(id: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let rss = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let rss_kib = rss.split_whitespace().next()?.parse().ok()?;
        let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).ok()?.count();
        Some(Self {
            rss_kib,
            descriptors: u64::try_from(descriptors).ok()?,
        })
    }

    /// The larger of each.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            rss_kib: self.rss_kib.max(other.rss_kib),
            descriptors: self.descriptors.max(other.descriptors),
        }
    }
}
