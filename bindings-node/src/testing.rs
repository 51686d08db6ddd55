//! Functions for tests.

use mcp_reauth_bindings::testing;
use napi_derive::napi;

/// The result of a vector of `file` with this JSON input, as JSON.
#[napi]
pub fn vector(file: String, input: String) -> napi::Result<String> {
    let no_json = || napi::Error::from_reason("the input of a vector is JSON");
    testing::vector(&file, &input).ok_or_else(no_json)
}

/// Advances the clock of all sessions.
#[napi]
pub fn advance_clock(seconds: u32) {
    testing::advance_clock(seconds);
}
