//! A sign-in: from discovery to the page a person is sent to, and from the callback to the grant.

use std::sync::Arc;

use crate::callback::CallbackParams;
use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::host::{AuthHost, AuthorizationRequest, Event};
use crate::issuer::same_issuer;
use crate::oauth::authorization::{self, Parameters};
use crate::oauth::discovery::{Discovered, Preference, discover};
use crate::oauth::registration::{Purpose, register};
use crate::oauth::token::{TokenFailure, TokenGrant};
use crate::recovery::Ask;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::session::Inner;
use crate::session::interaction::Need;
use crate::session::renewal::RenewalEnd;
use crate::session::tokens::At;
use crate::store::record::{self, Grant, IdpLeg, Pending, Record, Registration, Versioned};

/// The scope that asks for a refresh token (OpenID Connect Core section 11).
const OFFLINE_ACCESS: &str = "offline_access";

impl Inner {
    /// Finds the authorization server (it may have changed), registers there, and notes the authorization that
    /// is about to start.
    pub(super) async fn prepare(
        &self,
        host: &dyn AuthHost,
        need: &Need,
    ) -> Result<AuthorizationRequest, Error> {
        let record = self.reload().await?.record;
        let bound = self.bound_issuer(&record);
        let preference = Preference {
            required: bound.as_deref(),
            current: record.grant.as_ref().map(|grant| grant.by.issuer.as_str()),
            known: None,
        };
        let named = need.challenge.resource_metadata.as_deref();
        let found = discover(&self.http, &self.server, named, &preference).await?;
        let server = &found.server;
        server.require_pkce()?;
        let by = found.grantor(self.send_resource)?;
        let redirect_uri = self.redirect_uri(host).await?;
        let recorded = record.client_at(&by.issuer);
        let scopes = self.wanted(need, &record, &found);
        let purpose = Purpose {
            redirect_uri: Some(&redirect_uri),
            scopes: &scopes,
            supported: &found.scopes_supported,
        };
        let client = register(&self.http, server, &self.identity, purpose, recorded).await?;
        let held = record.grant.as_ref();
        let binding = self.binding_for(&need.challenge, held, Some(&found))?;
        let prepared = authorization::prepare(
            server,
            &Parameters {
                client_id: &client.client_id,
                redirect_uri: &redirect_uri,
                scopes: &scopes,
                resource: by.resource.as_deref(),
                challenge: &need.challenge,
                dpop_jkt: binding.as_ref().map(|binding| binding.thumbprint.as_str()),
                nonce: None,
            },
        )?;
        let url = match server.push_to(self.push_requests)? {
            Some(endpoint) => {
                let pushed = prepared
                    .push(&self.client_at(&by.issuer, &client, None), endpoint)
                    .await;
                if matches!(pushed, Err(Error::RegistrationRejected { .. })) {
                    self.discard_client(&by.issuer, &client).await?;
                }
                pushed?
            }
            None => prepared.url(),
        };
        let pending = Pending {
            by,
            iss_expected: server.authorization_response_iss_parameter_supported,
            verifier: prepared.verifier,
            redirect_uri,
            scopes,
            widen: need.ask == Ask::Union,
            client,
            created_at: self.now(),
            required: need.challenge.required_scopes.clone(),
            binding,
            idp: None,
        };
        self.note_pending(&prepared.state, &pending).await?;
        Ok(self.request(url, prepared.state, pending, &need.challenge))
    }

    /// What the person is sent with.
    pub(super) fn request(
        &self,
        url: String,
        state: String,
        pending: Pending,
        challenge: &AuthChallenge,
    ) -> AuthorizationRequest {
        let mut challenge = challenge.clone();
        challenge.authorization_scopes = pending.scopes.clone();
        challenge.resource = pending.by.resource;
        challenge.audience = Some(pending.by.issuer.clone());
        AuthorizationRequest {
            url,
            state,
            redirect_uri: pending.redirect_uri,
            server: self.server.clone(),
            issuer: pending.by.issuer,
            at_identity_provider: pending.idp.is_some(),
            scopes: pending.scopes,
            challenge,
        }
    }

