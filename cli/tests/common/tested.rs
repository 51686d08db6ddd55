//! The program under test.

use std::ffi::OsString;

/// The program in the variable `MCP_REAUTH_TESTED`, such as a release build; otherwise the one that was built with the
/// tests, whose dependencies also have the features that only tests need.
pub(crate) fn tested() -> OsString {
    std::env::var_os("MCP_REAUTH_TESTED").unwrap_or_else(|| env!("CARGO_BIN_EXE_mcp-reauth").into())
}
