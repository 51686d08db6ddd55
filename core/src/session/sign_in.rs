//! A sign-in: from discovery to the page a person is sent to, and from the callback to the grant.

use std::sync::Arc;

use crate::callback::CallbackParams;
use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::grant::{Grant, Registration};
use crate::host::{AuthHost, AuthorizationRequest, Event};
use crate::http::HttpError;
use crate::issuer::same_issuer;
use crate::limits::{CALL_TIMEOUT, PENDING_KEPT};
use crate::oauth::authorization::{self, Parameters};
use crate::oauth::discovery::Discovered;
use crate::oauth::known::Known;
use crate::oauth::metadata::ServerMetadata;
use crate::oauth::registration::{Purpose, register};
use crate::oauth::token::{TokenFailure, TokenGrant};
use crate::recovery::Ask;
use crate::runtime::detached;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::session::Inner;
use crate::session::interaction::Need;
use crate::session::renewal::RenewalEnd;
use crate::session::scheme::{Scheme, asks_for_refresh_token, without_offline_access};
use crate::session::tokens::At;
use crate::store::record::{self, IdpLeg, Pending, Record, Versioned};

/// How many scopes an authorization server may list for a registration to name them all.
const MAX_LISTED: usize = 32;

impl Inner {
    /// Registers where need be, and notes the authorization that is about to start.
    pub(super) async fn prepare(
        &self,
        host: &dyn AuthHost,
        need: &Need,
        scheme: Scheme,
    ) -> Result<AuthorizationRequest, Error> {
        let prepared = self.prepare_at(host, need, scheme).await;
        if prepared.is_err() {
            // Its endpoints may have moved.
            self.forget_known().await;
        }
        prepared
    }

    /// Forgets what discovery found, so that the next sign-in reads it anew. Without its store that is no worse.
    pub(super) async fn forget_known(&self) {
        let forgotten = self.update(|record| record.known.take().is_some());
        if let Err(error) = forgotten.await {
            tracing::debug!(server = %self.server, %error, "what is known of the server could not be cleared");
        }
    }

    async fn prepare_at(
        &self,
        host: &dyn AuthHost,
        need: &Need,
        scheme: Scheme,
    ) -> Result<AuthorizationRequest, Error> {
        let Scheme {
            found,
            known,
            scopes,
        } = scheme;
        let server = &found.server;
        server.require_code_flow()?;
        server.check_reach(&self.http).await?;
        let by = found.grantor(self.settings.send_resource)?;
        let registered = self.identity.is_known_at(server);
        let redirect_uri = self.redirect_uri(host, registered).await?;
        let record = self.reload().await?.record;
        let recorded = reusable(&record, &by.issuer, need);
        let purpose = Purpose {
            redirect_uri: Some(&redirect_uri),
            scopes: &scopes,
            supported: &registrable(&found),
        };
        let client = register(&self.http, server, &self.identity, purpose, recorded).await?;
        let held = record.grant.as_ref();
        let binding = self.binding_for(&need.challenge, held, Some(&found))?;
        let prompted = self.prompts_for_consent(&record, &by.issuer, &scopes);
        let prepared = authorization::prepare(
            server,
            &Parameters {
                client_id: &client.client_id,
                redirect_uri: &redirect_uri,
                scopes: &scopes,
                resource: by.resource.as_deref(),
                challenge: &need.challenge,
                dpop_jkt: binding.as_ref().map(|binding| binding.thumbprint.as_str()),
                consent_prompt: prompted,
                nonce: None,
            },
        )?;
        let url = self.page(server, &prepared, &by.issuer, &client).await?;
        let pending = Pending {
            by,
            iss_expected: server.authorization_response_iss_parameter_supported,
            verifier: prepared.verifier,
            redirect_uri,
            scopes,
            widen: need.ask == Ask::Union,
            reused: client.dynamic && recorded == Some(&client),
            prompted,
            client,
            created_at: self.now(),
            required: need.challenge.required_scopes.clone(),
            binding,
            idp: None,
        };
        self.note_pending(&prepared.state, &pending, Some(&known))
            .await?;
        Ok(self.request(url, prepared.state, pending, &need.challenge))
    }