    /// Notes an authorization that is about to start, and makes sure that the store has it: without it, the person
    /// would come back from the page for nothing.
    pub(super) async fn note_pending(&self, state: &str, pending: &Pending) -> Result<(), Error> {
        let patience = self.policy.interaction_timeout.as_secs();
        let oldest = pending.created_at.saturating_sub(patience);
        self.update(|record| {
            // A client brought along is bound to a server by what that server grants, not before.
            if pending.client.dynamic {
                record.set_client(&pending.by.issuer, &pending.client);
            }
            record.add_pending(state.to_owned(), pending.clone(), oldest);
            true
        })
        .await?;
        let kept: Versioned = record::read(&*self.store, &self.key).await?;
        if kept.record.pending.contains_key(state) {
            return Ok(());
        }
        Err(Error::store("it does not keep what is written to it"))
    }

    /// The issuer that a client brought along is bound to: the one it was said to be registered at, else the
    /// first it was used at. A resource may name any server; that is no reason to show it the client's secret
    /// (MCP 2026-07-28, authorization server binding).
    pub(super) fn bound_issuer(&self, record: &Record) -> Option<String> {
        let client = self.identity.preregistered.as_ref()?;
        let same = |known: &Registration| !known.dynamic && known.client_id == client.client_id;
        let grant = record.grant.as_ref();
        let current = grant.filter(|grant| grant.client.as_ref().is_some_and(same));
        let used_at = || {
            let before = || record.clients.iter().find(|(_, known)| same(known));
            let issuer = current.map(|grant| &grant.by.issuer);
            issuer.or_else(|| Some(before()?.0)).cloned()
        };
        client.issuer.clone().or_else(used_at)
    }

    /// The scopes to ask for. What was asked for and granted before at the same issuer always comes along
    /// (SEP-2350): a person who signs in again does not want to lose what they had agreed to.
    fn wanted(&self, need: &Need, record: &Record, found: &Discovered) -> ScopeSet {
        let held = record.grant.as_ref();
        let held = held.filter(|grant| same_issuer(&grant.by.issuer, &found.server.issuer));
        let before = match (held, need.ask) {
            (None, _) => ScopeSet::new(),
            (Some(_), Ask::Afresh) => record.requested.clone(),
            (Some(grant), Ask::Union) => record.requested.union(&grant.granted),
        };
        let required = &need.challenge.required_scopes;
        let mut wanted = before.union(&self.scopes).union(required);
        if required.is_empty() && self.scopes.is_empty() {
            wanted = wanted.union(&found.scopes_supported);
        }
        let mut wanted = without_offline_access(&wanted);
        let supported = &found.server.scopes_supported;
        if supported.iter().any(|scope| scope == OFFLINE_ACCESS) {
            wanted.insert(OFFLINE_ACCESS);
        }
        wanted
    }

    /// Finishes the authorization that a callback belongs to. What was required and not granted is told; the
    /// credential is kept all the same.
    pub(super) async fn complete(
        self: &Arc<Self>,
        callback: &CallbackParams,
    ) -> Result<Option<Error>, Error> {
        let now = self.now();
        let oldest = now.saturating_sub(self.policy.interaction_timeout.as_secs());
        // Taken out before it is used: whoever takes it out is the one who may use it, once.
        let mut taken = None;
        self.update(|record| {
            let mut states = record.pending.keys();
            let known = states.find(|state| callback.has_state(state)).cloned();
            taken = known.and_then(|state| record.pending.remove(&state));
            taken.is_some()
        })
        .await?;
        let pending = taken
            .filter(|pending| pending.created_at >= oldest)
            .ok_or(Error::StateMismatch)?;
        let code = match authorization::code(callback, &pending.by.issuer, pending.iss_expected) {
            Ok(code) => code,
            Err(error) => {
                self.note_denial(&pending, &error).await?;
                return Err(error);
            }
        };
        let _unsettled = self.unsettled();
        if let Some(leg) = &pending.idp {
            self.complete_idp(&pending, leg, &code).await?;
            return self.mint_after(&pending, leg).await;
        }
        let grant = self.exchange(&pending, &code).await?;
        let asked = without_offline_access(&pending.scopes);
        let mut replaced = None;
        let stored = self.update(|record| {
            replaced = record.grant.clone();
            record.requested = match pending.widen {
                true => record.requested.union(&asked),
                false => asked.clone(),
            };
            record.set_grant(&grant);
            true
        });
        if let Err(error) = stored.await {
            self.current.keep_unstored(&grant, replaced.as_ref());
            return Err(error);
        }
        self.hold.release();
        let short = short_of(&pending.required, &grant);
        self.event(Event::Authorized {
            issuer: grant.by.issuer,
            scopes: grant.granted,
        });
        Ok(short)
    }

