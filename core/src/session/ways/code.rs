//! The authorization code flow (RFC 6749 section 4.1, RFC 7636): prepares the page that the user is sent to, and
//! exchanges the callback's code for a grant.

use std::time::Duration;

use crate::challenge::AuthChallenge;
use crate::error::Error;
use crate::grant::{Grant, Registration};
use crate::host::{AuthorizationRequest, Event};
use crate::issuer::same_issuer;
use crate::limits::PENDING_KEPT;
use crate::oauth::authorization::{self, Parameters, Prepared};
use crate::oauth::discovery::Discovered;
use crate::oauth::metadata::ServerMetadata;
use crate::oauth::registration::{Purpose, register};
use crate::oauth::token::{TokenFailure, TokenGrant};
use crate::recovery::Scoping;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::session::client::{Requester, SessionClient};
use crate::session::need::Need;
use crate::session::user::User;
use crate::session::ways::sign_in_plan::{
    SignInPlan, asks_for_refresh_token, prompts_for_consent, without_offline_access,
};
use crate::store::record::{Pending, Record};

/// A registration names all scopes that the authorization server lists, unless it lists more than this.
const MAX_LISTED: usize = 32;

/// The code flow of one session.
pub(crate) struct CodeFlow<'a> {
    pub(crate) client: &'a SessionClient,
}

impl CodeFlow<'_> {
    /// Prepares the page: registers the client if necessary, and records the pending authorization.
    pub(crate) async fn prepare(
        &self,
        user: &User,
        need: &Need,
        plan: SignInPlan,
    ) -> Result<AuthorizationRequest, Error> {
        let prepared = self.prepare_at(user, need, plan).await;
        if prepared.is_err() {
            // The server's endpoints may have moved.
            self.client.held.forget_known().await;
        }
        prepared
    }

    async fn prepare_at(
        &self,
        user: &User,
        need: &Need,
        plan: SignInPlan,
    ) -> Result<AuthorizationRequest, Error> {
        let SignInPlan {
            found,
            known,
            scopes,
        } = plan;
        let (server, client, held) = (&found.server, self.client, &self.client.held);
        server.require_code_flow()?;
        server.check_reach(&client.http).await?;
        let grantor = found.grantor(client.settings.send_resource)?;
        let registered = client.identity.is_known_at(server);
        let redirect_uri = user.redirect_uri(registered).await?;
        let record = held.reload().await?.record;
        let recorded = reusable(&record, &grantor.issuer, need);
        let purpose = Purpose {
            redirect_uri: Some(&redirect_uri),
            scopes: &scopes,
            supported: &registrable(&found),
        };
        let identity = &client.identity;
        let registration = register(&client.http, server, identity, purpose, recorded).await?;
        let (challenge, grant) = (&need.challenge, record.grant.as_ref());
        let possession = &client.possession;
        let binding = possession.binding_for(challenge, grant, Some(&found))?;
        let prompted = client.settings.consent_prompt
            && prompts_for_consent(&record, &grantor.issuer, &scopes);
        let prepared = authorization::prepare(
            server,
            &Parameters {
                client_id: &registration.client_id,
                redirect_uri: &redirect_uri,
                scopes: &scopes,
                resource: grantor.resource.as_deref(),
                challenge,
                dpop_jkt: binding.as_ref().map(|binding| binding.thumbprint.as_str()),
                consent_prompt: prompted,
                nonce: None,
            },
        )?;
        let issuer = &grantor.issuer;
        let url = self.page(server, &prepared, issuer, &registration).await?;
        let pending = Pending {
            grantor,
            iss_expected: server.authorization_response_iss_parameter_supported,
            verifier: prepared.verifier,
            redirect_uri,
            scopes,
            widen: need.ask == Scoping::Union,
            reused: registration.dynamic && recorded == Some(&registration),
            prompted,
            client: registration,
            created_at: held.now(),
            required: challenge.required_scopes.clone(),
            binding,
            idp: None,
        };
        let oldest = oldest_pending(&pending, user.patience());
        held.note_pending(&prepared.state, &pending, Some(&known), oldest)
            .await?;
        Ok(request(
            client.server(),
            url,
            prepared.state,
            pending,
            challenge,
        ))
    }

    /// Returns the URL to send the user to: with all parameters, or with a reference to the pushed request (RFC 9126).
    async fn page(
        &self,
        server: &ServerMetadata,
        prepared: &Prepared,
        issuer: &str,
        registration: &Registration,
    ) -> Result<String, Error> {
        let client = self.client;
        let Some(endpoint) = server.push_to(client.settings.push_requests)? else {
            return Ok(prepared.url());
        };
        let pushed = prepared
            .push(&client.at(issuer, registration, None), endpoint)
            .await;
        if matches!(pushed, Err(Error::RegistrationRejected { .. })) {
            client.held.discard_client(issuer, registration).await?;
        }
        pushed
    }

    /// Exchanges a code for tokens and stores the grant. If required scopes were not granted, stores it and returns
    /// that error.
    pub(crate) async fn redeem(
        &self,
        pending: &Pending,
        code: &Secret,
    ) -> Result<Option<Error>, Error> {
        let held = &self.client.held;
        let grant = self.exchange(pending, code).await?;
        let requested = without_offline_access(&pending.scopes);
        let wanted_refresh = asks_for_refresh_token(&pending.scopes);
        let mut replaced = None;
        let stored = held.update(|record| {
            replaced = record.grant.clone();
            record.requested = match pending.widen {
                true => record.requested.union(&requested),
                false => requested.clone(),
            };
            record.set_grant(&grant);
            if wanted_refresh {
                let refreshable = grant.refresh_token.is_some();
                let quirks = record
                    .quirks
                    .entry(grant.grantor.issuer.clone())
                    .or_default();
                quirks.note_consent_prompt(pending.prompted, refreshable);
            }
            true
        });
        if let Err(error) = stored.await {
            held.keep_unstored(&grant, replaced.as_ref());
            return Err(error);
        }
        let short = short_of(&pending.required, &grant);
        held.tell(Event::Authorized {
            issuer: grant.grantor.issuer,
            scopes: grant.granted,
        });
        Ok(short)
    }

    async fn exchange(&self, pending: &Pending, code: &Secret) -> Result<Grant, Error> {
        let presented = TokenGrant::Code {
            code,
            verifier: &pending.verifier,
            redirect_uri: &pending.redirect_uri,
        };
        let requester = Requester {
            grantor: &pending.grantor,
            client: &pending.client,
            binding: pending.binding.as_ref(),
            is_bound: false,
        };
        let client = self.client;
        // The recorded metadata may be out of date.
        let (grantor, answer) = client.token_by_record(requester, &presented, None).await;
        let failure = match answer {
            Ok(tokens) => {
                let requester = Requester {
                    grantor: &grantor,
                    ..requester
                };
                return Ok(client.granted(tokens, &requester, &pending.scopes));
            }
            Err(failure) => failure,
        };
        if matches!(failure, TokenFailure::InvalidClient { .. }) {
            let held = &client.held;
            held.discard_client(&grantor.issuer, &pending.client)
                .await?;
        }
        client.held.forget_known().await;
        Err(failure.into_error(&grantor.issuer, &grantor.token_endpoint))
    }

    /// Records what an error in the callback means for the next sign-in. After `invalid_scope`, which would repeat with
    /// the same scopes, only the required scopes are requested. If the server does not know the client, it is
    /// registered again.
    pub(crate) async fn note_denial(&self, pending: &Pending, error: &Error) -> Result<(), Error> {
        let held = &self.client.held;
        let code = match error {
            Error::AuthorizationDenied { error, .. } => error.as_str(),
            _ => "",
        };
        if matches!(code, "invalid_client" | "unauthorized_client") {
            held.discard_client(&pending.grantor.issuer, &pending.client)
                .await?;
        }
        if code != "access_denied" {
            // The recorded metadata may be out of date.
            held.update(|record| record.known.take().is_some()).await?;
        }
        if code != "invalid_scope" {
            return Ok(());
        }
        if pending.client.dynamic {
            let (issuer, client) = (&pending.grantor.issuer, &pending.client.client_id);
            held.update(|record| record.note_refused(issuer, client, &pending.scopes))
                .await?;
        }
        if !pending.widen || pending.required.is_empty() {
            held.update(|record| {
                let changes = record.requested != pending.required;
                record.requested = pending.required.clone();
                changes
            })
            .await?;
        }
        Ok(())
    }
}

