//! Field lines of a `WWW-Authenticate` header, one per line; the first byte selects the status.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_reauth::AuthChallenge;
use mcp_reauth::fuzzing::{Challenge, challenges};

fuzz_target!(|data: &[u8]| {
    let Some((&status, field)) = data.split_first() else {
        return;
    };
    let field = String::from_utf8_lossy(field);
    let read = challenges(field.split('\n'));
    for (scheme, params) in &read {
        assert!(field.contains(scheme.as_str()), "a scheme from nowhere");
        for (name, _) in params {
            assert!(field.contains(name.as_str()), "a parameter from nowhere");
        }
    }
    // Challenges that are serialized as in RFC 9110 parse to the same.
    let written: Vec<String> = read.iter().map(write).collect();
    assert_eq!(challenges(written.iter().map(String::as_str)), read);

    let status = if status % 2 == 0 { 401 } else { 403 };
    let challenge = AuthChallenge::from_response(status, field.split('\n'));
    let challenge = challenge.expect("both are challenges");
    if let Some(message) = &challenge.message {
        assert!(!message.chars().any(char::is_control) && message.chars().count() <= 512);
    }
    let json = serde_json::to_string(&challenge).expect("it has a JSON form");
    let back: AuthChallenge = serde_json::from_str(&json).expect("that can be read");
    assert_eq!(back, challenge);
});

fn write((scheme, params): &Challenge) -> String {
    let params: Vec<String> = params
        .iter()
        .map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{name}=\"{value}\"")
        })
        .collect();
    format!("{scheme} {}", params.join(", "))
}
