//! Leases: each is a lock on its own file, which contains the time when it lapses.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use super::line::First;
use super::lock::is_at;
use super::{FileStore, private, replace, with_suffix};
use crate::error::Error;
use crate::limits::STOPPED_HOLDER;
use crate::runtime::unix_seconds;
use crate::store::grace::Grace;
use crate::store::{LeaseId, StoreKey};
use crate::sync::{Mutex, lock};

/// The most bytes read of a lease's file: a time in seconds has fewer digits.
const MAX_LEASE: u64 = 32;

/// The leases that this process holds, and what it knows about other processes' leases.
#[derive(Debug, Default)]
pub(super) struct FileLeases {
    /// Their files, which are locked while they are open.
    held: Mutex<HashMap<StoreKey, (LeaseId, File)>>,
    grace: Grace,
}

impl FileLeases {
    fn add(self: &Arc<Self>, key: &StoreKey, file: File) -> Fresh {
        self.grace.forget(key);
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = LeaseId::new(format!("{}-{number}", std::process::id()));
        lock(&self.held).insert(key.clone(), (id.clone(), file));
        Fresh {
            leases: Arc::clone(self),
            key: key.clone(),
            id: Some(id),
        }
    }

    /// Returns the file of a lease, if it is still held.
    fn file(&self, key: &StoreKey, lease: &LeaseId) -> io::Result<Option<File>> {
        let held = lock(&self.held);
        let own = held.get(key).filter(|(id, _)| id == lease);
        own.map(|(_, file)| file.try_clone()).transpose()
    }

    pub(super) fn release(&self, key: &StoreKey, lease: &LeaseId) {
        let mut held = lock(&self.held);
        if held.get(key).is_some_and(|(id, _)| id == lease) {
            held.remove(key);
        }
    }
}

/// A lease on its way to the caller that asked for it. If it does not get there, it is released.
pub(super) struct Fresh {
    leases: Arc<FileLeases>,
    key: StoreKey,
    id: Option<LeaseId>,
}

impl Fresh {
    /// The caller received it.
    pub(super) fn keep(mut self) -> Option<LeaseId> {
        self.id.take()
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.leases.release(&self.key, id);
        }
    }
}

impl FileStore {
    pub(super) fn lease_now(
        &self,
        first: &mut First,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<Option<Fresh>, Error> {
        // Leases are taken in turns, so that only one process replaces a lapsed one.
        let _turn = self.turn(first)?;
        let failed = |error| self.failed("cannot be leased", &error);
        let path = self.own_file(key, "").map_err(failed)?;
        let mut file = private::open(&path).map_err(failed)?;
        if !locked(&file).map_err(failed)? {
            if !self.is_given_up(key, &mut file, now) {
                return Ok(None);
            }
            // The stuck holder keeps its own file.
            file = replaced(&path).map_err(failed)?;
            if !locked(&file).map_err(failed)? {
                return Ok(None);
            }
        }
        note_end(&mut file, now, ttl).map_err(failed)?;
        Ok(Some(self.leases.add(key, file)))
    }

    pub(super) fn renew_now(
        &self,
        first: &mut First,
        key: &StoreKey,
        lease: &LeaseId,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<bool, Error> {
        let _turn = self.turn(first)?;
        let failed = |error| self.failed("cannot be leased", &error);
        let path = self.own_file(key, "").map_err(failed)?;
        let Some(mut file) = self.leases.file(key, lease).map_err(failed)? else {
            return Ok(false);
        };
        // Another process may have replaced it meanwhile.
        if !is_at(&file, &path).map_err(failed)? {
            return Ok(false);
        }
        note_end(&mut file, now, ttl).map_err(failed)?;
        Ok(true)
    }

    /// Whether the holder of a lease, which is alive, has had all the time that it can be given.
    fn is_given_up(&self, key: &StoreKey, file: &mut File, now: SystemTime) -> bool {
        let now_seconds = unix_seconds(now);
        let lapsed =
            lapses_at(file).filter(|at| now_seconds >= at.saturating_add(STOPPED_HOLDER.as_secs()));
        lapsed.is_some_and(|at| self.leases.grace.is_over(key, at, now))
    }

    /// Returns the path of a file for one key, in a folder beside the store.
    pub(super) fn own_file(&self, key: &StoreKey, suffix: &str) -> io::Result<PathBuf> {
        let folder = self.beside("leases")?;
        private::own_folder(&folder)?;
        Ok(folder.join(name(key) + suffix))
    }
}

/// Locks the file for this process. Returns `false` if another holder has it.
fn locked(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Creates a new file in place of a lease's.
fn replaced(path: &Path) -> io::Result<File> {
    let fresh = with_suffix(path, "tmp");
    let file = private::create(&fresh)?;
    replace(&fresh, path)?;
    Ok(file)
}

fn note_end(file: &mut File, now: SystemTime, ttl: Duration) -> io::Result<()> {
    let until = unix_seconds(now).saturating_add(ttl.as_secs());
    // In place: on a full disk, a truncated file may not grow again.
    file.rewind()?;
    write!(file, "{until:020}")?;
    file.set_len(20)
}

/// Returns when a lease lapses, in seconds since 1970, if that can be read.
fn lapses_at(lease: &mut File) -> Option<u64> {
    let mut until = String::new();
    lease.rewind().ok()?;
    lease.take(MAX_LEASE).read_to_string(&mut until).ok()?;
    until.trim().parse().ok()
}

/// Returns a file name for a key: FNV-1a, which is the same in every build. Two keys with the same name only wait for
/// each other.
fn name(key: &StoreKey) -> String {
    let bytes = key.profile.bytes().chain([0]).chain(key.server.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
