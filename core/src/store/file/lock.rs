//! The lock file beside a store: whose turn it is to write, and the highest version that was given.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::contents::MAX_VERSION;
use super::private;

/// How long a writer waits for its turn. Writing takes milliseconds; a longer wait means a stuck process.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// The digits of [`MAX_VERSION`]: a mark always has as many, so that one is written over another in place.
const DIGITS: usize = 16;

/// Why a turn was not given.
pub(super) enum NoTurn {
    /// The lock file cannot be used.
    Failed(io::Error),
    /// Another process has kept it locked for this many seconds.
    Held(u64),
}

impl From<io::Error> for NoTurn {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// The right to write to a store. It ends when this is dropped, or with the process.
pub(super) struct Turn {
    lock: File,
    path: PathBuf,
}

impl Turn {
    /// Waits for the lock on the file at `path`.
    pub(super) fn take(path: PathBuf) -> Result<Self, NoTurn> {
        let start = Instant::now();
        loop {
            let lock = private::open(&path)?;
            lock_within(&lock, start)?;
            let turn = Self {
                lock,
                path: path.clone(),
            };
            // Deleted while this process waited for it: a lock on it keeps no other process out.
            if turn.is_valid()? {
                return Ok(turn);
            }
        }
    }

    /// Whether the locked file is still the one that other processes find.
    pub(super) fn is_valid(&self) -> io::Result<bool> {
        is_at(&self.lock, &self.path)
    }

    /// The highest version that any process was given, as far as the file tells. It outlasts the store's own file,
    /// which may be moved away, or replaced by an older copy.
    pub(super) fn mark(&self) -> Option<u64> {
        let mut bytes = Vec::with_capacity(2 * DIGITS);
        let mut lock = &self.lock;
        lock.rewind().ok()?;
        let limit = u64::try_from(2 * DIGITS).ok()?;
        lock.take(limit).read_to_end(&mut bytes).ok()?;
        let digits = bytes.strip_suffix(b"\n")?;
        let digits = Some(digits).filter(|digits| digits.len() == DIGITS)?;
        let mark = std::str::from_utf8(digits).ok()?.parse().ok()?;
        // A damaged mark must not use up the versions.
        Some(mark).filter(|mark| *mark <= MAX_VERSION)
    }

    /// Notes the version that is about to be given, for good: it outlasts a power cut.
    pub(super) fn set_mark(&self, version: u64) -> io::Result<()> {
        let mut lock = &self.lock;
        let mark = format!("{version:0DIGITS$}\n");
        lock.rewind()?;
        lock.write_all(mark.as_bytes())?;
        let length = u64::try_from(mark.len()).map_err(io::Error::other)?;
        if lock.metadata()?.len() != length {
            lock.set_len(length)?;
        }
        lock.sync_data()
    }
}

fn lock_within(lock: &File, start: Instant) -> Result<(), NoTurn> {
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) if start.elapsed() > LOCK_WAIT => {
                return Err(NoTurn::Held(LOCK_WAIT.as_secs()));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Whether the open file is the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok((open.dev(), open.ino()) == (found.dev(), found.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the open file is the one at `path`: elsewhere than on Unix, an open file's name is not given to another.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
fn is_at(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}
