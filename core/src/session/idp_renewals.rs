//! Silent renewals of the session at the identity provider: one at a time for all callers, with a backoff after
//! failures.

use std::sync::Arc;

use crate::threads::BoxFuture;

use crate::enterprise::{Idp, IdpEnd, View};
use crate::error::Error;
use crate::host::Event;
use crate::recovery::{Tried, Trigger};
use crate::session::coordination::backoff::Backoff;
use crate::session::coordination::flight::Flight;
use crate::session::held::Held;

/// The renewals of one session's identity provider.
pub(crate) struct IdpRenewals {
    idp: Arc<Idp>,
    held: Arc<Held>,
    flight: Flight<Result<IdpEnd, Error>>,
    /// Keyed by the session's ID token.
    backoff: Backoff<String>,
}

impl IdpRenewals {
    pub(crate) fn new(idp: Arc<Idp>, held: Arc<Held>) -> Self {
        Self {
            idp,
            held,
            flight: Flight::default(),
            backoff: Backoff::default(),
        }
    }

    pub(crate) fn idp(&self) -> &Arc<Idp> {
        &self.idp
    }

    /// Returns the result of the last renewal of this ID token's session, if it is too early to try again.
    pub(crate) fn verdict(
        &self,
        id_token: Option<&String>,
        trigger: Trigger,
    ) -> Option<Tried<Error>> {
        self.backoff.verdict(id_token, trigger, self.held.now())
    }

    /// Whether a credential can be minted now. Renews the session for that if necessary, unless it is too early to try
    /// again.
    pub(crate) async fn is_ready(self: &Arc<Self>, trigger: Trigger) -> bool {
        let Ok(View {
            id,
            id_token,
            renewable,
        }) = self.idp.view().await
        else {
            return false;
        };
        if id_token || !renewable {
            return id_token;
        }
        if self.verdict(id.as_ref(), trigger).is_some() {
            return false;
        }
        let renewed = self.renew(id).await;
        renewed.is_ok_and(|end| matches!(&*end, Ok(IdpEnd::Renewed)))
    }

    /// Renews the session, or joins the running renewal. `id_token` is the one that the decision was about.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the runtime dropped the renewal.
    pub(crate) async fn renew(
        self: &Arc<Self>,
        id_token: Option<String>,
    ) -> Result<Arc<Result<IdpEnd, Error>>, Error> {
        let renewals = Arc::clone(self);
        let start = move || -> BoxFuture<'static, Result<IdpEnd, Error>> {
            Box::pin(async move {
                let (later, as_of) = (Arc::clone(&renewals), id_token.clone());
                let late = move |end| later.note(as_of, &end);
                let guard = renewals.held.unsettled();
                let end = renewals.idp.renew(id_token.as_deref(), guard, late).await;
                renewals.note(id_token, &end);
                end
            })
        };
        let ended = self.flight.join(&*self.held.runtime, start).await;
        ended.ok_or(Error::Cancelled {
            what: "The renewal",
        })
    }

    fn note(&self, id_token: Option<String>, end: &Result<IdpEnd, Error>) {
        let issuer = self.idp.issuer();
        match end {
            Ok(IdpEnd::Renewed) => {
                self.backoff.reset();
                self.held.tell(Event::IdpSessionRenewed {
                    issuer: issuer.to_owned(),
                });
            }
            Ok(IdpEnd::Failed(attempt, error)) => {
                let now = self.held.now();
                self.backoff.note(id_token, *attempt, error.clone(), now);
                self.held.tell_renewal_failed(issuer, error);
            }
            Err(error) => self.held.tell_renewal_failed(issuer, error),
        }
    }
}
