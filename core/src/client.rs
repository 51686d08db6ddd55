//! Pre-registered clients.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::grant::AuthMethod;
use crate::jose::SigningKey;
use crate::secret::Secret;

/// A client that is already registered at an authorization server. `Debug` shows no secret.
///
/// A client that authenticates with a secret, a key or a workload's assertion must be bound to its authorization server
/// ([`at_issuer`](Self::at_issuer)), because an MCP server may name any.
#[derive(Clone)]
pub struct Client {
    pub(crate) id: String,
    pub(crate) proof: Proof,
    pub(crate) issuer: Option<String>,
    /// Any issuer that the MCP server names may receive the secret, key or assertion.
    pub(crate) any_issuer: bool,
    secret_method: Option<SecretMethod>,
}

/// How a client sends its secret to an authorization server (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretMethod {
    /// In the `Authorization` header (`client_secret_basic`).
    Basic,
    /// In the request body (`client_secret_post`).
    Post,
}

/// What a client authenticates with.
#[derive(Clone)]
pub(crate) enum Proof {
    None,
    Secret(Secret),
    Key(Arc<dyn SigningKey>),
}

impl Client {
    fn new(id: impl Into<String>, proof: Proof) -> Self {
        Self {
            id: id.into(),
            proof,
            issuer: None,
            any_issuer: false,
            secret_method: None,
        }
    }

    /// Creates a client without a secret or key, such as a program on the user's machine (RFC 6749 section 2.1).
    #[must_use]
    pub fn public(id: impl Into<String>) -> Self {
        Self::new(id, Proof::None)
    }

    /// Creates a client with a secret (`client_secret_basic` or `client_secret_post`, whichever the server supports).
    #[must_use]
    pub fn secret(id: impl Into<String>, secret: Secret) -> Self {
        Self::new(id, Proof::Secret(secret))
    }

    /// Creates a client with a private key (`private_key_jwt`, RFC 7523 section 2.2).
    #[must_use]
    pub fn key(id: impl Into<String>, key: impl SigningKey) -> Self {
        Self::new(id, Proof::Key(Arc::new(key)))
    }

    /// Binds the client to the authorization server that it is registered at. Its secret, key and assertions are sent
    /// to no other, even if the MCP server names another. An unbound client sends none of them, and the error
    /// ([`Error::ClientIssuerUnknown`](crate::Error::ClientIssuerUnknown)) names the discovered issuer.
    #[must_use]
    pub fn at_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self.any_issuer = false;
        self
    }

    /// Sends the client's secret, key and assertions to any authorization server that the MCP server names. Use it only
    /// for MCP servers that are trusted with them.
    #[must_use]
    pub fn at_any_issuer(mut self) -> Self {
        self.issuer = None;
        self.any_issuer = true;
        self
    }

    /// Sets how the client sends its secret, for a server whose metadata omits the method or names a wrong one. The
    /// default is a method from the metadata, or Basic, which every server has to support, if the metadata has none.
    #[must_use]
    pub fn secret_method(mut self, method: SecretMethod) -> Self {
        self.secret_method = Some(method);
        self
    }

    /// Returns the method that was set for the client's secret, if any.
    pub(crate) fn configured_method(&self) -> Option<AuthMethod> {
        self.own_secret()?;
        Some(match self.secret_method? {
            SecretMethod::Basic => AuthMethod::ClientSecretBasic,
            SecretMethod::Post => AuthMethod::ClientSecretPost,
        })
    }

    /// Whether the client authenticates with a secret or a key.
    pub(crate) fn authenticates(&self) -> bool {
        !matches!(self.proof, Proof::None)
    }

    pub(crate) fn own_secret(&self) -> Option<&Secret> {
        match &self.proof {
            Proof::Secret(secret) => Some(secret),
            Proof::None | Proof::Key(_) => None,
        }
    }

    pub(crate) fn own_key(&self) -> Option<&dyn SigningKey> {
        match &self.proof {
            Proof::Key(key) => Some(&**key),
            Proof::None | Proof::Secret(_) => None,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field(
                "proof",
                match self.proof {
                    Proof::None => &"none",
                    Proof::Secret(_) => &"secret",
                    Proof::Key(_) => &"key",
                },
            )
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}
