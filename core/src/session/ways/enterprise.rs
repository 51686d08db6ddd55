//! Legs 2 and 3 of enterprise-managed authorization: obtains a credential with the ID token, without the user.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::enterprise::Idp;
use crate::enterprise::legs::{Assertion, Exchange, exchange};
use crate::enterprise::record::SignedIn;
use crate::error::Error;
use crate::grant::{Grant, Grantor};
use crate::issuer::same_issuer;
use crate::oauth::discovery::scopes_of;
use crate::oauth::registration::{Purpose, register};
use crate::oauth::token::{TokenFailure, TokenGrant, Tokens};
use crate::recovery::{Attempt, Scoping};
use crate::scope::ScopeSet;
use crate::session::client::{Requester, SessionClient};
use crate::session::ways::{Place, RenewalEnd, RenewalPlan, failed, failed_before, keep};
use crate::store::lease::Lease;
use crate::store::record::{Record, Versioned};
use crate::token_retry::retry_once;

/// One exchange of the ID token for a credential, under the lease.
pub(super) struct Minting<'a> {
    pub(super) client: &'a SessionClient,
    pub(super) idp: &'a Arc<Idp>,
    pub(super) plan: &'a RenewalPlan,
    pub(super) lease: &'a Lease,
}

/// A refusal, and which server sent it.
struct Refusal {
    failure: TokenFailure,
    by_idp: bool,
}

