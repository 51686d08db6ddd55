//! Clients that are registered already.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::grant::AuthMethod;
use crate::jose::SigningKey;
use crate::secret::Secret;

/// A client that is registered at an authorization server already. `Debug` shows no secret.
///
/// One that proves itself by a secret, a key or a workload's assertion has to be bound to the authorization server that
/// it is registered at ([`at_issuer`](Self::at_issuer)), since an MCP server may name any.
#[derive(Clone)]
pub struct Client {
    pub(crate) id: String,
    pub(crate) proof: Proof,
    pub(crate) issuer: Option<String>,
    /// Any MCP server is trusted to name the issuer that sees what it proves itself by.
    pub(crate) any_issuer: bool,
    secret_method: Option<SecretMethod>,
}

/// How a client shows its secret to an authorization server (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretMethod {
    /// In the `Authorization` header (`client_secret_basic`).
    Basic,
    /// In the form (`client_secret_post`).
    Post,
}

/// What a client proves itself by.
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

    /// A client that proves itself by nothing, as a program on a person's machine (RFC 6749 section 2.1).
    #[must_use]
    pub fn public(id: impl Into<String>) -> Self {
        Self::new(id, Proof::None)
    }

    /// A client with a secret (`client_secret_basic` or `client_secret_post`, whichever the server takes).
    #[must_use]
    pub fn secret(id: impl Into<String>, secret: Secret) -> Self {
        Self::new(id, Proof::Secret(secret))
    }

    /// A client with a private key (`private_key_jwt`, RFC 7523 section 2.2).
    #[must_use]
    pub fn key(id: impl Into<String>, key: impl SigningKey) -> Self {
        Self::new(id, Proof::Key(Arc::new(key)))
    }

    /// Binds the client to the authorization server it is registered at. Its secret, key and assertions go nowhere
    /// else, also when the MCP server names another. Without it, nothing is sent, and the error
    /// ([`Error::ClientIssuerUnknown`](crate::Error::ClientIssuerUnknown)) names the issuer that was found.
    #[must_use]
    pub fn at_issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self.any_issuer = false;
        self
    }

    /// Shows the client's secret, key and assertions to whichever authorization server the MCP server names. Only for
    /// MCP servers that are trusted with them.
    #[must_use]
    pub fn at_any_issuer(mut self) -> Self {
        self.issuer = None;
        self.any_issuer = true;
        self
    }

    /// How the client shows its secret, for a server whose metadata does not tell, or tells wrong. By default it is as the
    /// metadata offers, and where that does not say, Basic, which every server has to support.
    #[must_use]
    pub fn shows_secret_by(mut self, method: SecretMethod) -> Self {
        self.secret_method = Some(method);
        self
    }

    /// How it shows its secret, if that was said.
    pub(crate) fn said_method(&self) -> Option<AuthMethod> {
        self.own_secret()?;
        Some(match self.secret_method? {
            SecretMethod::Basic => AuthMethod::ClientSecretBasic,
            SecretMethod::Post => AuthMethod::ClientSecretPost,
        })
    }

    /// Whether it has anything to prove itself by.
    pub(crate) fn proves(&self) -> bool {
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
