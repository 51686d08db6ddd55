//! Sessions that an organization manages.

use mcp_reauth::enterprise::IdpSession;
use mcp_reauth::{AuthSession, AuthSessionBuilder, Credentials, IdentityProvider, Secret};

use crate::support::bench::Bench;
use crate::support::servers::CANARY;
use crate::support::world::{IDP, SERVER};

/// The program's client id at the identity provider.
pub(crate) const CLIENT: &str = "desk";

impl Bench {
    /// Returns the identity provider, which knows the client.
    pub(crate) fn provider(&self) -> IdentityProvider {
        let secret = format!("{CANARY}-desk");
        self.world
            .servers(|s| s.add_client(IDP, CLIENT, &secret, "client_secret_basic"));
        IdentityProvider::new(IDP, CLIENT).client_secret(Secret::new(secret))
    }

    /// Returns the builder of an enterprise-managed session, without a host.
    pub(crate) fn managed_builder(&self, server: &str) -> AuthSessionBuilder {
        let builder = self.builder_for(server);
        builder.credentials(Credentials::enterprise(self.provider()))
    }

    /// Opens an enterprise-managed session with a user in front of it.
    pub(crate) async fn managed(&self, server: &str) -> AuthSession {
        let builder = self.managed_builder(server).host(self.host.clone());
        builder.open().await.expect("the session opens")
    }

    /// Opens an enterprise-managed session whose user has signed in; the log is empty.
    pub(crate) async fn employed(&self) -> AuthSession {
        let session = self.managed(SERVER).await;
        assert_eq!(self.send(&session, "").await, Ok(200));
        self.world.take();
        session
    }

    /// Returns the session at the identity provider.
    pub(crate) fn idp_session(&self) -> IdpSession {
        let builder = IdpSession::builder(IDP)
            .http_client(self.world.clone())
            .runtime(self.runtime.clone())
            .store(self.store.clone());
        builder.open().expect("it opens")
    }

    /// Asserts that no identity assertion and no refresh token of the identity provider was ever used twice.
    pub(crate) fn assert_nothing_reused(&self) {
        self.assert_no_reuse();
        let again = self.world.servers(|s| s.idp.reused + s.assertions.reused);
        assert_eq!(again, 0, "something was used twice");
    }

    /// Asserts that no proof was ever refused, except for a nonce.
    pub(crate) fn assert_proven(&self) {
        let faults = self.world.servers(|s| s.proofs.faults.clone());
        assert!(faults.is_empty(), "{faults:?}");
    }
}
