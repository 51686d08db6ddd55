//! A new token for the client itself (RFC 6749 section 4.4, RFC 7523), without a user.

use crate::client::Client;
use crate::error::Error;
use crate::grant::{Grant, Grantor, KeyBinding};
use crate::host::WorkloadIdentity;
use crate::issuer::same_issuer;
use crate::limits::CALL_TIMEOUT;
use crate::oauth::registration::{as_offered, preregistered};
use crate::oauth::token::{TokenFailure, TokenGrant, Tokens};
use crate::recovery::Attempt;
use crate::runtime::timeout;
use crate::secret::Secret;
use crate::session::client::{Requester, SessionClient};
use crate::session::ways::{Place, RenewalEnd, RenewalPlan, failed, failed_before, keep};
use crate::store::record::Versioned;
use crate::token_retry::retry_once;

/// One request for a token for the client itself.
pub(super) struct Machine<'a> {
    pub(super) client: &'a SessionClient,
    pub(super) plan: &'a RenewalPlan,
    /// The platform whose assertions the client presents; `None`: it has a secret or a key.
    pub(super) workload: Option<&'a dyn WorkloadIdentity>,
}

impl Machine<'_> {
    /// Requests a token from the recorded server, else from the one that the resource names.
    pub(super) async fn run(self, read: Versioned) -> Result<RenewalEnd, Error> {
        let record = &read.record;
        let bound = self.client.bound_issuer(record);
        let mut place = match self.place_on_record(record.grant.as_ref(), bound.as_deref()) {
            Some(place) => place,
            None => match self.find_place(bound.as_deref()).await {
                Ok(place) => place,
                Err(error) => return failed_before(error, self.client.server()),
            },
        };
        let held = record.grant.as_ref();
        let (mut binding, mut answer) = self.request(&place, held).await?;
        if place.found.is_none()
            && let Err(failure) = &answer
            && let Some(now) = self.place_now(&place, failure).await?
        {
            place = now;
            (binding, answer) = self.request(&place, held).await?;
        }
        match answer {
            Ok(tokens) => {
                let requester = place.requester(binding.as_ref());
                let scopes = &self.plan.scopes;
                let granted = self.client.granted(tokens, &requester, scopes);
                keep(self.client, read, self.plan, granted, None, scopes).await
            }
            Err(failure) => denied(&place.grantor, failure),
        }
    }

    fn place_on_record(&self, held: Option<&Grant>, bound: Option<&str>) -> Option<Place> {
        let held = held.filter(|_| !self.plan.rediscover)?;
        if bound.is_some_and(|bound| !same_issuer(bound, &held.grantor.issuer)) {
            return None;
        }
        Some(Place {
            grantor: held.grantor.clone(),
            client: self.client.own_client_of(held)?,
            found: None,
        })
    }

    /// Requests a token. Also returns the key that it is to be bound to.
    async fn request(
        &self,
        place: &Place,
        held: Option<&Grant>,
    ) -> Result<(Option<KeyBinding>, Result<Tokens, TokenFailure>), Error> {
        let (challenge, found) = (&self.plan.challenge, place.found.as_ref());
        let binding = self.client.possession.binding_for(challenge, held, found)?;
        let requester = place.requester(binding.as_ref());
        let answer = match self.workload {
            Some(platform) => self.request_by_assertion(platform, &requester).await,
            None => {
                let scopes = &self.plan.scopes;
                let presented = TokenGrant::ClientCredentials { scopes };
                self.client.token(&requester, &presented, None).await
            }
        };
        Ok((binding, answer))
    }

    /// Requests a token with an assertion of the workload's platform, a new one for each try (RFC 7523).
    async fn request_by_assertion(
        &self,
        platform: &dyn WorkloadIdentity,
        requester: &Requester<'_>,
    ) -> Result<Tokens, TokenFailure> {
        let ask = || async move {
            let local = |error| TokenFailure::Local(Box::new(error));
            let assertion = self.assertion(platform, &requester.grantor.issuer).await;
            let assertion = assertion.map_err(local)?;
            let presented = TokenGrant::JwtBearer {
                assertion: &assertion,
                scopes: &self.plan.scopes,
            };
            self.client.token_once(requester, &presented).await
        };
        retry_once(&*self.client.held.runtime, None, ask).await
    }

    async fn assertion(
        &self,
        platform: &dyn WorkloadIdentity,
        audience: &str,
    ) -> Result<Secret, Error> {
        let assertion = platform.assertion(audience);
        let assertion = timeout(&*self.client.held.runtime, CALL_TIMEOUT, assertion).await;
        assertion.unwrap_or_else(|| {
            Err(Error::Timeout {
                what: "The workload's platform".to_owned(),
                seconds: CALL_TIMEOUT.as_secs(),
            })
        })
    }

    /// Returns where to retry if the record is out of date: the endpoint may have moved, or the server may now require
    /// another client authentication method.
    async fn place_now(
        &self,
        place: &Place,
        failure: &TokenFailure,
    ) -> Result<Option<Place>, Error> {
        let gone = matches!(failure, TokenFailure::Gone { .. });
        if !gone && !matches!(failure, TokenFailure::InvalidClient { .. }) {
            return Ok(None);
        }
        let server = match self.client.server_of(&place.grantor).await {
            Ok(Some(server)) => server,
            Err(error) if gone => return Err(error),
            Ok(None) | Err(_) => return Ok(None),
        };
        let now = Place {
            grantor: place.grantor.at_endpoints_of(&server)?,
            client: {
                let own = self.client.identity.preregistered.as_ref();
                let said = own.and_then(Client::configured_method);
                let key = self.client.key_of(&place.client).is_some();
                as_offered(&place.client, said, key, &server)
            },
            found: None,
        };
        Ok(now.differs_from(place).then_some(now))
    }

    async fn find_place(&self, bound: Option<&str>) -> Result<Place, Error> {
        let identity = self.client.identity.preregistered.as_ref();
        let identity = identity.ok_or_else(|| Error::config("there is no client id"))?;
        let found = self.client.find(&self.plan.challenge, bound).await?;
        self.client.check_may_authenticate(&found, bound)?;
        Ok(Place {
            grantor: found.grantor(self.client.settings.send_resource)?,
            client: preregistered(identity, &found.server),
            found: Some(found),
        })
    }
}

/// Returns the end of a token request that `grantor` refused.
fn denied(grantor: &Grantor, failure: TokenFailure) -> Result<RenewalEnd, Error> {
    let attempt = match &failure {
        TokenFailure::Local(_) | TokenFailure::Transient(_) => return failed(grantor, failure),
        TokenFailure::InvalidGrant { .. } => Attempt::Rejected,
        _ => Attempt::Refused,
    };
    let error = failure.into_error(&grantor.issuer, &grantor.token_endpoint);
    Ok(RenewalEnd::Failed(attempt, error))
}
