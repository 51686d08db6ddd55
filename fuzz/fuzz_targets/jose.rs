//! A signed token and the keys it is checked by, one line each; or, where that begins it, a key file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_reauth::fuzzing::{id_token, key_file};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(key) = text.strip_prefix("key\n") {
        // Whatever is taken for a key can sign, and what it signs is confirmed by its public part.
        if let Some(confirmed) = key_file(key) {
            assert!(confirmed);
        }
        return;
    }
    let Some((token, keys)) = text.split_once('\n') else {
        return;
    };
    // Only three parts are a token.
    if id_token(token, keys).is_ok() {
        assert_eq!(token.split('.').count(), 3);
    }
});
