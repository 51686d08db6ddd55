//! The shared vectors, for what JavaScript has no API of its own.

use napi_derive::napi;
use serde_json::Value;

/// What a vector of `file` with this input (JSON) comes to, in JSON.
#[napi]
pub fn vector(file: String, input: String) -> napi::Result<String> {
    let input: Value = serde_json::from_str(&input)
        .map_err(|error| napi::Error::from_reason(error.to_string()))?;
    Ok(mcp_reauth::vectors::answer(&file, &input).to_string())
}
