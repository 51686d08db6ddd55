//! Pending authorizations: the record keeps them by the `state` of their callback.

use crate::callback::CallbackParams;
use crate::error::Error;
use crate::issuer::same_issuer;
use crate::oauth::known::Known;
use crate::session::held::Held;
use crate::store::record::{self, Pending, Versioned};

impl Held {
    /// Records an authorization that is about to start, and verifies that the store keeps it: otherwise the callback
    /// could not be completed. Removes those that started before `oldest` (seconds since 1970).
    pub(crate) async fn note_pending(
        &self,
        state: &str,
        pending: &Pending,
        known: Option<&Known>,
        oldest: u64,
    ) -> Result<(), Error> {
        self.update(|record| {
            // A configured client is bound to a server only by its first grant there.
            if pending.client.dynamic {
                record.set_client(&pending.grantor.issuer, &pending.client);
            }
            record.add_pending(state.to_owned(), pending.clone(), oldest);
            if let Some(known) = known {
                record.known = Some(known.clone());
            }
            true
        })
        .await?;
        let kept: Versioned = record::read(&*self.store, &self.key).await?;
        if kept.record.pending.contains_key(state) {
            return Ok(());
        }
        Err(Error::store("it does not keep what is written to it"))
    }

    /// Removes the pending authorization with the callback's `state` from the record and returns it: a callback is used
    /// once.
    pub(crate) async fn take_pending(
        &self,
        callback: &CallbackParams,
    ) -> Result<Option<Pending>, Error> {
        let mut taken = None;
        self.update(|record| {
            let mut states = record.pending.keys();
            let known = states.find(|state| callback.has_state(state)).cloned();
            taken = known.and_then(|state| record.pending.remove(&state));
            taken.is_some()
        })
        .await?;
        Ok(taken)
    }

    /// Removes an authorization that is no longer needed.
    pub(crate) async fn forget_pending(&self, state: &str) -> Result<(), Error> {
        self.update(|record| record.pending.remove(state).is_some())
            .await?;
        Ok(())
    }

    /// Removes an authorization whose callback did not arrive. A reused dynamic registration may be the reason: a
    /// server that has forgotten it shows an error page. The next sign-in replaces it and reads the metadata again.
    pub(crate) async fn abandon_pending(&self, state: &str) -> Result<(), Error> {
        self.update(|record| {
            let Some(pending) = record.pending.remove(state) else {
                return false;
            };
            let issuer = &pending.grantor.issuer;
            if pending.reused && record.client_at(issuer) == Some(&pending.client) {
                record.clients.retain(|at, _| !same_issuer(at, issuer));
            }
            record.known = None;
            true
        })
        .await?;
        Ok(())
    }
}
