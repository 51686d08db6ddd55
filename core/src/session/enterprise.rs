//! Enterprise-managed authorization, as one session goes through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use crate::challenge::AuthChallenge;
use crate::enterprise::Minted;
use crate::enterprise::legs::{Assertion, Exchange, exchange};
use crate::enterprise::record::SignedIn;
use crate::enterprise::{Idp, IdpEnd, View};
use crate::error::Error;
use crate::grant::{Grant, Grantor, Registration};
use crate::host::{AuthHost, AuthorizationRequest, Event};
use crate::issuer::same_issuer;
use crate::jose::SigningKey;
use crate::oauth::authorization::{self, Parameters};
use crate::oauth::discovery::{self, Discovered, scopes_of};
use crate::oauth::metadata::ServerMetadata;
use crate::oauth::registration::{Purpose, register};
use crate::oauth::token::{self, TokenFailure, TokenGrant, Tokens};
use crate::patience::{once, patiently};
use crate::recovery::{Ask, Attempt, Means, Trigger};
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::session::Inner;
use crate::session::credential::Authorization;
use crate::session::interaction::Need;
use crate::session::renewal::{Renewal, RenewalEnd, RenewalPlan, failed, passing};
use crate::session::tokens::At;
use crate::store::lease::Lease;
use crate::store::record::{IdpLeg, Pending, Versioned};

/// Where something is minted, and as which client.
struct Mint {
    by: Grantor,
    client: Registration,
    /// `None`: as on record.
    found: Option<Discovered>,
}

impl Inner {
    pub(super) fn idp(&self) -> Result<&Arc<Idp>, Error> {
        self.idp.as_ref().ok_or(Error::EnterpriseNotConfigured)
    }

    /// What the decision needs to know of the session at the identity provider, if there is one.
    pub(super) async fn idp_view(&self) -> Result<View, Error> {
        match &self.idp {
            Some(idp) => idp.view().await,
            None => Ok(View::default()),
        }
    }

    /// Whether something can be minted right away; the session at the identity provider is renewed for it if need be,
    /// and as far as patience allows.
    pub(super) async fn idp_is_ready(self: &Arc<Self>, trigger: Trigger) -> bool {
        let Ok(view) = self.idp_view().await else {
            return false;
        };
        if view.id_token || !view.renewable {
            return view.id_token;
        }
        let held = self.idp_hold.verdict(view.id.as_ref(), trigger, self.now());
        if held.is_some() {
            return false;
        }
        let renewed = self.renew_idp(view.id).await;
        renewed.is_some_and(|end| matches!(&*end, Ok(IdpEnd::Renewed)))
    }

