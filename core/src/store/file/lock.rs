//! The lock file beside a store: it decides which process writes, and contains the highest version that was assigned.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::contents::MAX_VERSION;
use super::line::First;
use super::private;

/// How long a writer waits for its turn.
const LOCK_WAIT: Wait = Wait {
    // Writing takes milliseconds, on a busy disk a second.
    for_one: Duration::from_secs(10),
    in_all: Duration::from_secs(60),
};

/// How often to check whether the store is free. Only one writer of a process does so.
const PAUSE: Duration = Duration::from_millis(1);

/// The digits of [`MAX_VERSION`]: a mark always has as many, so that a new mark overwrites the old one in place.
const DIGITS: usize = 16;

/// The limits of a wait.
#[derive(Clone, Copy)]
struct Wait {
    /// While no other process writes: one process has kept the lock all the time.
    for_one: Duration,
    /// While other processes write, one after another.
    in_all: Duration,
}

/// Why a writer did not get its turn.
#[derive(Debug)]
pub(super) enum NoTurn {
    /// The lock file cannot be used.
    Failed(io::Error),
    /// Another process has kept it locked for this many seconds, and written nothing.
    Stuck(u64),
    /// Other processes have been writing for this many seconds.
    Busy(u64),
}

impl From<io::Error> for NoTurn {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// The right to write to a store. It ends when this is dropped, or with the process.
pub(super) struct Turn<'a> {
    lock: File,
    path: PathBuf,
    first: &'a mut First,
}

impl<'a> Turn<'a> {
    /// Waits for the lock on the file at `path`.
    pub(super) fn take(path: PathBuf, first: &'a mut First) -> Result<Self, NoTurn> {
        Self::take_within(path, first, LOCK_WAIT)
    }

    fn take_within(path: PathBuf, first: &'a mut First, limits: Wait) -> Result<Self, NoTurn> {
        std::thread::sleep(first.courtesy());
        let mut waiting = Waiting::new(first, limits);
        loop {
            let lock = private::open(&path)?;
            waiting.lock(&lock)?;
            // It was deleted while this process waited: a lock on it keeps no other process out.
            if is_at(&lock, &path)? {
                return Ok(Self { lock, path, first });
            }
        }
    }

    /// Whether the locked file is still the one that other processes find.
    pub(super) fn is_valid(&self) -> io::Result<bool> {
        is_at(&self.lock, &self.path)
    }

    /// Returns the highest version that was assigned to any process, as far as the file tells. It outlasts the store's
    /// own file, which may be moved away, or replaced by an older copy.
    pub(super) fn mark(&self) -> Option<u64> {
        mark(&self.lock)
    }

    /// Records the version that is about to be assigned. It is not synced: after a power failure no process remembers a
    /// version, and the store's own file, which is synced, has the highest one.
    pub(super) fn set_mark(&self, version: u64) -> io::Result<()> {
        let mut lock = &self.lock;
        let mark = format!("{version:0DIGITS$}\n");
        lock.rewind()?;
        lock.write_all(mark.as_bytes())?;
        let length = u64::try_from(mark.len()).map_err(io::Error::other)?;
        if lock.metadata()?.len() != length {
            lock.set_len(length)?;
        }
        Ok(())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.first.turn_ends();
    }
}

fn mark(mut lock: &File) -> Option<u64> {
    let mut bytes = Vec::with_capacity(2 * DIGITS);
    lock.rewind().ok()?;
    let limit = u64::try_from(2 * DIGITS).ok()?;
    lock.take(limit).read_to_end(&mut bytes).ok()?;
    let digits = bytes.strip_suffix(b"\n")?;
    let digits = Some(digits).filter(|digits| digits.len() == DIGITS)?;
    let mark = std::str::from_utf8(digits).ok()?.parse().ok()?;
    // A damaged mark must not use up the versions.
    Some(mark).filter(|mark| *mark <= MAX_VERSION)
}

/// A writer that waits for its turn.
struct Waiting {
    limits: Wait,
    since: Instant,
    mark: Option<u64>,
    /// When the mark last changed, or this process last had a turn: one process cannot have kept the lock for longer.
    moved: Instant,
}

impl Waiting {
    fn new(first: &First, limits: Wait) -> Self {
        Self {
            limits,
            since: first.came(),
            mark: None,
            moved: first.without_turn(),
        }
    }

    fn lock(&mut self, lock: &File) -> Result<(), NoTurn> {
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::Error(error)) => return Err(error.into()),
                Err(TryLockError::WouldBlock) => {
                    self.give_up_in_time(lock)?;
                    std::thread::sleep(PAUSE);
                }
            }
        }
    }

    fn give_up_in_time(&mut self, lock: &File) -> Result<(), NoTurn> {
        let mark = mark(lock);
        if self.mark != mark {
            if self.mark.is_some() {
                self.moved = Instant::now();
            }
            self.mark = mark;
        }
        if self.moved.elapsed() > self.limits.for_one {
            return Err(NoTurn::Stuck(self.limits.for_one.as_secs()));
        }
        if self.since.elapsed() > self.limits.in_all {
            return Err(NoTurn::Busy(self.limits.in_all.as_secs()));
        }
        Ok(())
    }
}

/// Whether the open file is the one at `path`.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(found) => Ok((open.dev(), open.ino()) == (found.dev(), found.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the open file is the one at `path`: outside Unix, no other file can take the name of an open one.
#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps)]
pub(super) fn is_at(_file: &File, _path: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::line::Line;
    use super::*;

    const LIMITS: Wait = Wait {
        for_one: Duration::from_millis(200),
        in_all: Duration::from_millis(1000),
    };

    fn file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        (folder, path)
    }

    #[tokio::test]
    async fn writer_gives_up_on_a_process_that_writes_nothing() {
        let (_folder, path) = file();
        let (mut stuck, mut other) = (Line::default().first().await, Line::default().first().await);
        let _turn = Turn::take(path.clone(), &mut stuck).expect("a turn");
        let given_up = Turn::take_within(path, &mut other, LIMITS).map(drop);
        assert!(matches!(given_up, Err(NoTurn::Stuck(_))), "{given_up:?}");
    }

    #[tokio::test]
    async fn writer_waits_longer_while_others_write_and_says_that_they_do() {
        let (_folder, path) = file();
        let (mut busy, mut other) = (Line::default().first().await, Line::default().first().await);
        let writer = Turn::take(path.clone(), &mut busy).expect("a turn");
        let given_up = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Turn::take_within(path, &mut other, LIMITS).map(drop));
            let mut version = 0;
            while !waiting.is_finished() {
                version += 1;
                writer.set_mark(version).expect("it is written");
                std::thread::sleep(PAUSE);
            }
            waiting.join().expect("no panic")
        });
        assert!(matches!(given_up, Err(NoTurn::Busy(_))), "{given_up:?}");
    }
}
