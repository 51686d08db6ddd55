//! The credential as a JavaScript object.

use mcp_reauth::Authorization as Credential;
use napi_derive::napi;

/// A credential.
#[napi]
pub struct Authorization(pub(crate) Credential);

#[napi]
impl Authorization {
    /// The value of the `Authorization` header.
    #[napi(getter)]
    pub fn header_value(&self) -> &str {
        self.0.header_value()
    }

    /// The granted scopes.
    #[napi(getter)]
    pub fn scopes(&self) -> Vec<String> {
        self.0.scopes().clone().into()
    }

    /// Whether each request also needs a DPoP proof.
    #[napi(getter)]
    pub fn needs_proof(&self) -> bool {
        self.0.needs_proof()
    }

    /// Whether both come from the same grant.
    #[napi]
    pub fn equals(&self, other: &Authorization) -> bool {
        self.0 == other.0
    }
}

/// The credential inside, if there is one.
pub(crate) fn credential(known: Option<&Authorization>) -> Option<Credential> {
    known.map(|known| known.0.clone())
}
