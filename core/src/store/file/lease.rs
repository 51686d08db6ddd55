//! Leases: each is a lock on a file of its own.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::line::First;
use super::{FileStore, private, replace, with_suffix};
use crate::error::Error;
use crate::runtime::unix_seconds;
use crate::store::{Lease, StoreKey};

/// A time in seconds has fewer digits.
const MAX_LEASE: u64 = 32;

impl FileStore {
    pub(super) fn lease_now(
        &self,
        first: &mut First,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<Option<Lease>, Error> {
        // Leases are taken in turns, so that a lapsed one is replaced by one process only.
        let _turn = self.turn(first)?;
        let failed = |error| self.failed("cannot be leased", &error);
        let path = self.own_file(key, "").map_err(failed)?;
        let mut file = private::open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed(error)),
            Err(TryLockError::WouldBlock) => {
                // The holder lives. Has it overstayed? Then it is stuck, and gets to keep its own file.
                let lapsed = lapses_at(&mut file).filter(|at| unix_seconds(now) >= *at);
                if !lapsed.is_some_and(|at| self.grace.is_over(key, at, now)) {
                    return Ok(None);
                }
                let fresh = with_suffix(&path, "tmp");
                file = private::create(&fresh).map_err(failed)?;
                replace(&fresh, &path).map_err(failed)?;
                match file.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::Error(error)) => return Err(failed(error)),
                    Err(TryLockError::WouldBlock) => return Ok(None),
                }
            }
        }
        let write = |file: &mut File| -> io::Result<()> {
            // In place, as a full disk has no room for what was cut off before.
            let until = unix_seconds(now).saturating_add(ttl.as_secs());
            file.rewind()?;
            write!(file, "{until:020}")?;
            file.set_len(20)
        };
        write(&mut file).map_err(failed)?;
        self.grace.forget(key);
        Ok(Some(Lease::new(move || drop(file))))
    }

    /// A file for one key, in a folder beside the store.
    pub(super) fn own_file(&self, key: &StoreKey, suffix: &str) -> io::Result<PathBuf> {
        let folder = self.beside("leases")?;
        private::own_folder(&folder)?;
        Ok(folder.join(name(key) + suffix))
    }
}

/// When the holder of a lease has to have ended, in seconds since 1970, if that can be read.
fn lapses_at(lease: &mut File) -> Option<u64> {
    let mut until = String::new();
    lease.rewind().ok()?;
    lease.take(MAX_LEASE).read_to_string(&mut until).ok()?;
    until.trim().parse().ok()
}

/// A file name for a key: FNV-1a, which is the same in every build. Two keys that share one only wait for
/// each other.
fn name(key: &StoreKey) -> String {
    let bytes = key.profile.bytes().chain([0]).chain(key.server.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
