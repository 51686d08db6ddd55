//! A store file, a record, and an authorization state from another process.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_reauth::AuthState;
use mcp_reauth::fuzzing::{record, store_file};

fuzz_target!(|data: &[u8]| {
    match store_file(data) {
        Ok(written) => assert_eq!(store_file(&written).as_ref(), Ok(&written)),
        Err(why) => tells_nothing(&why),
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match record(text) {
        Ok(written) => assert_eq!(record(&written).as_ref(), Ok(&written)),
        Err(error) => tells_nothing(&error.to_string()),
    }
    match AuthState::from_json(text) {
        Ok(state) => {
            let json = state.to_json().expect("what was read can be written");
            assert_eq!(AuthState::from_json(json.expose()), Ok(state));
        }
        Err(error) => tells_nothing(&error.to_string()),
    }
});

/// Asserts that a message quotes nothing: everything in the file may be a secret. The seeds contain this one.
fn tells_nothing(message: &str) {
    assert!(!message.contains("canary"), "{message}");
    assert!(message.len() < 512, "{message}");
}
