//! Obtains a new access token with the refresh token (RFC 6749 section 6).

use crate::error::Error;
use crate::grant::{Grant, Grantor, Registration};
use crate::http::HttpError;
use crate::limits::ANSWER_LIMIT;
use crate::oauth::token::{TokenFailure, TokenGrant, Tokens};
use crate::recovery::{Attempt, Means};
use crate::runtime::timeout;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::session::client::{Requester, SessionClient};
use crate::session::ways::{RenewalEnd, RenewalPlan, failed, keep};
use crate::store::lease::Lease;
use crate::store::record::Versioned;

/// One refresh, under the lease.
pub(super) struct Refresh<'a> {
    pub(super) client: &'a SessionClient,
    pub(super) plan: &'a RenewalPlan,
    pub(super) lease: &'a Lease,
}

impl Refresh<'_> {
    pub(super) async fn run(self, read: Versioned) -> Result<RenewalEnd, Error> {
        let held = &self.client.held;
        let current = held.current();
        // Another session may have stored a grant since the record was read. Do not use its refresh token: the response
        // could not be stored over a grant that `read` does not have.
        if current != self.plan.credential && held.has_replaced(self.plan.credential.as_ref()) {
            return Ok(RenewalEnd::TakenOver);
        }
        // Use the current credential, not the record's: it may be newer, if it could not be stored.
        let renewable = current.as_ref().and_then(|current| {
            let grant = current.grant();
            let client = self.client.client_of(grant)?;
            Some((grant, client, grant.refresh_token.as_ref()?))
        });
        let Some((grant, client, token)) = renewable else {
            let error = Error::RefreshRejected {
                issuer: self.client.server().to_owned(),
                detail: "there is nothing to renew it with".to_owned(),
            };
            return Ok(RenewalEnd::Failed(Attempt::Refused, error));
        };
        let had = grant
            .scopes_before_refresh
            .as_ref()
            .unwrap_or(&grant.granted)
            .clone();
        let quirks = read.record.quirks.get(&grant.grantor.issuer);
        let names_scopes =
            self.plan.means == Means::ScopedRefresh || quirks.is_some_and(|h| h.scoped_refresh);
        let scopes = names_scopes.then_some(&had);
        let (grantor, answer) = self.present(grant, &client, token, scopes, &had).await?;
        match answer {
            Ok(mut renewed) => {
                // A new refresh token replaces the old one; if there is none, the old one stays valid (RFC 6749 section
                // 6).
                renewed.refresh_token = renewed.refresh_token.or_else(|| Some(token.clone()));
                renewed.sign_in = grant.sign_in.clone();
                renewed.scopes_before_refresh = (!renewed.granted.covers(&had)).then_some(had);
                let presented = Some(grant);
                let none = ScopeSet::new();
                keep(self.client, read, self.plan, renewed, presented, &none).await
            }
            Err(failure) => {
                self.discard(grant, &failure).await?;
                failed(&grantor, failure)
            }
        }
    }

    /// Presents the refresh token of `grant`. Returns the server that was asked last, and the new grant.
    async fn present(
        &self,
        grant: &Grant,
        client: &Registration,
        token: &Secret,
        scopes: Option<&ScopeSet>,
        had: &ScopeSet,
    ) -> Result<(Grantor, Result<Grant, TokenFailure>), Error> {
        let binding = match &grant.binding {
            // Tokens stay bound to the same key.
            Some(binding) => Some(binding.clone()),
            None => {
                let possession = &self.client.possession;
                possession.binding_for(&self.plan.challenge, Some(grant), None)?
            }
        };
        let requester = Requester {
            grantor: &grant.grantor,
            client,
            binding: binding.as_ref(),
            is_bound: grant.binding.is_some(),
        };
        let presented = TokenGrant::Refresh { token, scopes };
        let asking = self
            .client
            .token_by_record(requester, &presented, Some(self.lease));
        let answer = timeout(&*self.client.held.runtime, ANSWER_LIMIT, asking).await;
        let (grantor, answer) = answer.unwrap_or_else(|| {
            let none = HttpError::Timeout(ANSWER_LIMIT);
            (
                grant.grantor.clone(),
                Err(TokenFailure::Transient(none.into())),
            )
        });
        let granted = |tokens: Tokens| {
            let requester = Requester {
                grantor: &grantor,
                ..requester
            };
            self.client.granted(tokens, &requester, had)
        };
        let answer = answer.map(granted);
        Ok((grantor, answer))
    }

    /// Discards what the server no longer accepts: after `invalid_grant` this refresh token, after `invalid_client`
    /// this dynamic registration, and otherwise nothing.
    async fn discard(&self, used: &Grant, failure: &TokenFailure) -> Result<(), Error> {
        let held = &self.client.held;
        let dynamic = used.client.as_ref().filter(|client| client.dynamic);
        match (failure, dynamic) {
            (TokenFailure::InvalidGrant { .. }, _) => {
                held.update(|record| match &mut record.grant {
                    Some(grant) if grant == used => grant.refresh_token.take().is_some(),
                    _ => false,
                })
                .await?;
            }
            (TokenFailure::InvalidClient { .. }, Some(client)) => {
                held.discard_client(&used.grantor.issuer, client).await?;
            }
            _ => {}
        }
        Ok(())
    }
}
