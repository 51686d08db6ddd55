//! Where records live between runs.

pub(crate) mod at_last;
#[cfg(feature = "testing")]
pub(crate) mod contract;
pub(crate) mod grace;
pub(crate) mod lease;
mod local;
mod memory;
pub(crate) mod record;
pub(crate) mod turn;

#[cfg(feature = "file-store")]
pub(crate) mod file;

use std::time::{Duration, SystemTime};

use futures_util::future::{BoxFuture, ready};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::secret::Secret;
#[cfg(feature = "file-store")]
pub use file::FileStore;
pub use local::LocalLeases;
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
    /// Another has written since; nothing was changed.
    Conflict,
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The record is gone.
    Done,
    /// Another has written or deleted it since; nothing was changed.
    Conflict,
}

/// Tells one lease from all others of its key, the later ones included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(String);

impl LeaseId {
    /// An identifier that the store gives: a number that grows, or a random one.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Keeps records: what any store can do.
///
/// Sessions of one process and of many share a store: every write says which version it replaces, so that no session
/// overwrites or deletes the newer tokens of another. A store that has nothing else becomes a [`TokenStore`] by
/// [`LocalLeases`].
#[auto_impl::auto_impl(Arc)]
pub trait RecordStore: Send + Sync + 'static {
    /// Where the records are, in words, for error messages to name.
    fn place(&self) -> Option<String> {
        None
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be read; a missing record is `None`.
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>>;

    /// Writes a record, provided its version is still `expected` (`None`: provided there is none). A reader sees the old
    /// record or the new one, never a part.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be written; then the old record stands.
    fn save(
        &self,
        key: &StoreKey,
        data: Secret,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>>;

    /// Deletes a record, provided its version is still `expected`. What is written under this key later has a higher
    /// version all the same.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be written; then the record stands.
    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>>;

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
    /// there was no write in between. A session that is in use asks once a second at most, and reads the record when
    /// the stamp is another, so that it notices what other processes wrote.
    ///
    /// The default is `None`: this store cannot tell, and is not asked again.
    fn stamp(&self, key: &StoreKey) -> BoxFuture<'static, Option<Stamp>> {
        let _ = key;
        Box::pin(ready(None))
    }
}

/// Keeps records, and hands out leases on them: renewal is done under a lease, so that a refresh token is used once.
///
/// A lease is a right for a time. Its holder renews it every 3 s for as long as it needs it; it ends when it is released,
/// or when `ttl` (10 s) has passed since the last time, as its holder may have crashed. Whether a store keeps to all this
/// is checked by [`testing::check_store`](crate::testing::check_store) (feature `testing`).
///
/// Saving does not ask for the lease: the version decides. A holder that stood still until its lease had lapsed may have
/// the only refresh token that is still good; a store that refused it would lose the sign-in.
#[auto_impl::auto_impl(Arc)]
pub trait TokenStore: RecordStore {
    /// Takes the lease of a record for `ttl` from `now`, unless another has it.
    ///
    /// A store that shares the machine with its sessions leaves a lapsed lease to its holder for some seconds more, from
    /// when it is first asked for: the machine may have slept meanwhile, and the holder too.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be used.
    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<LeaseId>, Error>>;

    /// Lets a lease last for `ttl` from `now`, in one step with looking whether it is this holder's: whether it is. One
    /// that lapsed is, unless another has taken it since; a store that forgets what lapsed may say no.
    ///
    /// # Errors
    /// [`Error::Store`] when the store cannot be used.
    fn renew_lease(
        &self,
        key: &StoreKey,
        lease: &LeaseId,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<bool, Error>>;

    /// Ends a lease, if it is this holder's still. A failure is the store's to log: the lease ends by itself.
    fn release_lease(&self, key: &StoreKey, lease: &LeaseId) -> BoxFuture<'static, ()>;
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