    /// A server that no longer knows a scope would refuse every sign-in that asks for it: next time only what
    /// is required is asked for.
    async fn note_denial(&self, pending: &Pending, error: &Error) -> Result<(), Error> {
        let unknown_scope = matches!(
            error,
            Error::AuthorizationDenied { error, .. } if error == "invalid_scope"
        );
        if unknown_scope && pending.client.dynamic {
            let (issuer, client) = (&pending.by.issuer, &pending.client.client_id);
            self.update(|record| record.note_refused(issuer, client, &pending.scopes))
                .await?;
        }
        if unknown_scope && (!pending.widen || pending.required.is_empty()) {
            self.update(|record| {
                let changes = record.requested != pending.required;
                record.requested = pending.required.clone();
                changes
            })
            .await?;
        }
        Ok(())
    }

    async fn exchange(&self, pending: &Pending, code: &Secret) -> Result<Grant, Error> {
        let presented = TokenGrant::Code {
            code,
            verifier: &pending.verifier,
            redirect_uri: &pending.redirect_uri,
        };
        let by = &pending.by;
        let at = At {
            by,
            client: &pending.client,
            binding: pending.binding.as_ref(),
            bound: false,
        };
        let failure = match self.token(&at, &presented, None).await {
            Ok(tokens) => return Ok(self.granted(tokens, &at, &pending.scopes)),
            Err(failure) => failure,
        };
        if matches!(failure, TokenFailure::InvalidClient { .. }) {
            self.discard_client(&by.issuer, &pending.client).await?;
        }
        Err(failure.into_error(&by.issuer, &by.token_endpoint))
    }

    /// What a sign-in at the identity provider was for.
    async fn mint_after(
        self: &Arc<Self>,
        pending: &Pending,
        leg: &IdpLeg,
    ) -> Result<Option<Error>, Error> {
        let mut challenge = AuthChallenge::unauthenticated();
        challenge.required_scopes = pending.required.clone();
        challenge.resource_metadata = leg.resource_metadata.clone();
        let ask = if pending.widen {
            Ask::Union
        } else {
            Ask::Afresh
        };
        let plan = self.minting_plan(ask, self.current.get(), challenge);
        match &self.mint_for(plan).await?.end {
            RenewalEnd::Renewed | RenewalEnd::Adopted => {}
            RenewalEnd::Failed(_, error) | RenewalEnd::Broken(error) => return Err(error.clone()),
        }
        let now = self.current.get();
        Ok(now.and_then(|now| short_of(&pending.required, now.grant())))
    }
}

/// The error of a grant that lacks what was required.
fn short_of(required: &ScopeSet, grant: &Grant) -> Option<Error> {
    let missing = required.difference(&grant.granted);
    (!missing.is_empty()).then(|| Error::ScopeNotGranted {
        issuer: grant.by.issuer.clone(),
        missing,
    })
}

fn without_offline_access(scopes: &ScopeSet) -> ScopeSet {
    scopes.difference(&ScopeSet::parse(OFFLINE_ACCESS))
}