    /// The address that the user is sent to: of the request itself, or of the one that was pushed.
    async fn page(
        &self,
        server: &ServerMetadata,
        prepared: &authorization::Prepared,
        issuer: &str,
        client: &Registration,
    ) -> Result<String, Error> {
        let Some(endpoint) = server.push_to(self.settings.push_requests)? else {
            return Ok(prepared.url());
        };
        let pushed = prepared
            .push(&self.client_at(issuer, client, None), endpoint)
            .await;
        if matches!(pushed, Err(Error::RegistrationRejected { .. })) {
            self.discard_client(issuer, client).await?;
        }
        pushed
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
    pub(super) async fn note_pending(
        &self,
        state: &str,
        pending: &Pending,
        known: Option<&Known>,
    ) -> Result<(), Error> {
        let kept = PENDING_KEPT.max(self.settings.policy.interaction_timeout);
        let oldest = pending.created_at.saturating_sub(kept.as_secs());
        self.update(|record| {
            // A client brought along is bound to a server by what that server grants, not before.
            if pending.client.dynamic {
                record.set_client(&pending.by.issuer, &pending.client);
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

    /// Forgets an authorization that did not come back. A registration of our own that was used before may be the
    /// reason: a server that forgot it shows an error page. Such a registration is replaced the next time, and what
    /// was known of the server is read anew.
    pub(super) async fn abandon(&self, state: &str) -> Result<(), Error> {
        self.update(|record| {
            let Some(pending) = record.pending.remove(state) else {
                return false;
            };
            let issuer = &pending.by.issuer;
            if pending.reused && record.client_at(issuer) == Some(&pending.client) {
                record.clients.retain(|at, _| !same_issuer(at, issuer));
            }
            record.known = None;
            true
        })
        .await?;
        Ok(())
    }

    /// Finishes the authorization that a callback belongs to, if it is not older than a person may take. What was
    /// required and not granted is told; the credential is kept all the same.
    pub(super) async fn complete(
        self: &Arc<Self>,
        callback: &CallbackParams,
    ) -> Result<Option<Error>, Error> {
        let patience = self.settings.policy.interaction_timeout.as_secs();
        let oldest = self.now().saturating_sub(patience);
        let pending = self.take_pending(callback).await?;
        let pending = pending.filter(|pending| pending.created_at >= oldest);
        self.finish(pending.ok_or(Error::StateMismatch)?, callback)
            .await
    }

    /// As [`complete`](Self::complete), for a page that a call waits for, whatever its age by the clock: that call counts
    /// the time in which the program runs, and gives up by itself.
    pub(super) async fn complete_awaited(
        self: &Arc<Self>,
        callback: &CallbackParams,
    ) -> Result<Option<Error>, Error> {
        let pending = self.take_pending(callback).await?;
        self.finish(pending.ok_or(Error::StateMismatch)?, callback)
            .await
    }

    /// The pending authorization with the callback's `state`, out of the record: a callback is used once.
    async fn take_pending(&self, callback: &CallbackParams) -> Result<Option<Pending>, Error> {
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

    /// Exchanges the code of a callback that belongs to `pending`.
    async fn finish(
        self: &Arc<Self>,
        pending: Pending,
        callback: &CallbackParams,
    ) -> Result<Option<Error>, Error> {
        let code = match authorization::code(callback, &pending.by.issuer, pending.iss_expected) {
            Ok(code) => code,
            Err(error) => {
                self.note_denial(&pending, &error).await?;
                return Err(error);
            }
        };
        // A code is good for one request: what it brings is kept, however late it comes.
        let endpoint = pending.by.token_endpoint.clone();
        let redeeming = Arc::clone(self).redeem(pending, code);
        let late = |end: Result<Option<Error>, Error>| {
            if let Err(error) = end {
                tracing::warn!(%error, "an answer to a sign-in came late");
            }
        };
        let redeemed = detached(&*self.runtime, CALL_TIMEOUT, redeeming, late).await;
        redeemed.unwrap_or_else(|| {
            let none = HttpError::Timeout(CALL_TIMEOUT);
            let detail = format!("{none}. If one still comes, it counts; otherwise sign in again");
            Err(Error::http(&endpoint, detail))
        })
    }

    /// Exchanges a code for tokens, and keeps them.
    async fn redeem(
        self: Arc<Self>,
        pending: Pending,
        code: Secret,
    ) -> Result<Option<Error>, Error> {
        let _unsettled = self.unsettled();
        if let Some(leg) = &pending.idp {
            self.complete_idp(&pending, leg, &code).await?;
            return self.mint_after(&pending, leg).await;
        }
        let grant = self.exchange(&pending, &code).await?;
        let asked = without_offline_access(&pending.scopes);
        let wanted_refresh = asks_for_refresh_token(&pending.scopes);
        let mut replaced = None;
        let stored = self.update(|record| {
            replaced = record.grant.clone();
            record.requested = match pending.widen {
                true => record.requested.union(&asked),
                false => asked.clone(),
            };
            record.set_grant(&grant);
            if wanted_refresh {
                let refreshable = grant.refresh_token.is_some();
                let habits = record.habits.entry(grant.by.issuer.clone()).or_default();
                habits.note_consent_prompt(pending.prompted, refreshable);
            }
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
    /// is required is asked for. One that no longer knows the client has it registered again.
    async fn note_denial(&self, pending: &Pending, error: &Error) -> Result<(), Error> {
        let forgotten = matches!(
            error,
            Error::AuthorizationDenied { error, .. }
                if matches!(error.as_str(), "invalid_client" | "unauthorized_client")
        );
        if forgotten {
            self.discard_client(&pending.by.issuer, &pending.client)
                .await?;
        }
        let declined = matches!(
            error,
            Error::AuthorizationDenied { error, .. } if error == "access_denied"
        );
        if !declined {
            // What is known of the server may be out of date.
            self.update(|record| record.known.take().is_some()).await?;
        }
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
        let at = At {
            by: &pending.by,
            client: &pending.client,
            binding: pending.binding.as_ref(),
            bound: false,
        };
        // The metadata may be on record since yesterday.
        let (by, answer) = self.token_by_record(at, &presented, None).await;
        let failure = match answer {
            Ok(tokens) => return Ok(self.granted(tokens, &At { by: &by, ..at }, &pending.scopes)),
            Err(failure) => failure,
        };
        if matches!(failure, TokenFailure::InvalidClient { .. }) {
            self.discard_client(&by.issuer, &pending.client).await?;
        }
        self.forget_known().await;
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

/// The scopes that a registration names besides those that are asked for now: what the resource and its authorization
/// server list. A later step-up asks for one of them, and many servers grant only what was registered.
fn registrable(found: &Discovered) -> ScopeSet {
    let listed = &found.server.scopes_supported;
    // A server with a long list serves many resources: most of it is not about this one.
    let listed = listed.iter().filter(|_| listed.len() <= MAX_LISTED);
    let listed = listed.map(String::as_str).collect();
    found.scopes_supported.union(&listed)
}

/// The registration on record for `issuer`, unless it is to be replaced: because the application says so, or because a
/// page that was opened with it never came back.
fn reusable<'a>(record: &'a Record, issuer: &str, need: &Need) -> Option<&'a Registration> {
    let known = record.client_at(issuer)?;
    let mut pending = record.pending.values();
    let lost = pending.any(|pending| {
        pending.reused && same_issuer(&pending.by.issuer, issuer) && pending.client == *known
    });
    (!lost && !need.register_again).then_some(known)
}
