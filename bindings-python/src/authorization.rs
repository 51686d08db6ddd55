//! The credential as a Python object.

use mcp_reauth::Authorization as Credential;
use pyo3::prelude::*;

/// A credential.
#[pyclass(frozen, module = "mcp_reauth")]
pub(crate) struct Authorization(pub(crate) Credential);

#[pymethods]
impl Authorization {
    /// The value of the `Authorization` header.
    #[getter]
    fn header_value(&self) -> &str {
        self.0.header_value()
    }

    /// The granted scopes.
    #[getter]
    fn scopes(&self) -> Vec<String> {
        self.0.scopes().clone().into()
    }

    /// Whether each request also needs a DPoP proof.
    #[getter]
    fn needs_proof(&self) -> bool {
        self.0.needs_proof()
    }

    /// Whether both come from the same grant.
    fn __eq__(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Never shows the secret.
    fn __repr__(&self) -> String {
        format!("<Authorization scopes={:?}>", self.0.scopes().to_string())
    }
}

/// The credential inside, if there is one.
pub(crate) fn credential(known: Option<&Authorization>) -> Option<Credential> {
    known.map(|known| known.0.clone())
}
