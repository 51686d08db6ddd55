//! The memory and the open files of a process, where the system reports them.

use serde::Serialize;

/// The resources of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Vitals {
    /// Resident memory in KiB.
    pub(crate) rss_kib: u64,
    pub(crate) descriptors: u64,
}

impl Vitals {
    /// The current resources of the process `id`; `None` if it has exited, or the system has no `/proc`.
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

    /// The maximum of each.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            rss_kib: self.rss_kib.max(other.rss_kib),
            descriptors: self.descriptors.max(other.descriptors),
        }
    }
}
