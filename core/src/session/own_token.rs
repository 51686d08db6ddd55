//! A new token of the client's own (RFC 6749 section 4.4, RFC 7523): no user is needed for it.

use crate::client::Client;
use crate::error::Error;
use crate::grant::{Grant, Grantor, KeyBinding, Registration};
use crate::issuer::same_issuer;
use crate::oauth::discovery::Discovered;
use crate::oauth::registration::{as_offered, preregistered};
use crate::oauth::token::{TokenFailure, TokenGrant, Tokens};
use crate::recovery::Attempt;
use crate::session::renewal::{RenewalEnd, RenewalPlan, failed, passing};
use crate::session::tokens::At;
use crate::session::{GrantType, Inner};
use crate::store::record::Versioned;

/// Where a client asks for a token of its own, and by which registration.
struct Place {
    by: Grantor,
    client: Registration,
    /// `None`: as on record.
    found: Option<Discovered>,
}

impl Place {
    fn at<'a>(&'a self, binding: Option<&'a KeyBinding>) -> At<'a> {
        At {
            by: &self.by,
            client: &self.client,
            binding,
            bound: false,
        }
    }

    /// Whether a request here is another than one at `other`.
    fn differs_from(&self, other: &Self) -> bool {
        self.by.token_endpoint != other.by.token_endpoint
            || self.client.auth_method != other.client.auth_method
    }
}

impl Inner {
    /// A token of the client's own, where the last one came from, else where the resource names.
    pub(super) async fn new_token(
        &self,
        read: Versioned,
        plan: &RenewalPlan,
    ) -> Result<RenewalEnd, Error> {
        let record = &read.record;
        let bound = self.bound_issuer(record);
        let elsewhere = |issuer: &str| {
            bound
                .as_ref()
                .is_some_and(|bound| !same_issuer(bound, issuer))
        };
        let held = record.grant.as_ref();
        let held = held.filter(|grant| !plan.rediscover && !elsewhere(&grant.by.issuer));
        let held = held.and_then(|grant| Some((grant.by.clone(), self.own_client_of(grant)?)));
        let mut place = match held {
            Some((by, client)) => Place {
                by,
                client,
                found: None,
            },
            None => match self.find_grantor(plan, bound.as_deref()).await {
                Ok(place) => place,
                Err(error) => return passing(error, &self.server),
            },
        };
        let held = record.grant.as_ref();
        let (mut binding, mut answer) = self.own_token(plan, &place, held).await?;
        if place.found.is_none()
            && let Err(failure) = &answer
            && let Some(now) = self.place_now(&place, failure).await?
        {
            place = now;
            (binding, answer) = self.own_token(plan, &place, held).await?;
        }
        match answer {
            Ok(tokens) => {
                let at = place.at(binding.as_ref());
                let granted = self.granted(tokens, &at, &plan.scopes);
                self.keep(read, plan, granted, None, &plan.scopes).await
            }
            Err(failure) => denied(&place.by, failure),
        }
    }

    /// Asks for a token of the client's own. Tells what it is to be bound to.
    async fn own_token(
        &self,
        plan: &RenewalPlan,
        place: &Place,
        held: Option<&Grant>,
    ) -> Result<(Option<KeyBinding>, Result<Tokens, TokenFailure>), Error> {
        let binding = self.binding_for(&plan.challenge, held, place.found.as_ref())?;
        let at = place.at(binding.as_ref());
        let answer = match self.grant_type {
            GrantType::WorkloadIdentity => self.by_workload(&at, &plan.scopes).await,
            _ => {
                let scopes = &plan.scopes;
                let presented = TokenGrant::ClientCredentials { scopes };
                self.token(&at, &presented, None).await
            }
        };
        Ok((binding, answer))
    }

    /// Where to ask instead, if what is on record is out of date: the endpoint may have moved, or the server takes the
    /// client's secret in another way now.
    async fn place_now(
        &self,
        place: &Place,
        failure: &TokenFailure,
    ) -> Result<Option<Place>, Error> {
        let gone = matches!(failure, TokenFailure::Gone { .. });
        if !gone && !matches!(failure, TokenFailure::InvalidClient { .. }) {
            return Ok(None);
        }
        let server = match self.server_of(&place.by).await {
            Ok(Some(server)) => server,
            Err(error) if gone => return Err(error),
            Ok(None) | Err(_) => return Ok(None),
        };
        let now = Place {
            by: place.by.at_endpoints_of(&server)?,
            client: {
                let own = self.identity.preregistered.as_ref();
                let said = own.and_then(Client::said_method);
                let key = self.key_of(&place.client).is_some();
                as_offered(&place.client, said, key, &server)
            },
            found: None,
        };
        Ok(now.differs_from(place).then_some(now))
    }

    /// Where a first token of the client's own is asked for, and by which registration.
    async fn find_grantor(&self, plan: &RenewalPlan, bound: Option<&str>) -> Result<Place, Error> {
        let identity = self.identity.preregistered.as_ref();
        let identity = identity.ok_or_else(|| Error::config("there is no client id"))?;
        let found = self.find(plan, bound).await?;
        self.may_be_shown(&found, bound)?;
        Ok(Place {
            by: found.grantor(self.settings.send_resource)?,
            client: preregistered(identity, &found.server),
            found: Some(found),
        })
    }
}

/// How it ended where a client asked for a token of its own, and `by` did not grant it one.
fn denied(by: &Grantor, failure: TokenFailure) -> Result<RenewalEnd, Error> {
    let attempt = match &failure {
        TokenFailure::Local(_) | TokenFailure::Transient(_) => return failed(by, failure),
        TokenFailure::InvalidGrant { .. } => Attempt::Rejected,
        _ => Attempt::Refused,
    };
    let error = failure.into_error(&by.issuer, &by.token_endpoint);
    Ok(RenewalEnd::Failed(attempt, error))
}
