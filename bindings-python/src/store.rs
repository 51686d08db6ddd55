//! Token stores.

use mcp_reauth_bindings as bindings;
use pyo3::prelude::*;

use crate::bridge::Bridge;
use crate::operation::Operation;

/// A store that sessions share.
#[pyclass(frozen, module = "mcp_reauth._native")]
pub(crate) struct Store(pub(crate) bindings::Store);

#[pymethods]
impl Store {
    /// Creates a store that keeps records in memory.
    #[staticmethod]
    fn memory() -> Self {
        Self(bindings::Store::memory())
    }

    /// Creates a store that keeps records in the file at `path`.
    #[staticmethod]
    fn file(path: String) -> Self {
        Self(bindings::Store::file(path))
    }

    /// Creates a store that the application implements under the number `id`; `leases` if it has none.
    #[staticmethod]
    #[pyo3(signature = (bridge, id, leases=None))]
    fn of_application(bridge: &Bridge, id: u32, leases: Option<&Leases>) -> Self {
        let leases = leases.map(|leases| &leases.0);
        Self(bindings::Store::of_application(&bridge.0, id, leases))
    }
}

/// In-process leases for a store without leases. Create one for each store, shared by all its sessions.
#[pyclass(frozen, module = "mcp_reauth._native")]
pub(crate) struct Leases(pub(crate) bindings::Leases);

#[pymethods]
impl Leases {
    #[new]
    fn new() -> Self {
        Self(bindings::Leases::default())
    }
}

/// Runs the store contract's checks on two objects for the same records, and resolves to the results.
#[pyfunction]
pub(crate) fn check_store(one: &Store, other: &Store) -> Operation {
    bindings::check_store(&one.0, &other.0).into()
}
