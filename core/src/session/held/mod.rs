//! A session's record in the store, and its current credential.

pub(crate) mod credential;
mod pending;
mod unsettled;
mod watch;

use crate::threads::MaybeSend;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use unsettled::Guard as UnsettledGuard;

use self::credential::{Authorization, Current};
use self::unsettled::Unsettled;
use self::watch::Watch;
use crate::error::Error;
use crate::grant::{Grant, Registration};
use crate::host::Event;
use crate::issuer::same_issuer;
use crate::runtime::{Runtime, unix_seconds};
use crate::session::events::Events;
use crate::store::record::{self, Record, Versioned};
use crate::store::retry::retry_store;
use crate::store::{Deleted, StoreKey, TokenStore};

/// The record of one session and its current credential.
pub(crate) struct Held {
    pub(crate) key: StoreKey,
    pub(crate) store: Arc<dyn TokenStore>,
    pub(crate) runtime: Arc<dyn Runtime>,
    current: Current,
    watch: Watch,
    unsettled: Arc<Unsettled>,
    events: Events,
}

impl Held {
    /// Reads the record. `idp` is the issuer of the identity provider, if the session is enterprise-managed.
    pub(crate) async fn new(
        key: StoreKey,
        store: Arc<dyn TokenStore>,
        runtime: Arc<dyn Runtime>,
        events: Events,
        idp: Option<String>,
    ) -> Result<Self, Error> {
        // Before reading the record, so that no change is missed.
        let watch = Watch::new(store.stamp(&key).await, runtime.now());
        let held = Self {
            key,
            store,
            runtime,
            current: Current::via(idp),
            watch,
            unsettled: Arc::default(),
            events,
        };
        held.reload().await?;
        Ok(held)
    }

    /// Returns the MCP server's URL, as the application gave it.
    pub(crate) fn server(&self) -> &str {
        &self.key.server
    }

