//! The stored state of an authorization, including the identity provider's session behind it.

use mcp_reauth::enterprise::{IdpSessionBuilder, IdpState};
use mcp_reauth::{AuthSession, ConnectionState, IdpSession};
use serde::Serialize;

use crate::args::StoreArgs;
use crate::failure::Failure;

/// The stored state of the authorization at a server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerState {
    #[serde(flatten)]
    pub(crate) connection: ConnectionState,
    /// The session at the identity provider that it was obtained through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idp_session: Option<IdpState>,
}

impl ServerState {
    pub(crate) async fn of(session: &AuthSession, store: &StoreArgs) -> Result<Self, Failure> {
        let mut connection = session.connection_state().await?;
        let mut idp_session = None;
        if let Some(issuer) = &connection.identity_provider {
            let idp = store.idp(issuer)?.state().await?;
            // Commands without --ema open a session that does not know that it can renew through this one.
            connection.renewable |= can_issue_tokens(&idp);
            idp_session = Some(idp);
        }
        Ok(Self {
            connection,
            idp_session,
        })
    }

    /// Whether the server can be used without a new sign-in.
    pub(crate) fn usable_without_sign_in(&self) -> bool {
        self.connection.authorized || self.connection.renewable
    }
}

/// Whether this session can obtain tokens without a new sign-in.
pub(crate) fn can_issue_tokens(idp: &IdpState) -> bool {
    idp.authorized || idp.renewable
}

impl StoreArgs {
    /// Opens the session at an identity provider, without any way to sign in.
    pub(crate) fn idp(&self, issuer: &str) -> Result<IdpSession, Failure> {
        Ok(self.idp_builder(issuer)?.open()?)
    }

    pub(crate) fn idp_builder(&self, issuer: &str) -> Result<IdpSessionBuilder, Failure> {
        Ok(IdpSession::builder(issuer)
            .profile(&self.profile)
            .store(self.open()?))
    }

    /// Reads the stored state of the authorization at a server.
    pub(crate) async fn state(&self, url: &str) -> Result<ServerState, Failure> {
        let session = self.session(url).await?;
        ServerState::of(&session, self).await
    }
}
