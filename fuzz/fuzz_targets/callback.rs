//! A callback as a browser, a user or a web framework passes it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_reauth::fuzzing::{callback_code, callback_param};
use mcp_reauth::{CallbackParams, Error, is_from_issuer};

const ISSUER: &str = "https://as.example";

fuzz_target!(|text: &str| {
    let params = CallbackParams::parse(text);
    assert_eq!(format!("{params:?}"), "CallbackParams");
    for expected in [false, true] {
        let iss = callback_param(&params, "iss");
        let ours = match &iss {
            Ok(Some(iss)) => iss == ISSUER,
            Ok(None) => !expected,
            Err(()) => false,
        };
        assert_eq!(is_from_issuer(&params, ISSUER, expected), ours);
        match callback_code(&params, ISSUER, expected) {
            Ok(code) => {
                assert!(ours && !code.expose().is_empty());
                assert_eq!(callback_param(&params, "error"), Ok(None));
            }
            // It contains nothing of a response from another issuer.
            Err(error @ Error::IssuerMismatch { .. }) => {
                assert!(!ours);
                let expected = ISSUER.to_owned();
                assert_eq!(error, Error::IssuerMismatch { expected });
            }
            Err(error) => {
                assert!(ours && error.code() == "authorization_denied", "{error:?}");
                assert!(!error.to_string().chars().any(char::is_control));
            }
        }
    }
    if let Ok(Some(state)) = callback_param(&params, "state") {
        assert!(params.has_state(&state) && !params.has_state(&format!("{state}x")));
    }
    // Parameters that a framework has decoded mean the same.
    let names = ["iss", "state", "code", "error", "error_description"];
    let pairs = names.map(|name| (name, callback_param(&params, name)));
    if pairs.iter().all(|(_, value)| value.is_ok()) {
        let present = pairs
            .iter()
            .filter_map(|(n, v)| Some((n, v.as_ref().ok()?.as_ref()?)));
        let decoded = CallbackParams::from_pairs(present);
        for (name, value) in &pairs {
            assert_eq!(&callback_param(&decoded, name), value);
        }
    }
});
