//! Enterprise-managed authorization: an organization's identity provider decides which user may use which server.
//!
//! The user signs in at the identity provider once (leg 1, OpenID Connect). For each server, the identity provider
//! exchanges the ID token for an identity assertion (leg 2, RFC 8693), and the server's authorization server exchanges
//! that for an access token (leg 3, RFC 7523). Legs 2 and 3 are silent; the user never visits the server's
//! authorization endpoint.
//!
//! Give a session [`Credentials::Enterprise`](crate::Credentials::Enterprise) with an [`IdentityProvider`], and declare
//! [`CAPABILITY`] among the client's MCP capabilities. Sessions of one profile in one store share the [`IdpSession`].

mod idp;
pub(crate) mod legs;
mod moved;
pub(crate) mod record;
mod session;

use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::jose::SigningKey;
use crate::secret::Secret;

pub(crate) use idp::{Idp, IdpEnd, View};
pub(crate) use session::Minted;
pub use session::{IdpSession, IdpSessionBuilder, IdpState, SignIn};

/// The extension that an enterprise-managed client declares in its MCP capabilities.
pub const CAPABILITY: &str = "io.modelcontextprotocol/enterprise-managed-authorization";

/// An organization's identity provider, and this program's client there.
#[derive(Clone)]
pub struct IdentityProvider {
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: Option<Secret>,
    pub(crate) client_key: Option<Arc<dyn SigningKey>>,
    pub(crate) enabled: bool,
}

impl IdentityProvider {
    /// Creates an identity provider from its issuer, which is kept exactly as given, and the client ID registered
    /// there.
    pub fn new(issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            client_id: client_id.into(),
            client_secret: None,
            client_key: None,
            enabled: true,
        }
    }

    /// Sets the client's secret.
    #[must_use]
    pub fn client_secret(mut self, secret: Secret) -> Self {
        self.client_secret = Some(secret);
        self
    }

    /// Sets the key that the client authenticates with (`private_key_jwt`).
    #[must_use]
    pub fn client_key(mut self, key: impl SigningKey) -> Self {
        self.client_key = Some(Arc::new(key));
        self
    }

    /// Sets whether it may be used (default yes). A disabled identity provider causes another error than a missing one.
    #[must_use]
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.enabled = enabled;
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        if !self.enabled {
            return Err(Error::EnterpriseDisabled {
                issuer: self.issuer.clone(),
            });
        }
        if !crate::http::is_secure(&self.issuer) {
            return Err(Error::insecure(&self.issuer));
        }
        if self.client_id.is_empty() {
            return Err(Error::config(
                "the identity provider is given without a client id",
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for IdentityProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityProvider")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}
