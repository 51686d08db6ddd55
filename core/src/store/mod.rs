//! Where records are kept between runs.

#[cfg(feature = "testing")]
pub(crate) mod contract;
pub(crate) mod grace;
pub(crate) mod lease;
mod local;
mod memory;
pub(crate) mod record;
pub(crate) mod retry;
pub(crate) mod turn;

#[cfg(feature = "file-store")]
pub(crate) mod file;

use std::time::{Duration, SystemTime};

use crate::threads::{BoxFuture, MaybeSend, MaybeSync};
use futures_util::future::ready;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::secret::Secret;
#[cfg(feature = "file-store")]
pub use file::FileStore;
pub use local::LocalLeases;
pub use memory::MemoryStore;

/// Identifies a record: whose authorization, for what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoreKey {
    /// The user or tenant. Part of every key, so that users of one backend never share anything.
    pub profile: String,
    /// The MCP server's URL, exactly as given to the session; or `idp:` and the issuer of an identity provider, for the
    /// session there that several servers share.
    pub server: String,
}

/// Marks the session at an identity provider: no server's URL begins with it.
const IDP: &str = "idp:";

impl StoreKey {
    /// Returns the key of a profile's session at the identity provider `issuer`.
    pub(crate) fn of_idp(profile: &str, issuer: &str) -> Self {
        Self {
            profile: profile.to_owned(),
            server: format!("{IDP}{issuer}"),
        }
    }

    /// Returns the issuer of the identity provider, if the key is for one.
    #[must_use]
    pub fn identity_provider(&self) -> Option<&str> {
        self.server.strip_prefix(IDP)
    }
}

/// A record as a store keeps it. Stores do not look inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Grows with every write of this key, even after a deletion.
    pub version: u64,
    /// The record, in JSON. It holds secrets.
    pub data: Secret,
}

/// The result of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Saved {
    /// It was written with this version.
    As(u64),
    /// Another session has written since; nothing was changed.
    Conflict,
}

/// The result of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// The record is deleted.
    Done,
    /// Another session has written or deleted it since; nothing was changed.
    Conflict,
}

/// Distinguishes one lease from all others of its key, including later ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(String);

impl LeaseId {
    /// Creates an identifier that the store chooses: a number that grows, or a random one.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// Returns its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Keeps records: what every store can do.
///
/// Sessions of one or many processes share a store: every write says which version it replaces, so that no session
/// overwrites or deletes newer tokens of another. [`LocalLeases`] turns a store that can do only this into a
/// [`TokenStore`].
#[auto_impl::auto_impl(Arc)]
pub trait RecordStore: MaybeSend + MaybeSync + 'static {
    /// Describes where the records are, for error messages.
    fn place(&self) -> Option<String> {
        None
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be read; a missing record is `None`.
    fn load(&self, key: &StoreKey) -> BoxFuture<'static, Result<Option<Stored>, Error>>;

    /// Writes a record if its version is still `expected` (`None`: if there is no record). A reader sees the old record
    /// or the new one, never a part.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be written; the old record stays then.
    fn save(
        &self,
        key: &StoreKey,
        data: Secret,
        expected: Option<u64>,
    ) -> BoxFuture<'static, Result<Saved, Error>>;

    /// Deletes a record if its version is still `expected`. A record written under this key later has a higher version
    /// nevertheless.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be written; the record stays then.
    fn delete(&self, key: &StoreKey, expected: u64) -> BoxFuture<'static, Result<Deleted, Error>>;

    /// Reserves the space for a record of up to `bytes`, so that the next [`save`](Self::save) of `key` succeeds even
    /// if the disk fills up in between. A session does this under its lease before it uses a refresh token, because
    /// many servers replace it with a new one, which must not be lost. Dropping the reservation frees the space.
    ///
    /// The default reserves nothing, for a store without a disk of its own.
    ///
    /// # Errors
    /// [`Error::Store`] if there is no space; nothing is sent then, and the old record stays.
    fn reserve(
        &self,
        key: &StoreKey,
        bytes: u64,
    ) -> BoxFuture<'static, Result<Reservation, Error>> {
        let _ = (key, bytes);
        Box::pin(ready(Ok(Reservation::none())))
    }

    /// Returns a stamp of the record's present state, without reading the record: while two stamps are equal, there was
    /// no write in between. A session that is in use asks once a second at most, and reads the record if the stamp has
    /// changed, so that it notices what other processes wrote.
    ///
    /// The default is `None`: this store has no stamps, and is not asked again.
    fn stamp(&self, key: &StoreKey) -> BoxFuture<'static, Option<Stamp>> {
        let _ = key;
        Box::pin(ready(None))
    }
}

/// Keeps records, and grants leases on them: a session renews under a lease, so that a refresh token is used once.
///
/// A lease is a right for a time. Its holder renews it every 3 s while it needs it; it ends when it is released, or
/// when `ttl` (10 s) has passed since the last renewal, because its holder may have crashed.
/// [`testing::check_store`](crate::testing::check_store) (feature `testing`) checks whether a store does all this.
///
/// Saving does not require the lease: the version decides. A holder that was suspended until its lease lapsed may have
/// the only valid refresh token; a store that refused it would lose the sign-in.
#[auto_impl::auto_impl(Arc)]
pub trait TokenStore: RecordStore {
    /// Takes the lease of a record for `ttl` from `now`, unless another holder has it.
    ///
    /// A store on the same machine as its sessions leaves a lapsed lease to its holder for some seconds more, counted
    /// from when it is first asked for: the machine may have slept meanwhile, and the holder too.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be used.
    fn try_lease(
        &self,
        key: &StoreKey,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<Option<LeaseId>, Error>>;

    /// Extends a lease to `ttl` from `now` if it is still this holder's, as one atomic step, and returns whether it is.
    /// A lapsed lease still is, unless another holder has taken it; a store that forgets lapsed leases may return
    /// `false`.
    ///
    /// # Errors
    /// [`Error::Store`] if the store cannot be used.
    fn renew_lease(
        &self,
        key: &StoreKey,
        lease: &LeaseId,
        now: SystemTime,
        ttl: Duration,
    ) -> BoxFuture<'static, Result<bool, Error>>;

    /// Ends a lease, if it is still this holder's. A store logs its failures: the lease ends by itself.
    fn release_lease(&self, key: &StoreKey, lease: &LeaseId) -> BoxFuture<'static, ()>;
}

/// Represents one state of a record, or of all records of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64);

impl Stamp {
    /// Creates a stamp from anything that differs from one state to the next: a version, or a hash of a file's
    /// metadata.
    #[must_use]
    pub fn new(value: u64) -> Self {
        Self(value)
    }
}

/// Space that is reserved for a record. Dropping it frees what was not used.
pub struct Reservation(Option<Box<dyn FnOnce() + Send + Sync>>);

impl Reservation {
    /// Creates a reservation that runs `release` when it is dropped.
    #[must_use]
    pub fn new(release: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(release)))
    }

    /// Creates the reservation of a store that has nothing to reserve.
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
