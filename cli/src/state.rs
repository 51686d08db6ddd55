//! What is known of an authorization, with whose sign-in it rests on.

use mcp_reauth::enterprise::{IdpSessionBuilder, IdpState};
use mcp_reauth::{AuthSession, ConnectionState, IdpSession};
use serde::Serialize;

use crate::args::StoreArgs;
use crate::failure::Failure;

/// What is known of the authorization at a server.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerState {
    #[serde(flatten)]
    pub(crate) connection: ConnectionState,
    /// The session at the identity provider it was had through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) idp_session: Option<IdpState>,
}

impl ServerState {
    pub(crate) async fn of(session: &AuthSession, store: &StoreArgs) -> Result<Self, Failure> {
        let mut connection = session.connection_state().await?;
        let mut idp_session = None;
        if let Some(issuer) = &connection.identity_provider {
            let idp = store.idp(issuer)?.state().await?;
            // A command that only looks has not said that it is enterprise-managed.
            connection.renewable |= is_of_use(&idp);
            idp_session = Some(idp);
        }
        Ok(Self {
            connection,
            idp_session,
        })
    }

    /// Whether one would be let in without signing in.
    pub(crate) fn lets_in(&self) -> bool {
        self.connection.authorized || self.connection.renewable
    }
}

/// Whether something can be obtained through it without signing in.
pub(crate) fn is_of_use(idp: &IdpState) -> bool {
    idp.authorized || idp.renewable
}

impl StoreArgs {
    /// The session at an identity provider, to look at.
    pub(crate) fn idp(&self, issuer: &str) -> Result<IdpSession, Failure> {
        Ok(self.idp_builder(issuer)?.open()?)
    }

    pub(crate) fn idp_builder(&self, issuer: &str) -> Result<IdpSessionBuilder, Failure> {
        Ok(IdpSession::builder(issuer)
            .profile(&self.profile)
            .store(self.open()?))
    }

    /// What is known of the authorization at a server.
    pub(crate) async fn state(&self, url: &str) -> Result<ServerState, Failure> {
        let session = self.session(url).await?;
        ServerState::of(&session, self).await
    }
}
