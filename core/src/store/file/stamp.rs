//! Distinguishes the states of the store's files without reading a record.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{FileStore, private};
use crate::store::Stamp;

/// The most bytes read of the lock file: a mark is shorter.
const MAX_MARK: u64 = 64;

impl FileStore {
    /// Returns a stamp of the files' present state. Reads no record.
    pub(super) fn stamp_now(&self) -> Stamp {
        let mut hasher = DefaultHasher::new();
        let target = self.target().ok();
        let found = target.and_then(|target| fs::symlink_metadata(target).ok());
        if let Some(found) = &found {
            // Every write creates a new file; one that is changed in place has another time or length.
            (found.len(), found.modified().ok()).hash(&mut hasher);
            #[cfg(unix)]
            {
                use std::os::unix::fs::MetadataExt;
                (found.dev(), found.ino(), found.ctime(), found.ctime_nsec()).hash(&mut hasher);
            }
        }
        // Times are coarse, and inode numbers are reused: neither is true of the highest version.
        let mark = self.beside("lock").ok();
        let mark = mark.and_then(|lock| private::read(&lock, MAX_MARK).ok().flatten());
        mark.as_ref().map(|mark| mark.as_slice()).hash(&mut hasher);
        Stamp::new(hasher.finish())
    }
}