/// Returns the request for the host.
pub(super) fn request(
    server: &str,
    url: String,
    state: String,
    pending: Pending,
    challenge: &AuthChallenge,
) -> AuthorizationRequest {
    let mut challenge = challenge.clone();
    challenge.authorization_scopes = pending.scopes.clone();
    challenge.resource = pending.grantor.resource;
    challenge.audience = Some(pending.grantor.issuer.clone());
    AuthorizationRequest {
        url,
        state,
        redirect_uri: pending.redirect_uri,
        server: server.to_owned(),
        issuer: pending.grantor.issuer,
        at_identity_provider: pending.idp.is_some(),
        scopes: pending.scopes,
        challenge,
    }
}

/// Returns the time (in seconds since 1970) before which older pending authorizations are removed.
pub(super) fn oldest_pending(pending: &Pending, patience: Duration) -> u64 {
    let kept = PENDING_KEPT.max(patience);
    pending.created_at.saturating_sub(kept.as_secs())
}

/// Returns the error of a grant that lacks required scopes.
pub(crate) fn short_of(required: &ScopeSet, grant: &Grant) -> Option<Error> {
    let missing = required.difference(&grant.granted);
    (!missing.is_empty()).then(|| Error::ScopeNotGranted {
        issuer: grant.grantor.issuer.clone(),
        missing,
    })
}

/// Returns the scopes that a registration names in addition to the requested ones: those that the resource and its
/// authorization server list. A later step-up requests some of them, and many servers grant only registered scopes.
fn registrable(found: &Discovered) -> ScopeSet {
    let listed = &found.server.scopes_supported;
    // A server with a long list serves many resources, and most of the list is not about this one.
    let listed = listed.iter().filter(|_| listed.len() <= MAX_LISTED);
    let listed = listed.map(String::as_str).collect();
    found.scopes_supported.union(&listed)
}

/// Returns the recorded registration at `issuer`, unless it is to be replaced: on the application's request, or because
/// a page that was opened with it had no callback.
fn reusable<'a>(record: &'a Record, issuer: &str, need: &Need) -> Option<&'a Registration> {
    let known = record.client_at(issuer)?;
    let mut pending = record.pending.values();
    let lost = pending.any(|pending| {
        pending.reused && same_issuer(&pending.grantor.issuer, issuer) && pending.client == *known
    });
    (!lost && !need.register_again).then_some(known)
}