    /// Returns the time, in seconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        unix_seconds(self.runtime.now())
    }

    /// Returns the current credential. Never waits, locks or does I/O.
    pub(crate) fn current(&self) -> Option<Authorization> {
        self.current.get()
    }

    /// Logs an event and reports it to the application.
    pub(crate) fn tell(&self, event: Event) {
        tracing::debug!(server = %self.server(), event = %event, "authorization");
        self.events.tell(event);
    }

    /// Reports a failed renewal, at `issuer` unless the error names another issuer.
    pub(crate) fn tell_renewal_failed(&self, issuer: &str, error: &Error) {
        self.tell(Event::RenewalFailed {
            issuer: error.issuer_of_renewal().unwrap_or(issuer).to_owned(),
            code: error.code(),
            message: error.to_string(),
        });
    }

    /// Whether a credential that has not expired has replaced `credential`.
    pub(crate) fn has_replaced(&self, credential: Option<&Authorization>) -> bool {
        self.current()
            .is_some_and(|now| !now.is_expired(self.now()) && credential != Some(&now))
    }

    /// Reads the record and adopts its credential.
    pub(crate) async fn reload(&self) -> Result<Versioned, Error> {
        let since = self.current.version();
        let read = record::read(&*self.store, &self.key).await?;
        self.current.publish(&read, since);
        Ok(read)
    }

    /// Updates the record and adopts its credential. `change` returns whether it changed anything; it runs again if
    /// another session or process wrote in the meantime.
    pub(crate) async fn update(
        &self,
        change: impl FnMut(&mut Record) -> bool,
    ) -> Result<Versioned, Error> {
        self.update_known(None, change).await
    }

    /// As [`update`](Self::update), starting from a record that was just read.
    pub(crate) async fn update_known(
        &self,
        known: Option<Versioned>,
        mut change: impl FnMut(&mut Record) -> bool,
    ) -> Result<Versioned, Error> {
        let since = self.current.version();
        let unstored = self.current.unstored();
        let with_unstored = |record: &mut Record| {
            let restored = unstored
                .as_ref()
                .is_some_and(|unstored| unstored.put_into(record));
            change(record) || restored
        };
        let read = record::update(&*self.store, &self.key, known, with_unstored).await?;
        self.current.publish(&read, since);
        Ok(read)
    }

    /// Makes a grant current that could not be stored, so that it is at least in memory. The next
    /// [`update`](Self::update) stores it, if the record still has the grant that it replaces.
    pub(crate) fn keep_unstored(&self, grant: &Grant, replaces: Option<&Grant>) {
        self.current.keep_unstored(grant, replaces);
    }

    /// Stores a grant that could not be stored, in the background, as soon as the store works again. Holds `guard`
    /// until then.
    pub(crate) fn store_unstored_later(self: &Arc<Self>, guard: impl MaybeSend + 'static) {
        if self.current.unstored().is_none() {
            return;
        }
        let held = Arc::clone(self);
        self.runtime.spawn(Box::pin(async move {
            let stored = || async {
                // The first failure was reported already.
                let _ = held.update(|_| false).await;
                held.current.unstored().is_none()
            };
            retry_store(&*held.runtime, stored).await;
            drop(guard);
        }));
    }

    /// Counts a token as on its way from a server to the store, until the guard is dropped.
    pub(crate) fn unsettled(&self) -> UnsettledGuard {
        Unsettled::begin(&self.unsettled)
    }

    /// Waits until no token is on its way from a server to the store.
    pub(crate) async fn settle(&self) {
        self.unsettled.settle().await;
    }

    /// Whether the next request has to [`look`](Self::look) at the store first.
    pub(crate) fn is_look_due(&self) -> bool {
        self.watch.is_look_due(self.runtime.now())
    }

    /// How long until the next request has to look at the store; `None` if none ever has to.
    pub(crate) fn look_due_in(&self) -> Option<Duration> {
        self.watch.look_due_in(self.runtime.now())
    }

    /// Adopts what other processes have stored, unless the store was checked within the last second.
    pub(crate) async fn look(&self) {
        self.watch.look(self).await;
    }

    /// Waits until the current credential is not `from`, and checks for changes by other processes.
    pub(crate) async fn changed(&self, from: Option<&Authorization>) {
        self.watch.changed(self, from).await;
    }

    /// Waits until the current credential is not `from`, without checking the store.
    pub(crate) async fn changed_here(&self, from: Option<&Authorization>) {
        self.current.changed(from).await;
    }

    /// Clears the current credential, but not the record.
    pub(crate) fn forget_credential(&self) {
        self.current.clear();
    }

    /// Deletes the record, even if other sessions write to it in the meantime. `version` is the one that was read.
    pub(crate) async fn delete(&self, mut version: Option<u64>) -> Result<(), Error> {
        while let Some(read) = version {
            match self.store.delete(&self.key, read).await? {
                Deleted::Done => return Ok(()),
                Deleted::Conflict => version = self.store.load(&self.key).await?.map(|s| s.version),
            }
        }
        Ok(())
    }

    /// Forgets the metadata that discovery found, so that the next sign-in reads it again. A store error is only
    /// logged.
    pub(crate) async fn forget_known(&self) {
        let forgotten = self.update(|record| record.known.take().is_some());
        if let Err(error) = forgotten.await {
            tracing::debug!(server = %self.server(), %error, "the metadata on record could not be cleared");
        }
    }

    /// Forgets a dynamic registration that its server no longer knows. A client that the application configured is
    /// kept.
    pub(crate) async fn discard_client(
        &self,
        issuer: &str,
        client: &Registration,
    ) -> Result<(), Error> {
        let dead = |known: Option<&Registration>| known == Some(client) && client.dynamic;
        self.update(|record| {
            let next_time = dead(record.client_at(issuer));
            if next_time {
                record.clients.retain(|at, _| !same_issuer(at, issuer));
            }
            let grant = record.grant.as_mut();
            let grant = grant.filter(|grant| {
                same_issuer(&grant.grantor.issuer, issuer) && dead(grant.client.as_ref())
            });
            let now = grant.is_some_and(|grant| grant.client.take().is_some());
            next_time || now
        })
        .await?;
        Ok(())
    }
}
