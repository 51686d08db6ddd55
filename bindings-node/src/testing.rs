//! What tests need besides.

use mcp_reauth_bindings::testing;
use napi_derive::napi;

/// What a vector of `file` with this input (JSON) comes to, in JSON.
#[napi]
pub fn vector(file: String, input: String) -> napi::Result<String> {
    let no_json = || napi::Error::from_reason("the input of a vector is JSON");
    testing::vector(&file, &input).ok_or_else(no_json)
}

/// Puts the clock of all sessions forward.
#[napi]
pub fn advance_clock(seconds: u32) {
    testing::advance_clock(seconds);
}
