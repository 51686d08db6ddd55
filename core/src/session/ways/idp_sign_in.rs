//! Leg 1 of enterprise-managed authorization: the user signs in at the identity provider (OpenID Connect).

use std::sync::Arc;

use crate::enterprise::Idp;
use crate::error::Error;
use crate::host::{AuthorizationRequest, Event};
use crate::issuer::same_issuer;
use crate::oauth::authorization::{self, Parameters};
use crate::oauth::discovery;
use crate::oauth::metadata::ServerMetadata;
use crate::oauth::token::{self, TokenGrant};
use crate::recovery::Scoping;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::session::client::SessionClient;
use crate::session::need::Need;
use crate::session::user::User;
use crate::session::ways::code::{oldest_pending, request};
use crate::store::record::{IdpLeg, Pending};
use crate::token_retry::once;

/// The sign-in of one session's user at the identity provider.
pub(crate) struct IdpSignIn<'a> {
    pub(crate) client: &'a SessionClient,
    pub(crate) idp: &'a Arc<Idp>,
}

impl IdpSignIn<'_> {
    /// Prepares the page, and records the pending authorization.
    pub(crate) async fn prepare(
        &self,
        user: &User,
        need: &Need,
    ) -> Result<AuthorizationRequest, Error> {
        let (idp, settings) = (self.idp, &self.client.settings);
        let server = idp.discover().await?;
        server.check_reach(&idp.http).await?;
        idp.http.check_reach(server.jwks_uri()?).await?;
        let grantor = idp.grantor(&server)?;
        let client = idp.registration(&server);
        let redirect_uri = user.redirect_uri(true).await?;
        let nonce = Secret::new(crate::jose::fresh_id()?);
        let scopes = requested_scopes(&server);
        let prepared = authorization::prepare(
            &server,
            &Parameters {
                client_id: &client.client_id,
                redirect_uri: &redirect_uri,
                scopes: &scopes,
                resource: None,
                challenge: &need.challenge,
                dpop_jkt: None,
                // The organization has consented for its users.
                consent_prompt: false,
                nonce: Some(nonce.expose()),
            },
        )?;
        let url = match server.push_to(settings.push_requests)? {
            Some(endpoint) => {
                let client = idp.client(&client, &grantor);
                prepared.push(&client, endpoint).await?
            }
            None => prepared.url(),
        };
        let pending = Pending {
            iss_expected: server.authorization_response_iss_parameter_supported,
            verifier: prepared.verifier,
            redirect_uri,
            scopes,
            widen: need.ask == Scoping::Union,
            reused: false,
            prompted: false,
            client,
            created_at: self.client.held.now(),
            required: need.challenge.required_scopes.clone(),
            binding: None,
            idp: Some(IdpLeg {
                nonce,
                jwks_uri: server.jwks_uri()?.to_owned(),
                resource_metadata: need.challenge.resource_metadata.clone(),
            }),
            grantor,
        };
        let held = &self.client.held;
        let oldest = oldest_pending(&pending, user.patience());
        held.note_pending(&prepared.state, &pending, None, oldest)
            .await?;
        let server = self.client.server();
        Ok(request(
            server,
            url,
            prepared.state,
            pending,
            &need.challenge,
        ))
    }

    /// Exchanges the callback's code, and stores the session at the identity provider.
    pub(crate) async fn complete(
        &self,
        pending: &Pending,
        leg: &IdpLeg,
        code: &Secret,
    ) -> Result<(), Error> {
        let (idp, grantor) = (self.idp, &pending.grantor);
        // Another identity provider may be configured now.
        if !same_issuer(&grantor.issuer, idp.issuer()) {
            return Err(Error::StateMismatch);
        }
        // Fetch the keys first, because a code can be used once.
        let keys = discovery::keys(&idp.http, &leg.jwks_uri).await?;
        let client = idp.client(&pending.client, grantor);
        let presented = TokenGrant::Code {
            code,
            verifier: &pending.verifier,
            redirect_uri: &pending.redirect_uri,
        };
        let (endpoint, presented) = (&grantor.token_endpoint, &presented);
        let ask = || token::request(&client, endpoint, presented, None);
        let tokens = once(&*self.client.held.runtime, ask).await;
        let tokens = tokens.map_err(|failure| failure.into_error(&grantor.issuer, endpoint))?;
        idp.finish(tokens, grantor, &pending.client, leg, keys)
            .await?;
        self.client.held.tell(Event::Authorized {
            issuer: grantor.issuer.clone(),
            scopes: pending.scopes.clone(),
        });
        Ok(())
    }
}

/// Returns the scopes to request at the identity provider: the user's identity, and renewal without the user (OpenID
/// Connect Core sections 3.1.2.1 and 11) unless the metadata shows that it is not supported.
fn requested_scopes(server: &ServerMetadata) -> ScopeSet {
    const OFFLINE: &str = "offline_access";
    let mut scopes = ScopeSet::parse("openid");
    let listed = &server.scopes_supported;
    if listed.is_empty() || listed.iter().any(|scope| scope == OFFLINE) {
        scopes.insert(OFFLINE);
    }
    scopes
}
