//! Which program is tested.

use std::ffi::OsString;

/// The program of the variable `MCP_REAUTH_TESTED`, such as one that was built as users get it, or else the one that was
/// built along with the tests, whose dependencies have what the tests need of them besides.
pub(crate) fn tested() -> OsString {
    std::env::var_os("MCP_REAUTH_TESTED").unwrap_or_else(|| env!("CARGO_BIN_EXE_mcp-reauth").into())
}
