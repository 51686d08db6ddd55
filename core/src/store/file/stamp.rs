//! What tells one state of the store's files from another without reading a record.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::{FileStore, private};
use crate::store::Stamp;

/// A mark is shorter.
const MAX_MARK: u64 = 64;

impl FileStore {
    /// The state of the files now. Reads no record.
    pub(super) fn stamp_now(&self) -> Stamp {
        let mut hasher = DefaultHasher::new();
        let target = self.target().ok();
        let found = target.and_then(|target| fs::symlink_metadata(target).ok());
        if let Some(found) = &found {
            // Every write makes a new file; one that is changed in place has another time or length.
            (found.len(), found.modified().ok()).hash(&mut hasher);
            #[cfg(unix)]
            {
                use std::os::unix::fs::MetadataExt;
                (found.dev(), found.ino(), found.ctime(), found.ctime_nsec()).hash(&mut hasher);
            }
        }
        // Times are coarse, and numbers of files are used again: the highest version is neither.
        let mark = self.beside("lock").ok();
        let mark = mark.and_then(|lock| private::read(&lock, MAX_MARK).ok().flatten());
        mark.as_ref().map(|mark| mark.as_slice()).hash(&mut hasher);
        Stamp::new(hasher.finish())
    }
}
