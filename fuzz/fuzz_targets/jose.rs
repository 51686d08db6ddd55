//! A signed token and the keys to verify it with, one per line; or, after the line `key`, a key file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_reauth::fuzzing::{id_token, key_file};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(key) = text.strip_prefix("key\n") {
        // Every accepted key can sign, and its public part verifies the signature.
        if let Some(confirmed) = key_file(key) {
            assert!(confirmed);
        }
        return;
    }
    let Some((token, keys)) = text.split_once('\n') else {
        return;
    };
    // A token has exactly three parts.
    if id_token(token, keys).is_ok() {
        assert_eq!(token.split('.').count(), 3);
    }
});
