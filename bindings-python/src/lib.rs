//! The native part of the PyPI package `mcp-reauth`. Its Python part (`python/mcp_reauth/`) calls it; users never see
//! it.
//!
//! The behaviour is in `bindings-common`. This crate has the PyO3 annotations, the calls of Python, and the operations
//! that Python waits for. See `docs/bindings.md`.

mod authorization;
mod bridge;
mod delivery;
mod exchange;
mod log;
mod loopback;
mod operation;
mod request;
mod runtime;
mod session;
mod store;
#[cfg(feature = "testing")]
mod testing;
mod text;

use pyo3::prelude::*;

/// The module `mcp_reauth._native`.
#[pymodule(gil_used = false)]
mod _native {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::authorization::Authorization;
    #[pymodule_export]
    use crate::bridge::Bridge;
    #[pymodule_export]
    use crate::exchange::{EventWatch, Exchange};
    #[pymodule_export]
    use crate::log::set_log_level;
    #[pymodule_export]
    use crate::loopback::Loopback;
    #[pymodule_export]
    use crate::operation::Operation;
    #[pymodule_export]
    use crate::request::Request;
    #[pymodule_export]
    use crate::runtime::{after_fork, shut_down};
    #[pymodule_export]
    use crate::session::Session;
    #[pymodule_export]
    use crate::store::{Leases, Store, check_store};
    #[cfg(feature = "testing")]
    #[pymodule_export]
    use crate::testing::{advance_clock, vector};
    #[pymodule_export]
    use crate::text::{
        challenge_of_tool_result, is_strict_scope_superset, json_rpc_error, misconfigured,
        operation_of_message, parse_challenge, parse_scopes, scope_difference, scope_union,
        scopes_cover, sentence,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("VERSION", env!("CARGO_PKG_VERSION"))
    }
}
