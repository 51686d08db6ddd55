//! Core's stores, and the checks of the store contract.

use mcp_reauth_bindings as bindings;
use napi::Env;
use napi_derive::napi;

use crate::bridge::Bridge;
use crate::promise::{Promise, promise};

/// A store that sessions share.
#[napi]
pub struct Store(pub(crate) bindings::Store);

#[napi]
impl Store {
    /// Creates a store that keeps records in memory.
    #[napi(factory)]
    pub fn memory() -> Self {
        Self(bindings::Store::memory())
    }

    /// Creates a store that keeps records in the file at `path`.
    #[napi(factory)]
    pub fn file(path: String) -> Self {
        Self(bindings::Store::file(path))
    }
}

/// In-process leases for a JavaScript store without leases.
#[napi]
pub struct Leases(pub(crate) bindings::Leases);

#[napi]
impl Leases {
    /// Creates them.
    #[napi(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(bindings::Leases::default())
    }
}

#[napi]
impl Store {
    /// Creates a store that calls JavaScript over the bridge under the number `id`; `leases` if it has none.
    #[napi(factory)]
    pub fn called(bridge: &Bridge, id: u32, leases: Option<&Leases>) -> Self {
        let leases = leases.map(|leases| &leases.0);
        Self(bindings::Store::of_application(&bridge.0, id, leases))
    }
}

/// Runs the store contract's checks on two objects for the same records, and resolves to the results.
#[napi(ts_return_type = "Promise<string>")]
pub fn check_store<'env>(env: &'env Env, one: &Store, other: &Store) -> Promise<'env> {
    promise(env, bindings::check_store(&one.0, &other.0))
}
