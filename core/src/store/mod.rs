//! Where records live between runs.

pub(crate) mod at_last;
pub(crate) mod grace;
mod memory;
pub(crate) mod record;
pub(crate) mod turn;

#[cfg(feature = "file-store")]
pub(crate) mod file;

use std::time::{Duration, SystemTime};

use futures_util::future::{BoxFuture, ready};

use crate::error::Error;
use crate::secret::Secret;
#[cfg(feature = "file-store")]
pub use file::FileStore;
pub use memory::MemoryStore;

/// Which record: whose authorization, for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreKey {
    /// Whose authorization it is. Part of every key, so that users of one backend never meet.
    pub profile: String,
    /// What it is for: the MCP server's address, exactly as the session was given it; or `idp:` and the issuer of
    /// an identity provider, for the session there that several servers share.
    pub server: String,
}

/// What tells the session at an identity provider from a server: no address begins with it.
const IDP: &str = "idp:";

impl StoreKey {
    /// The key of the session that a profile has at the identity provider `issuer`.
    pub(crate) fn of_idp(profile: &str, issuer: &str) -> Self {
        Self {
            profile: profile.to_owned(),
            server: format!("{IDP}{issuer}"),
        }
    }

    /// The issuer of the identity provider, if it is not for a server.
    #[must_use]
    pub fn identity_provider(&self) -> Option<&str> {
        self.server.strip_prefix(IDP)
    }
}

/// A record as a store keeps it. Stores do not look inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Grows with every write of this key, also after it was deleted.
    pub version: u64,
    /// The record, in JSON. It holds secrets.
    pub data: Secret,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It was written; this is its version.
    As(u64),
    /// Somebody else has written since; nothing was changed.
    Conflict,
}

/// Keeps records, and hands out leases on them.
///
/// Sessions of one process and of many share a store: every write says which version it replaces, so that
/// nobody overwrites or deletes a sibling's newer tokens, and renewal is done under a lease, so that a
/// refresh token is used once.
pub trait TokenStore: Send + Sync + 'static {
    /// Where the records are, in words, for error messages to name.
    fn place(&self) -> Option<String> {
        None
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be read; a missing record is `None`.
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>>;

    /// Writes a record (`None`: deletes it), provided its version is still `expected` (`None`: provided
    /// there is none). A reader sees the old record or the new one, never a part.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be written; then the old record stands.
    fn save(
        &self,
        key: &StoreKey,
        data: Option<Secret>,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>>;

    /// Takes the lease of a record if nobody holds it. A lease ends when it is dropped, when its holder's
    /// process ends, or `ttl` after `now`, whichever comes first. A machine may have slept meanwhile: a store that
    /// shares it with its sessions leaves a lapsed lease for another 22 s to a holder that may be alive, from when
    /// somebody first asks for it.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be used.
    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<Lease>, Error>>;

    /// Takes the space that a record of up to `bytes` needs, so that the next [`save`](Self::save) of `key` finds it
    /// even if the disk fills up in between. A session does this under its lease before it uses a refresh token, as
    /// many servers replace that by a new one, which must not be lost. The space is given back when the reservation is
    /// dropped.
    ///
    /// The default reserves nothing, for a store without a disk of its own.
    ///
    /// # Errors
    /// [`Error::Store`] when there is no space; nothing is sent then, and the old record stands.
    fn reserve(
        &self,
        key: &StoreKey,
        bytes: u64,
    ) -> BoxFuture<'static, Result<Reservation, Error>> {
        let _ = (key, bytes);
        Box::pin(ready(Ok(Reservation::none())))
    }

    /// What tells the present state of a record from others, found without reading it: while two stamps are equal,
    /// nobody has written in between. A session that is in use asks once a second at most, and reads the record when
    /// the stamp is another, so that it notices what other processes wrote.
    ///
    /// The default is `None`: this store cannot tell, and is not asked again.
    fn stamp(&self, key: &StoreKey) -> BoxFuture<'static, Option<Stamp>> {
        let _ = key;
        Box::pin(ready(None))
    }
}

/// Stands for one state of a record, or of all records of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64);

impl Stamp {
    /// A stamp of anything that differs from one state to the next: a version, or a hash of a file's metadata.
    #[must_use]
    pub fn new(value: u64) -> Self {
        Self(value)
    }
}

/// Space that is kept for a record. Dropping it gives back what was not used.
pub struct Reservation(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Reservation {
    /// A reservation that runs `release` when it is dropped.
    #[must_use]
    pub fn new(release: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(release)))
    }

    /// Of a store that has nothing to reserve.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            release();
        }
    }
}

impl std::fmt::Debug for Reservation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reservation")
    }
}

/// The right to renew one record's credential. Dropping it gives it back.
pub struct Lease(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Lease {
    /// A lease that runs `release` when it is dropped.
    #[must_use]
    pub fn new(release: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(release)))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            release();
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lease")
    }
}