    /// Renews the session at the identity provider, or shares in the renewal under way.
    /// `of` is the one that the decision was about.
    pub(super) async fn renew_idp(
        self: &Arc<Self>,
        of: Option<String>,
    ) -> Option<Arc<Result<IdpEnd, Error>>> {
        let inner = Arc::clone(self);
        let start = move || -> BoxFuture<'static, Result<IdpEnd, Error>> {
            Box::pin(async move {
                let idp = inner.idp()?;
                let (later, as_of) = (Arc::clone(&inner), of.clone());
                let late = move |end| later.note_idp_renewal(as_of, &end);
                let end = idp.renew(of.as_deref(), inner.unsettled(), late).await;
                inner.note_idp_renewal(of, &end);
                end
            })
        };
        self.idp_renewal.join(&*self.runtime, start).await
    }

    fn note_idp_renewal(&self, of: Option<String>, end: &Result<IdpEnd, Error>) {
        let issuer = self.idp.as_ref().map_or(&*self.server, |idp| idp.issuer());
        match end {
            Ok(IdpEnd::Renewed) => {
                self.idp_hold.release();
                self.event(Event::IdpSessionRenewed {
                    issuer: issuer.to_owned(),
                });
            }
            Ok(IdpEnd::Failed(attempt, error)) => {
                self.idp_hold.note(of, *attempt, error.clone(), self.now());
                self.renewal_failed(issuer, error);
            }
            Err(error) => self.renewal_failed(issuer, error),
        }
    }

    /// What a mint asks for, besides what was had before.
    pub(super) fn minting_plan(
        &self,
        ask: Ask,
        of: Option<Authorization>,
        challenge: AuthChallenge,
    ) -> RenewalPlan {
        RenewalPlan {
            scopes: self.asked(ask, of.as_ref(), &challenge),
            of,
            means: Means::Mint,
            ask,
            challenge,
            rediscover: false,
        }
    }

    /// Legs 2 and 3: a credential by the ID token, without the user noticing.
    pub(super) async fn mint(
        &self,
        read: Versioned,
        plan: &RenewalPlan,
        lease: &Lease,
    ) -> Result<RenewalEnd, Error> {
        let idp = self.idp()?;
        let session = idp.session().await?;
        let Some(session) = session.filter(|session| session.is_valid(idp.now())) else {
            // It ended just now: no server was asked, and what is to be done is to be decided anew.
            return Ok(RenewalEnd::Adopted);
        };
        let place = match self.minting_place(&read, plan).await {
            Ok(place) => place,
            Err(error) => return passing(error, &self.server),
        };
        let wanted = match self.minted_scopes(&read, plan, &place).await {
            Ok(wanted) => wanted,
            Err(error) => return passing(error, &self.server),
        };
        let held = read.record.grant.as_ref();
        let binding = self.binding_for(&plan.challenge, held, place.found.as_ref())?;
        let at = At {
            by: &place.by,
            client: &place.client,
            binding: binding.as_ref(),
            bound: false,
        };
        // Before there is anything to be cleared: signing out must find it.
        idp.note_server(&self.key.server).await?;
        // An assertion is good for one grant: both legs are tried again together.
        let past_idp = AtomicBool::new(false);
        let both = || async {
            past_idp.store(false, Ordering::Relaxed);
            let assertion = self.assert(&session, &place.by, &wanted).await?;
            past_idp.store(true, Ordering::Relaxed);
            // What the organization does not allow need not be asked for.
            let allowed = assertion.scopes.unwrap_or_else(|| wanted.clone());
            let presented = TokenGrant::JwtBearer {
                assertion: &assertion.token,
                scopes: &allowed,
            };
            let (by, tokens) = self.minted(at, &presented).await?;
            Ok((by, tokens, allowed))
        };
        let (by, tokens, allowed) = match patiently(&*self.runtime, Some(lease), both).await {
            Ok(minted) => minted,
            Err(failure) => {
                let at_idp = !past_idp.load(Ordering::Relaxed);
                self.note_refusal(&failure, plan, &place, at_idp).await?;
                let by = if at_idp { &session.by } else { &place.by };
                return refused(failure, by, at_idp);
            }
        };
        let mut grant = self.granted(tokens, &At { by: &by, ..at }, &allowed);
        grant.via = Some(idp.issuer().to_owned());
        grant.sign_in = session.sign_in.clone();
        // It is minted afresh each time.
        grant.refresh_token = None;
        self.keep_minted(read, plan, grant, &allowed, &session)
            .await
    }

    /// Tokens, and their grantor: an endpoint that is gone is looked up again, once.
    async fn minted(
        &self,
        at: At<'_>,
        presented: &TokenGrant<'_>,
    ) -> Result<(Grantor, Tokens), TokenFailure> {
        let by = at.by.clone();
        match self.token_once(&at, presented).await {
            Err(TokenFailure::Gone { detail }) => match self.moved(&by).await {
                Ok(Some(moved)) => {
                    let tokens = self.token_once(&At { by: &moved, ..at }, presented).await?;
                    Ok((moved, tokens))
                }
                Ok(None) => Err(TokenFailure::Gone { detail }),
                Err(error) => Err(TokenFailure::Transient(error.into())),
            },
            answer => Ok((by, answer?)),
        }
    }

    /// Keeps what was minted, unless that sign-in is over meanwhile.
    async fn keep_minted(
        &self,
        read: Versioned,
        plan: &RenewalPlan,
        grant: Grant,
        allowed: &ScopeSet,
        session: &SignedIn,
    ) -> Result<RenewalEnd, Error> {
        let end = self.keep(read, plan, grant.clone(), None, allowed).await?;
        let now = self.idp()?.session().await?;
        if now.is_some_and(|now| now.sign_in == session.sign_in) {
            return Ok(end);
        }
        self.update(|record| record.grant.take_if(|now| now.is(&grant)).is_some())
            .await?;
        Ok(RenewalEnd::Adopted)
    }

    /// The authorization server that the assertion is for: the one on record, else the one the resource names.
    async fn minting_place(&self, read: &Versioned, plan: &RenewalPlan) -> Result<Mint, Error> {
        let bound = self.bound_issuer(&read.record);
        let elsewhere = |issuer: &str| {
            bound
                .as_ref()
                .is_some_and(|bound| !same_issuer(bound, issuer))
        };
        let held = read.record.grant.as_ref();
        let held = held.filter(|grant| grant.via.is_some() && !elsewhere(&grant.by.issuer));
        let client = held.and_then(|grant| match &self.identity.preregistered {
            Some(_) => self.own_client_of(grant),
            None => grant.client.clone(),
        });
        if let (Some(grant), Some(client)) = (held, client) {
            return Ok(Mint {
                by: grant.by.clone(),
                client,
                found: None,
            });
        }
        let found = self.find(plan, bound.as_deref()).await?;
        self.may_be_shown(&found, bound.as_deref())?;
        let by = found.grantor(self.settings.send_resource)?;
        let recorded = read.record.client_at(&by.issuer);
        let purpose = Purpose {
            redirect_uri: None,
            scopes: &plan.scopes,
            supported: &found.scopes_supported,
        };
        let client = register(&self.http, &found.server, &self.identity, purpose, recorded).await?;
        if client.dynamic && recorded != Some(&client) {
            self.update(|record| {
                record.set_client(&by.issuer, &client);
                true
            })
            .await?;
        }
        Ok(Mint {
            by,
            client,
            found: Some(found),
        })
    }

    /// What is configured, required, and was had before; else what the resource's metadata lists; else nothing.
    async fn minted_scopes(
        &self,
        read: &Versioned,
        plan: &RenewalPlan,
        place: &Mint,
    ) -> Result<ScopeSet, Error> {
        let held = read.record.grant.as_ref();
        let before = held.is_some_and(|grant| same_issuer(&grant.by.issuer, &place.by.issuer));
        let wanted = match before {
            true => read.record.requested.union(&plan.scopes),
            false => plan.scopes.clone(),
        };
        if !wanted.is_empty() {
            return Ok(wanted);
        }
        match &place.found {
            Some(found) => Ok(found.scopes_supported.clone()),
            // It had none then.
            None if before => Ok(wanted),
            None => {
                let named = plan.challenge.resource_metadata.as_deref();
                scopes_of(&self.http, &self.server, named).await
            }
        }
    }

    async fn assert(
        &self,
        session: &SignedIn,
        by: &Grantor,
        scopes: &ScopeSet,
    ) -> Result<Assertion, TokenFailure> {
        let local = |error| TokenFailure::Local(Box::new(error));
        let idp = self.idp().map_err(local)?;
        let registration = idp.current_client(&session.client);
        let wanted = Exchange {
            id_token: &session.id_token,
            audience: &by.issuer,
            resource: by.resource.as_deref().unwrap_or(&self.server),
            scopes,
        };
        let at = async |by: &Grantor| {
            let client = idp.client(&registration, by);
            exchange(&client, &by.token_endpoint, &wanted).await
        };
        match at(&session.by).await {
            Ok(assertion) => Ok(assertion),
            Err(failure) => match idp.moved(&session.by, &failure).await? {
                Some(moved) => at(&moved).await,
                None => Err(failure),
            },
        }
    }

    /// What a refusal tells for the next time. An organization that no longer allows a scope would refuse every
    /// renewal that asks for it; a server that no longer knows the client would refuse it for ever.
    async fn note_refusal(
        &self,
        failure: &TokenFailure,
        plan: &RenewalPlan,
        place: &Mint,
        at_idp: bool,
    ) -> Result<(), Error> {
        match failure {
            TokenFailure::Other { code, .. }
                if code == "invalid_scope" && plan.ask == Ask::Afresh =>
            {
                self.update(|record| {
                    let known = !record.requested.is_empty();
                    record.requested = ScopeSet::new();
                    known
                })
                .await?;
            }
            TokenFailure::InvalidClient { .. } if !at_idp => {
                self.discard_client(&place.by.issuer, &place.client).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Leg 1: prepares the sign-in at the identity provider.
    pub(super) async fn prepare_idp(
        &self,
        host: &dyn AuthHost,
        need: &Need,
    ) -> Result<AuthorizationRequest, Error> {
        let idp = self.idp()?;
        let server = idp.discover().await?;
        server.check_reach(&idp.http).await?;
        idp.http.check_reach(server.jwks_uri()?).await?;
        let by = idp.grantor(&server)?;
        let client = idp.registration(&server);
        let redirect_uri = self.redirect_uri(host, true).await?;
        let nonce = Secret::new(crate::jose::fresh_id()?);
        let scopes = idp_scopes(&server);
        let prepared = authorization::prepare(
            &server,
            &Parameters {
                client_id: &client.client_id,
                redirect_uri: &redirect_uri,
                scopes: &scopes,
                resource: None,
                challenge: &need.challenge,
                dpop_jkt: None,
                // An organization has agreed for its people beforehand.
                consent_prompt: false,
                nonce: Some(nonce.expose()),
            },
        )?;
        let url = match server.push_to(self.settings.push_requests)? {
            Some(endpoint) => prepared.push(&idp.client(&client, &by), endpoint).await?,
            None => prepared.url(),
        };
        let pending = Pending {
            iss_expected: server.authorization_response_iss_parameter_supported,
            verifier: prepared.verifier,
            redirect_uri,
            scopes,
            widen: need.ask == Ask::Union,
            reused: false,
            prompted: false,
            client,
            created_at: self.now(),
            required: need.challenge.required_scopes.clone(),
            binding: None,
            idp: Some(IdpLeg {
                nonce,
                jwks_uri: server.jwks_uri()?.to_owned(),
                resource_metadata: need.challenge.resource_metadata.clone(),
            }),
            by,
        };
        self.note_pending(&prepared.state, &pending, None).await?;
        Ok(self.request(url, prepared.state, pending, &need.challenge))
    }

    /// Finishes leg 1 by the code of its answer.
    pub(super) async fn complete_idp(
        &self,
        pending: &Pending,
        leg: &IdpLeg,
        code: &Secret,
    ) -> Result<(), Error> {
        let idp = self.idp()?;
        // Another identity provider may be configured by now.
        if !same_issuer(&pending.by.issuer, idp.issuer()) {
            return Err(Error::StateMismatch);
        }
        // First: a code can be used once.
        let keys = discovery::keys(&idp.http, &leg.jwks_uri).await?;
        let client = idp.client(&pending.client, &pending.by);
        let presented = TokenGrant::Code {
            code,
            verifier: &pending.verifier,
            redirect_uri: &pending.redirect_uri,
        };
        let (by, presented) = (&pending.by, &presented);
        let endpoint = &by.token_endpoint;
        let ask = || token::request(&client, endpoint, presented, None);
        let tokens = once(&*self.runtime, ask).await;
        let tokens = tokens.map_err(|failure| failure.into_error(&by.issuer, endpoint))?;
        idp.finish(tokens, by, &pending.client, leg, keys).await?;
        self.hold.release();
        self.event(Event::Authorized {
            issuer: by.issuer.clone(),
            scopes: pending.scopes.clone(),
        });
        Ok(())
    }

    /// Mints by a session that is there, for a person who waits.
    pub(super) async fn mint_for(
        self: &Arc<Self>,
        plan: RenewalPlan,
    ) -> Result<Arc<Renewal>, Error> {
        loop {
            let (of, asked) = (plan.of.clone(), plan.scopes.clone());
            let Some(renewal) = self.renew(plan.clone()).await else {
                return Err(Error::Cancelled {
                    what: "The renewal",
                });
            };
            // Another may have been under way, for less.
            if renewal.of == of && renewal.asked.covers(&asked) {
                return Ok(renewal);
            }
        }
    }
}

/// What is asked for at the identity provider: who the user is, and to be told again without asking (OpenID Connect
/// Core sections 3.1.2.1 and 11), unless it is known not to know that.
fn idp_scopes(server: &ServerMetadata) -> ScopeSet {
    const OFFLINE: &str = "offline_access";
    let mut scopes = ScopeSet::parse("openid");
    let listed = &server.scopes_supported;
    if listed.is_empty() || listed.iter().any(|scope| scope == OFFLINE) {
        scopes.insert(OFFLINE);
    }
    scopes
}

/// What a refusal at leg 2 (`by` the identity provider) or leg 3 means. What an organization's policy says no to is
/// told as that; an ID token that the identity provider itself does not take (any more) may be renewed.
fn refused(failure: TokenFailure, by: &Grantor, at_idp: bool) -> Result<RenewalEnd, Error> {
    let denied = |detail: String| Error::PolicyDenied {
        issuer: by.issuer.clone(),
        detail,
    };
    Ok(match failure {
        TokenFailure::Local(_) | TokenFailure::Transient(_) => return failed(by, failure),
        // The ID token is no good (any more). RFC 8693 section 2.2.2 has another name for that.
        TokenFailure::InvalidGrant { detail } if at_idp => {
            RenewalEnd::Failed(Attempt::Rejected, denied(detail))
        }
        TokenFailure::Other { code, detail } if at_idp && code == "invalid_request" => {
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
            let error = other.into_error(&by.issuer, &by.token_endpoint);
            RenewalEnd::Failed(Attempt::Refused, error)
        }
    })
}

impl Minted for Inner {
    fn look_again(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async {
            self.reload().await?;
            Ok(())
        })
    }

    fn key_of(&self, registration: &Registration) -> Option<&dyn SigningKey> {
        Self::key_of(self, registration)
    }
}
