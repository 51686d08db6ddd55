//! Stores of core, and the contract of all stores.

use mcp_reauth_bindings as bindings;
use napi::Env;
use napi_derive::napi;

use crate::bridge::Bridge;
use crate::promise::{Promise, promise};

/// One of core's stores, which sessions share.
#[napi]
pub struct Store(pub(crate) bindings::Store);

#[napi]
impl Store {
    /// Records that end with the process.
    #[napi(factory)]
    pub fn memory() -> Self {
        Self(bindings::Store::memory())
    }

    /// Records in the file at `path`.
    #[napi(factory)]
    pub fn file(path: String) -> Self {
        Self(bindings::Store::file(path))
    }
}

/// Leases of a store in JavaScript that has none.
#[napi]
pub struct Leases(pub(crate) bindings::Leases);

#[napi]
impl Leases {
    /// None is out.
    #[napi(constructor)]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(bindings::Leases::default())
    }
}

#[napi]
impl Store {
    /// A store in JavaScript, which is called over the bridge, by its number there; with `leases` where it has none.
    #[napi(factory)]
    pub fn called(bridge: &Bridge, id: u32, leases: Option<&Leases>) -> Self {
        let leases = leases.map(|leases| &leases.0);
        Self(bindings::Store::of_application(&bridge.0, id, leases))
    }
}

/// Checks a store by two ways to the same records: an answer with what came of each check.
#[napi(ts_return_type = "Promise<string>")]
pub fn check_store<'env>(env: &'env Env, one: &Store, other: &Store) -> Promise<'env> {
    promise(env, bindings::check_store(&one.0, &other.0))
}