impl Minting<'_> {
    pub(super) async fn run(self, read: Versioned) -> Result<RenewalEnd, Error> {
        let idp = self.idp;
        let session = idp.session().await?;
        let Some(session) = session.filter(|session| session.is_valid(idp.now())) else {
            // The session ended since the decision. No server was asked, so the driver decides again.
            return Ok(RenewalEnd::Void);
        };
        let place = match self.place(&read.record).await {
            Ok(place) => place,
            Err(error) => return failed_before(error, self.client.server()),
        };
        let wanted = match self.scopes(&read.record, &place).await {
            Ok(wanted) => wanted,
            Err(error) => return failed_before(error, self.client.server()),
        };
        let held = read.record.grant.as_ref();
        match self.mint(&session, &place, held, &wanted).await? {
            Ok((grant, allowed)) => self.keep(read, grant, &allowed, &session).await,
            Err(refusal) => {
                self.note_refusal(&refusal, &place).await?;
                refused(refusal, &session.grantor, &place.grantor)
            }
        }
    }

    /// Runs both legs. Returns the grant, and the scopes that the organization allowed.
    async fn mint(
        &self,
        session: &SignedIn,
        place: &Place,
        held: Option<&Grant>,
        wanted: &ScopeSet,
    ) -> Result<Result<(Grant, ScopeSet), Refusal>, Error> {
        let (challenge, found) = (&self.plan.challenge, place.found.as_ref());
        let binding = self.client.possession.binding_for(challenge, held, found)?;
        let requester = place.requester(binding.as_ref());
        // Recorded before the grant exists, so that sign-out finds it.
        self.idp.note_server(self.client.server()).await?;
        let past_idp = AtomicBool::new(false);
        // An assertion can be used once, so both legs are retried together.
        let both = || async {
            past_idp.store(false, Ordering::Relaxed);
            let assertion = self.assertion(session, &place.grantor, wanted).await?;
            past_idp.store(true, Ordering::Relaxed);
            // Do not request scopes that the organization does not allow.
            let allowed = assertion.scopes.unwrap_or_else(|| wanted.clone());
            let presented = TokenGrant::JwtBearer {
                assertion: &assertion.token,
                scopes: &allowed,
            };
            let (grantor, tokens) = self.tokens(requester, &presented).await?;
            Ok((grantor, tokens, allowed))
        };
        let minted = retry_once(&*self.client.held.runtime, Some(self.lease), both).await;
        let (grantor, tokens, allowed) = match minted {
            Ok(minted) => minted,
            Err(failure) => {
                let by_idp = !past_idp.load(Ordering::Relaxed);
                return Ok(Err(Refusal { failure, by_idp }));
            }
        };
        let requester = Requester {
            grantor: &grantor,
            ..requester
        };
        let mut grant = self.client.granted(tokens, &requester, &allowed);
        grant.idp_issuer = Some(self.idp.issuer().to_owned());
        grant.sign_in = session.sign_in.clone();
        // Each renewal mints a new credential.
        grant.refresh_token = None;
        Ok(Ok((grant, allowed)))
    }

    /// Leg 3: requests tokens, and returns them with their grantor. If the endpoint is gone, looks it up again, once.
    async fn tokens(
        &self,
        requester: Requester<'_>,
        presented: &TokenGrant<'_>,
    ) -> Result<(Grantor, Tokens), TokenFailure> {
        let grantor = requester.grantor.clone();
        match self.client.token_once(&requester, presented).await {
            Err(TokenFailure::Gone { detail }) => match self.client.moved(&grantor).await {
                Ok(Some(moved)) => {
                    let requester = Requester {
                        grantor: &moved,
                        ..requester
                    };
                    let tokens = self.client.token_once(&requester, presented).await?;
                    Ok((moved, tokens))
                }
                Ok(None) => Err(TokenFailure::Gone { detail }),
                Err(error) => Err(TokenFailure::Transient(error.into())),
            },
            answer => Ok((grantor, answer?)),
        }
    }

    /// Stores a grant, and removes it again if the sign-in that it was minted with has ended in the meantime.
    async fn keep(
        &self,
        read: Versioned,
        grant: Grant,
        allowed: &ScopeSet,
        session: &SignedIn,
    ) -> Result<RenewalEnd, Error> {
        let end = keep(self.client, read, self.plan, grant.clone(), None, allowed).await?;
        let now = self.idp.session().await?;
        if now.is_some_and(|now| now.sign_in == session.sign_in) {
            return Ok(end);
        }
        let held = &self.client.held;
        held.update(|record| record.grant.take_if(|now| now.is_same_as(&grant)).is_some())
            .await?;
        Ok(RenewalEnd::Void)
    }

    /// Returns the recorded authorization server, else discovers the one that the resource names.
    async fn place(&self, record: &Record) -> Result<Place, Error> {
        let client = self.client;
        let bound = client.bound_issuer(record);
        let elsewhere = |issuer: &str| {
            bound
                .as_ref()
                .is_some_and(|bound| !same_issuer(bound, issuer))
        };
        let held = record.grant.as_ref();
        let held =
            held.filter(|grant| grant.idp_issuer.is_some() && !elsewhere(&grant.grantor.issuer));
        let held = held.and_then(|grant| {
            let client = match &client.identity.preregistered {
                Some(_) => client.own_client_of(grant),
                None => grant.client.clone(),
            };
            Some((grant, client?))
        });
        if let Some((grant, client)) = held {
            return Ok(Place {
                grantor: grant.grantor.clone(),
                client,
                found: None,
            });
        }
        let found = client.find(&self.plan.challenge, bound.as_deref()).await?;
        client.check_may_authenticate(&found, bound.as_deref())?;
        let grantor = found.grantor(client.settings.send_resource)?;
        let recorded = record.client_at(&grantor.issuer);
        let purpose = Purpose {
            redirect_uri: None,
            scopes: &self.plan.scopes,
            supported: &found.scopes_supported,
        };
        let (http, identity) = (&client.http, &client.identity);
        let registration = register(http, &found.server, identity, purpose, recorded).await?;
        if registration.dynamic && recorded != Some(&registration) {
            let noted = client.held.update(|record| {
                record.set_client(&grantor.issuer, &registration);
                true
            });
            noted.await?;
        }
        Ok(Place {
            grantor,
            client: registration,
            found: Some(found),
        })
    }

    /// Returns the scopes that are configured, required or were requested before; if there are none, those that the
    /// resource's metadata lists.
    async fn scopes(&self, record: &Record, place: &Place) -> Result<ScopeSet, Error> {
        let held = record.grant.as_ref();
        let before =
            held.is_some_and(|grant| same_issuer(&grant.grantor.issuer, &place.grantor.issuer));
        let planned = &self.plan.scopes;
        let wanted = match before {
            true => record.requested.union(planned),
            false => planned.clone(),
        };
        if !wanted.is_empty() {
            return Ok(wanted);
        }
        match &place.found {
            Some(found) => Ok(found.scopes_supported.clone()),
            // The metadata listed none when the grant was obtained.
            None if before => Ok(wanted),
            None => {
                let named = self.plan.challenge.resource_metadata.as_deref();
                scopes_of(&self.client.http, self.client.server(), named).await
            }
        }
    }

    /// Leg 2: exchanges the ID token for an assertion to `grantor`.
    async fn assertion(
        &self,
        session: &SignedIn,
        grantor: &Grantor,
        scopes: &ScopeSet,
    ) -> Result<Assertion, TokenFailure> {
        let idp = self.idp;
        let registration = idp.current_client(&session.client);
        let wanted = Exchange {
            id_token: &session.id_token,
            audience: &grantor.issuer,
            resource: grantor.resource.as_deref().unwrap_or(self.client.server()),
            scopes,
        };
        let at = async |idp_at: &Grantor| {
            let client = idp.client(&registration, idp_at);
            exchange(&client, &idp_at.token_endpoint, &wanted).await
        };
        match at(&session.grantor).await {
            Ok(assertion) => Ok(assertion),
            Err(failure) => match idp.moved(&session.grantor, &failure).await? {
                Some(moved) => at(&moved).await,
                None => Err(failure),
            },
        }
    }

    /// Records what a refusal means for the next renewal. An organization that no longer allows a scope would refuse
    /// every renewal that requests it; a server that no longer knows the client would refuse it for good.
    async fn note_refusal(&self, refusal: &Refusal, place: &Place) -> Result<(), Error> {
        let held = &self.client.held;
        match &refusal.failure {
            TokenFailure::Other { code, .. }
                if code == "invalid_scope" && self.plan.ask == Scoping::Unchanged =>
            {
                held.update(|record| {
                    let known = !record.requested.is_empty();
                    record.requested = ScopeSet::new();
                    known
                })
                .await?;
            }
            TokenFailure::InvalidClient { .. } if !refusal.by_idp => {
                held.discard_client(&place.grantor.issuer, &place.client)
                    .await?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Returns the end of a renewal that was refused at leg 2 (by the identity provider) or leg 3. A refusal by the
/// organization's policy becomes that error; a refusal of the ID token itself leads to a renewal of it.
fn refused(refusal: Refusal, idp: &Grantor, grantor: &Grantor) -> Result<RenewalEnd, Error> {
    let Refusal { failure, by_idp } = refusal;
    let refused_by = if by_idp { idp } else { grantor };
    let denied = |detail: String| Error::PolicyDenied {
        issuer: refused_by.issuer.clone(),
        detail,
    };
    Ok(match failure {
        TokenFailure::Local(_) | TokenFailure::Transient(_) => return failed(refused_by, failure),
        // The ID token is no longer accepted. RFC 8693 section 2.2.2 uses another error code for that.
        TokenFailure::InvalidGrant { detail } if by_idp => {
            RenewalEnd::Failed(Attempt::Rejected, denied(detail))
        }
        TokenFailure::Other { code, detail } if by_idp && code == "invalid_request" => {
            RenewalEnd::Failed(Attempt::Rejected, denied(detail))
        }
        TokenFailure::InvalidGrant { detail } => {
            RenewalEnd::Failed(Attempt::Refused, denied(detail))
        }
        TokenFailure::Other { code, detail }
            if matches!(
                code.as_str(),
                "access_denied" | "invalid_scope" | "invalid_target"
            ) =>
        {
            RenewalEnd::Failed(Attempt::Refused, denied(detail))
        }
        other => {
            let error = other.into_error(&refused_by.issuer, &refused_by.token_endpoint);
            RenewalEnd::Failed(Attempt::Refused, error)
        }
    })
}
